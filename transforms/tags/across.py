"""Tags that no single entity gives: sequences over several, queries of their own, and lists from outside.

Their columns make up one table, tag/across. Grain: known customer.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transforms.errors import DefinitionError
from transforms.expressions import Query, compile_query
from transforms.schemas import ENTITIES
from transforms.tags.items import columns_of, ended, literal
from transforms.tags.sequences import Happening, happening_of
from transforms.tags.tag import COLUMN_TYPES, CUSTOMER, Tag

if TYPE_CHECKING:  # to read the configuration takes no Spark
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

TABLE = "across"
_ID = "customer_id"


@dataclass(frozen=True)
class Queried:
    """A tag that is a query."""

    tag: Tag
    query: Query

    @property
    def entities(self) -> tuple[str, ...]:
        return tuple(self.query.reads)


@dataclass(frozen=True)
class AcrossPlan:
    """A night's tags over several entities or none. `columns`: entity -> the columns that they read of it."""

    sequences: tuple[Happening, ...] = ()
    queries: tuple[Queried, ...] = ()
    imports: tuple[Tag, ...] = ()

    @property
    def tags(self) -> tuple[Tag, ...]:
        return (*(sequence.tag for sequence in self.sequences), *(query.tag for query in self.queries), *self.imports)

    def columns(self, *, of: Iterable[Happening | Queried] | None = None) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        every: list[Happening | Queried] = [*self.sequences, *self.queries]
        for part in of if of is not None else every:
            reads = part.columns if isinstance(part, Happening) else part.query.reads
            for entity, columns in reads.items():
                found[entity] = found.get(entity, frozenset()) | columns
        return found

    def lines(self) -> list[str]:
        """The plan in words."""
        told = []
        if self.sequences:
            entities = ", ".join(sorted(self.columns(of=self.sequences)))
            told.append(f"across: {len(self.sequences)} sequences in one pass over {entities}")
        told += [f"across: query {query.tag.tag} over {', '.join(query.entities)}" for query in self.queries]
        return told + [f"across: import {tag.tag} from {tag.import_}" for tag in self.imports]


def plan_across(tags: Sequence[Tag], *, timezone: str) -> AcrossPlan:
    """What to compute for those of `tags` that no single entity gives."""
    return AcrossPlan(
        tuple(happening_of(tag, timezone=timezone) for tag in tags if tag.kind == "sequence"),
        tuple(Queried(tag, query_of(tag, timezone=timezone)) for tag in tags if tag.kind == "sql"),
        tuple(tag for tag in tags if tag.kind == "import"),
    )


def query_of(tag: Tag, *, timezone: str) -> Query:
    """The query of a tag, which gives `customer_id` and `value`. Raises DefinitionError."""
    place = f"{tag.place}: sql"
    query = compile_query(str(tag.sql), place=place, entities=_readable(), timezone=timezone)
    lacking = [name for name in (_ID, "value") if name not in query.columns]
    if lacking:
        raise DefinitionError(f"{place}: gives no {lacking[0]}; it must give customer_id and value: … as {lacking[0]}")
    beside = [name for name in query.columns if name not in (_ID, "value")]
    if beside:
        raise DefinitionError(f"{place}: gives '{beside[0]}' beside customer_id and value; remove it")
    if query.columns[_ID] != "string":
        raise DefinitionError(f"{place}: its customer_id is none: select the customer_id of an entity")
    return query


def _readable() -> dict[str, dict[str, str]]:
    """Entity -> column -> type, as a query sees it: with customer_id, unless it describes no person."""
    readable = {
        name: {
            **({} if entity.reference else {_ID: "string"}),
            **{column: known.type for column, known in columns_of(name).items()},
        }
        for name, entity in ENTITIES.items()
    }
    return {**readable, CUSTOMER: {name: column.type for name, column in columns_of(CUSTOMER).items()}}


def kind_of(tag: Tag, query: Query | None = None) -> str:
    """The Spark type of the values of a tag of these kinds, as they come."""
    if tag.kind == "sequence":
        return "bigint" if tag.type == "integer" else "boolean"
    return query.columns["value"] if query else "string"


def one_each(rows: "DataFrame") -> "DataFrame":
    """The result of a query, a row a customer: the value, and how many rows there were. NULL where several."""
    from pyspark.sql import functions as F

    return (
        rows.groupBy(_ID)
        .agg(F.count(F.lit(1)).alias("rows"), F.max("value").alias("value"))
        .where(F.col(_ID).isNotNull())
    )


def side_by_side(
    customers: "DataFrame", *, sequences: "DataFrame | None", others: "Mapping[str, DataFrame]"
) -> "DataFrame":
    """All that was found, beside `customers`: of each tag `<tag>` and, of `others`, `<tag>_rows`.

    `sequences`: customer_id and how often each happened; `others`: tag -> customer_id, value and rows.
    """
    from pyspark.sql import functions as F

    wide = customers.select(_ID)
    if sequences is not None:
        wide = wide.join(sequences, _ID, "left")
    for name, frame in others.items():
        renamed = frame.select(_ID, F.col("rows").alias(f"{name}_rows"), F.col("value").alias(name))
        wide = wide.join(renamed, _ID, "left")
    return wide


def values(wide: "DataFrame", plan: AcrossPlan, *, withheld: Collection[str]) -> "DataFrame":
    """tag/across out of `side_by_side`. `withheld`: tags that are NULL for everybody."""
    from pyspark.sql import functions as F

    columns = []
    for tag in plan.tags:
        ddl = COLUMN_TYPES[tag.type or "text"]
        missing = tag.tag in withheld or tag.tag not in wide.columns
        columns.append((F.lit(None) if missing else _value(tag, plan, ddl)).cast(ddl).alias(tag.tag))
    return wide.select(_ID, *columns)


def _value(tag: Tag, plan: AcrossPlan, ddl: str) -> "SparkColumn":
    from pyspark.sql import functions as F

    default = F.expr(literal(tag.default))
    if tag.kind == "sequence":
        often = F.col(tag.tag)
        value = often if tag.type == "integer" else often >= F.lit(tag.at_least or 1)
        return F.when(often.isNotNull(), value).otherwise(default)
    query = next((query.query for query in plan.queries if query.tag.tag == tag.tag), None)
    found = ended(f"`{tag.tag}`", kind_of(tag, query), ddl, tag.values if tag.type == "enum" else ())
    rows = F.col(f"{tag.tag}_rows")
    return F.when(rows == 1, F.expr(found)).when(rows.isNull(), default)
