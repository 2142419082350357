"""Splink on DuckDB: its comparisons, term frequencies and match weights over pairs that were chosen beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from transforms.identity.comparing import FINER, comparison, group
from transforms.identity.estimation import Floats, Patterns, Session, chances, class_weights, likeness, without_matches
from transforms.identity.matching import Kind

# Pairs by chance for u, pairs of a session and pairs for the classes: more change the parameters by less than they
# change from night to night.
_BY_CHANCE, _OF_SESSION, _OF_CLASSES = 1_400, 200_000, 500_000
_LEAST_PAIRS = 20
_MOST_PAIRS_A_RECORD = 30
_GROUPS = ("P", "H", "A")
# What matches are learnt from: pairs that agree on what only one person has, so that a household is no match.
_TELLING = (
    ("given_name", "family_name"), ("full_name",), ("birth_date",), ("given_name", "postal_code"),
    ("given_name", "street"), ("given_name", "phone"), ("given_name", "email"), ("full_name", "email"),
)  # fmt: skip
_LAST_RESORT = (("email",), ("phone",), ("street",))


@dataclass(frozen=True)
class Model:
    """What a fit found. levels: m and u of each column's levels, most unlike first. classes: of pairs, a record.
    implied: the columns whose agreement a column's follows from.

    It holds numbers alone: frequencies of values are counted anew each night.
    """

    levels: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    classes: Sequence[float]
    implied: Mapping[str, Sequence[str]]

    def parameters(self) -> dict[str, Any]:
        """As gold/model keeps it."""
        levels = {name: {"m": list(m), "u": list(u)} for name, (m, u) in self.levels.items()}
        return {
            "levels": levels,
            "classes": list(self.classes),
            "implied": {k: list(v) for k, v in self.implied.items()},
        }

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Model":
        levels = {name: (each["m"], each["u"]) for name, each in parameters["levels"].items()}
        return cls(levels, parameters["classes"], parameters["implied"])


class Linkage:
    """Comparisons of the table `records` of a connection: `id`, the standardised columns and what they need beside."""

    def __init__(self, con: duckdb.DuckDBPyConnection, kinds: Mapping[str, Kind]) -> None:
        self.con = con
        self.kinds = kinds
        self.implied: Mapping[str, Sequence[str]] = {}
        self.sizes = [len(each["comparison_levels"]) - 1 for each in self.comparisons]
        self.records = int(con.execute("select count(*) from records").fetchall()[0][0])

    @property
    def comparisons(self) -> list[dict[str, Any]]:
        """Each column's comparison, as Splink has it, without what its levels are worth."""
        return [comparison(name, kind, self.kinds, self.implied.get(name, ())) for name, kind in self.kinds.items()]

    @property
    def pairs(self) -> float:
        """Of all records, each with each other."""
        return max(self.records * (self.records - 1) / 2.0, 1.0)

    def fit(self) -> Model:
        """Estimate the parameters from the records and their table `pairs`."""
        self.implied = self._implications()
        by_chance = self._by_chance()
        u = chances(by_chance, self.sizes)
        m, matches = likeness([*self._sessions()], u, self.sizes)
        u = without_matches(u, m, matches / self.pairs, max(float(by_chance.count.sum()), 1.0))
        levels = {name: (m[at].tolist(), u[at].tolist()) for at, name in enumerate(self.kinds)}
        model = Model(levels, (0.0, 0.0, 0.0), self.implied)
        found = int(self.con.execute("select count(*) from pairs").fetchall()[0][0])
        share = min(1.0, _OF_CLASSES / max(found, 1))
        self._sample("pairs", share)
        self.score(model, "sample")
        rows = self.con.execute("select P, H, A from scored order by l, r").fetchnumpy()
        factors = np.stack([np.asarray(rows[name], dtype=np.float64) for name in _GROUPS])
        weights = class_weights(factors, self.pairs, share)
        return Model(
            _rounded(levels), tuple(float(f"{w * self.pairs / self.records:.6g}") for w in weights), self.implied
        )

    def weights(self, model: Model) -> Floats:
        """The classes' weights among all pairs of as many records as there are now."""
        found = np.asarray(model.classes, dtype=np.float64) * self.records / self.pairs
        return np.clip(found, 1e-15, 0.25)

    def score(self, model: Model, pairs: str) -> None:
        """Make the table `scored`: l, r, and how much likelier one person's records look so than strangers', as
        logarithms to the base 2: P for the columns of the person, H of the household, A of the address."""
        settings = self._settings(model)
        settings["retain_intermediate_calculation_columns"] = True
        predicted = self._predict(settings, pairs)
        terms: dict[str, list[str]] = {name: [] for name in _GROUPS}
        present = self._columns(predicted)
        for column in self.kinds:
            terms[group(column)] += [name for name in (f"mw_{column}", f"mw_tf_adj_{column}") if name in present]
        sums = ", ".join(f"cast({' + '.join(terms[name]) or '0'} as double) as {name}" for name in _GROUPS)
        self.con.execute(
            f"create or replace temp table scored as select id_l as l, id_r as r, {sums} from {predicted}"
        ).fetchall()
        self.con.execute(f"drop table {predicted}").fetchall()

    def _implications(self) -> dict[str, list[str]]:
        """The finer columns that a column follows from: where they agree, it mostly does, of other people too."""
        people = next((name for name in ("given_name", "full_name") if name in self.kinds), "id")
        found: dict[str, list[str]] = {}
        for column, finer in FINER.items():
            for other in finer:
                if {column, other} <= self.kinds.keys() and self._follows(column, other, people):
                    found.setdefault(column, []).append(other)
        return found

    def _follows(self, column: str, other: str, people: str) -> bool:
        """Of pairs of different `people` that agree on `other`, do most agree on `column`?"""
        agree, both = (self._agreeing(*on) - self._agreeing(*on, people) for on in ((other,), (other, column)))
        return both > 0 and both >= agree / 2

    def _agreeing(self, *on: str) -> int:
        """How many pairs agree on all of the columns."""
        present = " and ".join(f"{name} is not null" for name in on)
        blocks = f"select count(*) as n from records where {present} group by {', '.join(on)}"
        return int(self.con.execute(f"select coalesce(sum(n * (n - 1) // 2), 0) from ({blocks})").fetchall()[0][0])

    def _by_chance(self) -> Patterns:
        drawn = f"(select id from records order by hash(cast(id as bigint) * 7919 + 1), id limit {_BY_CHANCE})"
        self.con.execute(
            f"create or replace temp table sample as select l.id as l, r.id as r from {drawn} l join {drawn} r "
            "on l.id < r.id"
        ).fetchall()
        return self._patterns("sample")

    def _sessions(self) -> list[Session]:
        codes = tuple((name,) for name, kind in self.kinds.items() if kind == "code")
        chosen = [on for on in (*codes, *_TELLING) if set(on) <= self.kinds.keys()]
        found = [session for on in chosen if (session := self._session(on))]
        return found or [s for on in _LAST_RESORT if set(on) <= self.kinds.keys() and (s := self._session(on))]

    def _session(self, on: Sequence[str]) -> Session | None:
        """None where too few pairs agree to learn from, or so many that matches are lost among them."""
        given = " and ".join(f"{column} is not null" for column in on)
        pairs = self._agreeing(*on)
        if not _LEAST_PAIRS <= pairs <= _MOST_PAIRS_A_RECORD * self.records:
            return None
        kept = int(1_000_000 * min(1.0, (_OF_SESSION / pairs) ** 0.5))
        drawn = f"(select * from records where {given} and hash(cast(id as bigint) * 7919 + 2) % 1000000 < {kept})"
        same = " and ".join(f"l.{column} = r.{column}" for column in on)
        self.con.execute(
            f"create or replace temp table sample as select l.id as l, r.id as r from {drawn} l join {drawn} r "
            f"on {same} and l.id < r.id"
        ).fetchall()
        fixed = frozenset(at for at, name in enumerate(self.kinds) if name in on)
        patterns = self._patterns("sample")
        return Session(patterns, fixed) if len(patterns.count) else None

    def _sample(self, pairs: str, share: float) -> None:
        self.con.execute(
            f"create or replace temp table sample as select l, r from {pairs} "
            f"where hash(cast(l as bigint) * 7919 + r) % 1000000 < {int(1_000_000 * share)}"
        ).fetchall()

    def _patterns(self, pairs: str) -> Patterns:
        settings = self._settings(None)
        settings["retain_matching_columns"] = True
        predicted = self._predict(settings, pairs)
        names = ", ".join(f"gamma_{column}" for column in self.kinds)
        rows = self.con.execute(
            f"select {names}, count(*) as n from {predicted} group by all order by all"
        ).fetchnumpy()
        self.con.execute(f"drop table {predicted}").fetchall()
        levels = np.stack([np.asarray(rows[f"gamma_{column}"], dtype=np.int64) for column in self.kinds], axis=1)
        return Patterns(levels, np.asarray(rows["n"], dtype=np.float64))

    def _settings(self, model: Model | None) -> dict[str, Any]:
        """Splink's settings. Without a model every level is worth the same: only levels are asked for."""
        self.implied = model.implied if model else self.implied
        comparisons = self.comparisons
        for each, size in zip(comparisons, self.sizes, strict=True):
            m, u = model.levels[each["output_column_name"]] if model else ([0.5] * size, [0.5] * size)
            levels = [level for level in each["comparison_levels"] if not level.get("is_null_level")]
            for level, at in zip(levels, reversed(range(size)), strict=True):
                level["m_probability"], level["u_probability"] = m[at], u[at]
        return {
            "link_type": "dedupe_only",
            "unique_id_column_name": "id",
            "comparisons": comparisons,
            "blocking_rules_to_generate_predictions": ["l.id = r.id"],  # pairs are registered instead
            "probability_two_random_records_match": 0.5,
            "retain_matching_columns": False,
            "retain_intermediate_calculation_columns": False,
        }

    def _predict(self, settings: dict[str, Any], pairs: str) -> str:
        """Score the table `pairs` (l, r); gives the name of the table of results."""
        from splink import DuckDBAPI, Linker

        self.con.execute(
            f"create or replace temp view chosen as select l as join_key_l, r as join_key_r, '0' as match_key "
            f"from {pairs}"
        ).fetchall()
        api = DuckDBAPI(connection=self.con)
        linker = Linker(api.register("records"), settings, log_level=None)
        linker.table_management.register_blocked_pairs_for_predict(api.register("chosen"))
        name: str = linker.inference.predict().physical_name
        return name

    def _columns(self, table: str) -> set[str]:
        return {row[0] for row in self.con.execute(f"describe {table}").fetchall()}


def _rounded(
    levels: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """To six figures: what adding in another order changes is not kept."""
    short = {name: tuple([float(f"{x:.6g}") for x in each] for each in both) for name, both in levels.items()}
    return {name: (m, u) for name, (m, u) in short.items()}
