"""Two nights' profiles beside each other in DuckDB: what changed, and how values are distributed. No Spark job."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import dataset as ds

from transforms.profile import NOT_TAGS
from transforms.quality.drift import OTHERS
from transforms.tags import distribution as d
from transforms.tags.changes import both_sql, changes_sql, quoted

_MOST_KEPT = 200


class Profiles:
    """The profile of tonight, `now`, and of the last release, `before`; None: there is none.

    `timezone`: the business's.
    """

    def __init__(self, now: ds.Dataset, before: ds.Dataset | None = None, *, timezone: str) -> None:
        self.timezone = timezone
        self.duck = duckdb.connect()
        self.duck.execute("set timezone = 'UTC'")
        self.now = self._table("now", now)
        self.before = self._table("before", before) if before else None

    def _table(self, name: str, rows: ds.Dataset) -> dict[str, str]:
        """Copy a profile, without what tells of the run alone. Gives its tag columns -> DuckDB's type."""
        self.duck.register("_rows", rows)
        kept = [column for column in rows.schema.names if column not in NOT_TAGS]
        self.duck.execute(
            f"create temp table {name} as select {', '.join(map(quoted, ['customer_id', *kept]))} from _rows"
        )
        self.duck.unregister("_rows")
        return {row[0]: row[1] for row in self._all(f"describe {name}") if row[0] != "customer_id"}

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        return self.duck.execute(sql).fetchall()

    # -- what changed

    def changes(
        self, *, of_customer: Mapping[str, str], touched: Mapping[str, Iterable[str]], causes: Mapping[str, str],
        reads: Mapping[str, Iterable[str]], otherwise: str, by_hand: Collection[tuple[str, str]] = (),
    ) -> pa.Table:  # fmt: skip
        """customer_id, tag, old, new, cause. `of_customer`: customer -> cause; `touched`: entity -> customers.

        `by_hand`: (customer, column) of what was set by hand otherwise.
        """
        assert self.before is not None  # noqa: S101  (asked for only where there was a night before)
        self._register("of_customer", [of_customer.keys(), of_customer.values()], ["customer_id", "cause"])
        pairs = [(entity, customer) for entity, customers in touched.items() for customer in customers]
        self._register("_touched", zip(*pairs, strict=True) if pairs else [[], []], ["entity", "customer_id"])
        self.duck.execute(
            "create temp table touched as select customer_id, list(entity) as entities from _touched group by all"
        )
        self._register("by_hand", zip(*by_hand, strict=True) if by_hand else [[], []], ["customer_id", "tag"])
        self.duck.execute(both_sql(self.before, self.now))
        named = {name: list(entities) for name, entities in reads.items()}
        set_columns = {column for _, column in by_hand}
        self.duck.execute(
            changes_sql(self.before, self.now, causes=causes, reads=named, otherwise=otherwise, by_hand=set_columns)
        )
        return self.duck.sql("select * from changes order by tag, customer_id").to_arrow_table()

    def changed_customers(self, owners: Mapping[str, str]) -> dict[str, int]:
        """Tag -> customers with another value in any of its columns. `owners`: column -> tag."""
        self._register("owners", [owners.keys(), owners.values()], ["tag", "owner"])
        sql = "select owner, count(distinct customer_id) from changes join owners using (tag) group by all"
        return dict(self._all(sql))

    def _register(self, name: str, columns: Iterable[Iterable[str]], names: list[str]) -> None:
        arrays = [pa.array(list(column), pa.string()) for column in columns]
        self.duck.register(name, pa.table(arrays, names=names))

    # -- how values are distributed

    def summaries(self, hidden: Iterable[str], smallest_group: int) -> tuple[int, dict[str, dict[str, Any]]]:
        """Customers, and column -> known, distinct, and bins or values. `hidden`: columns whose values are not told."""
        secret = set(hidden)
        summary = pa.table(self.duck.sql(d.summary_sql(self.now, "now", hidden=secret)).to_arrow_table())
        row: dict[str, Any] = summary.to_pylist()[0]
        found = {name: d.told(row, name) for name in self.now}
        for name, kind in self.now.items():
            if not found[name]["known"] or name in secret:
                continue
            if d.is_number(kind) and found[name]["distinct"] > d.MOST_VALUES:
                found[name] |= self._bins(name, found[name]["quantiles"])
            else:
                counts = self._all(d.values_sql(name, kind, "now", timezone=self.timezone))
                found[name]["values"] = d.kept_values(counts, smallest_group)
        return row["customers"], found

    def _bins(self, name: str, quantiles: Mapping[str, float]) -> dict[str, Any]:
        low, high = float(quantiles["0.01"]), float(quantiles["0.99"])
        if low == high:
            return {}
        counts = dict(self._all(d.bins_sql(name, "now", low, high)))
        return {"from": low, "to": high, "bins": [counts.get(place, 0) for place in range(d.BINS)]}

    def drift(self, name: str) -> float | None:
        """How far a column's values have moved since the last release; None where that cannot be said."""
        if self.before is None or self.before.get(name) != self.now.get(name):
            return None
        return d.drift_of(self._counted(name, "before"), self._counted(name, "now"))

    def counted_by(self, name: str, edges: Iterable[float], *, among: str) -> dict[str, int]:
        """Tonight's values of a number by the edges that they are above, of who has a value in the column `among`.

        Nothing where either is not in the profile, or the column holds no numbers.
        """
        if among not in self.now or not d.is_number(self.now.get(name, "")):
            return {}
        rows = f"(select * from now where {quoted(among)} is not null)"
        return dict(self._all(d.binned_sql(name, rows, [float(edge) for edge in edges])))

    def _counted(self, name: str, table: str) -> dict[str, int]:
        kind = self.now[name]
        if d.is_number(kind):
            edges = self._all(d.edges_sql(name, "before"))[0][0] or []
            return dict(self._all(d.binned_sql(name, table, [float(edge) for edge in edges])))
        counts = self._all(d.values_sql(name, kind, table, timezone=self.timezone))
        missing = self._all(f"select count(*) from {table} where {quoted(name)} is null")[0][0]
        rest = sum(count for _, count in counts[_MOST_KEPT:])
        kept = dict(counts[:_MOST_KEPT]) | ({OTHERS: rest} if rest else {})
        return kept | ({d.MISSING: missing} if missing else {})
