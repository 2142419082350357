"""What every record of silver carries: identifiers, its key, its node in the identity graph, and its flaws."""

import functools
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms import columns
from transforms.schemas import CORRUPT, Entity
from transforms.sources.standard.answers import with_answers
from transforms.sources.standard.emails import mailbox, mailboxes
from transforms.sources.standard.phones import e164, numbers

LONGEST_KEY = 200
_MARKS = ("\\", ":", "#")  # of a record's name
_WHOLE_NUMBERS = ("int", "bigint")
# Printable ASCII without quotes and backslashes stands in JSON as it is. Java's $ would let a last line end pass.
_PLAIN = r"^[ !#-\[\]-~]*\z"
EARLIEST = date(1900, 1, 1)
# Identifiers that have a standard form: the rule, its type, and the columns that it looks at.
_RULES: dict[str, tuple[Callable[..., object], str, tuple[str, ...]]] = {
    "_id_email": (mailbox, "string", ("_id_email",)),
    "_ids_email": (mailboxes, "array<string>", ("_ids_email",)),
    "_id_phone": (e164, "string", ("_id_phone", "_country")),
    "_ids_phone": (numbers, "array<string>", ("_ids_phone", "_country")),
}


def with_ids(rows: DataFrame, entity: Entity, types: Iterable[str], *, few: bool = False) -> DataFrame:
    """Adds `ids` (identifier type -> normalised values) and `_ids`, the same as sorted JSON, NULL where empty.

    `types`: the identifier types that the sources of `rows` give by their YAML. `few`: see `Context`.
    Phones are read by the rules of the country that a contact names, else of its source's.
    """
    land = F.coalesce("country", "_country") if entity.person else F.col("_country")
    for column, (rule, type_, asked) in _RULES.items():
        if column in rows.columns:
            told = (land if name == "_country" else F.col(name) for name in asked)
            rows = with_answers(rows, column, rule, type_, *told, repeated=not few)
    kinds = sorted({*types, *entity.automatic_ids})
    nothing = F.map_from_arrays(F.array().cast("array<string>"), F.array().cast("array<array<string>>"))
    values = {kind: _values(kind, rows.columns, entity) for kind in kinds}
    maps = [
        F.when(F.size(found) > 0, F.create_map(F.lit(kind), found)).otherwise(nothing) for kind, found in values.items()
    ]
    # most sources give one kind, and to put maps together is slow
    ids = maps[0] if len(maps) == 1 else F.map_concat(nothing, *maps)
    return rows.withColumn("ids", ids).withColumn("_ids", F.nullif(_json(F.col("ids"), kinds), F.lit("{}")))


def _json(ids: SparkColumn, kinds: Sequence[str]) -> SparkColumn:
    """What `F.to_json(ids)` gives; put together by hand for the usual row, of one plain value, as that is far less."""
    if len(kinds) != 1:
        return F.to_json(ids)
    values = ids[kinds[0]]
    plain = (F.size(values) == 1) & values[0].rlike(_PLAIN)
    begin = f'{{{json.dumps(kinds[0], ensure_ascii=False)}:["'
    return F.when(plain, F.concat(F.lit(begin), values[0], F.lit('"]}'))).otherwise(F.to_json(ids))


def _values(kind: str, given: Iterable[str], entity: Entity) -> SparkColumn:
    """All values of a type that a row gives, normalised. Single ones, the usual case, go without slow lambdas.

    `_own_<type>` is what an entity's own rules made of its column for this purpose.
    """
    nothing = F.array().cast("array<string>")
    singles = [name for name in (f"_id_{kind}",) if name in given]
    if kind in entity.automatic_ids:
        own = f"_own_{kind}"
        singles.append(own if own in given else entity.automatic_ids[kind])
    single = (_bare(F.col(name).cast("string")) for name in singles)
    arrays = [F.when(value.isNotNull(), F.array(value)).otherwise(nothing) for value in single]
    if f"_ids_{kind}" in given:
        several = F.filter(F.transform(f"_ids_{kind}", _bare), lambda value: value.isNotNull())
        arrays.append(F.coalesce(several, nothing))
    return arrays[0] if len(arrays) == 1 else F.sort_array(F.array_distinct(F.concat(*arrays)))


def _bare(value: SparkColumn) -> SparkColumn:
    return F.nullif(F.trim(value), F.lit(""))


def with_keys(rows: DataFrame, entity: Entity, *, ranking: Sequence[str] = ()) -> DataFrame:
    """Adds `record_id`, NULL where a part of the key is missing.

    `ranking`: sources whose rows have no rank within the rest of their key yet; theirs is without it.
    """
    whole = record_id(entity, *entity.key)
    if not ranking:
        return rows.withColumn("record_id", whole)
    rest = record_id(entity, *(name for name in entity.key if name != entity.ranked))
    return rows.withColumn("record_id", F.when(F.col("source").isin(*ranking), rest).otherwise(whole))


def record_id(entity: Entity, *key: str) -> SparkColumn:
    """`<source>:<key>:…`: readable, and short in Parquet. `key`: the columns of the entity that it is made of.

    Colons, hashes and backslashes within a part are escaped, a part longer than 200 characters is its SHA-256, so that
    no two keys collide.
    """
    return F.concat("source", *(F.concat(F.lit(":"), _part(name, entity.types[name])) for name in key))


def _part(name: str, type_: str) -> SparkColumn:
    part = F.col(name).cast("string")
    if type_ in _WHOLE_NUMBERS:  # short, and without marks
        return part
    part = _escaped(part)
    # bytes are known, characters have to be counted
    is_long = (F.octet_length(part) > LONGEST_KEY) & (F.length(part) > LONGEST_KEY)
    return F.when(is_long, F.sha2(part, 256)).otherwise(part)


def _escaped(text: SparkColumn) -> SparkColumn:
    """Hardly a text has such a mark, and to look for one is far less than to replace it."""
    marked = functools.reduce(operator.or_, (text.contains(mark) for mark in _MARKS))
    escaped = functools.reduce(lambda t, mark: F.replace(t, F.lit(mark), F.lit(f"\\{mark}")), _MARKS, text)
    return F.when(marked, escaped).otherwise(text)


def with_node(rows: DataFrame, entity: Entity) -> DataFrame:
    """Adds `_node`: a record that describes a person is a node itself; others share one with all of equal ids."""
    node = F.col("record_id") if entity.person else F.concat(F.col("source"), F.lit(":"), F.col("_ids"))
    return rows.withColumn("_node", node)


def with_time(rows: DataFrame, entity: Entity, *, timezone: str) -> DataFrame:
    """Adds `event_at` (UTC) and `event_date`, the business day that it falls in."""
    moment = F.col(entity.time) if entity.time else F.lit(None).cast("timestamp")
    # the last hours of the year 9999 are of a later year east of Greenwich, which no date holds
    business_day = F.least(columns.business_day(F.col("event_at"), timezone), F.lit(date.max))
    return rows.withColumn("event_at", moment).withColumn(
        "event_date", F.when(F.col("event_at").isNotNull(), business_day)
    )


def with_hash(rows: DataFrame, entity: Entity) -> DataFrame:
    """Adds `_hash` of the entity's columns and identifiers: equal for a repeated record, other for a changed one."""
    return rows.withColumn(
        "_hash",
        F.xxhash64(
            *(F.to_json(c.name) if c.type.startswith("map") else F.col(c.name) for c in entity.columns),
            F.col("_ids"),
        ),
    )


def with_reasons(
    rows: DataFrame,
    entity: Entity,
    *,
    flaws: Mapping[str, SparkColumn],
    as_of: datetime,
    ranking: Sequence[str] = (),
) -> DataFrame:
    """Adds `reasons`: the names of all rules that the row violates. A rule that cannot be judged (NULL) is met.

    `ranking`: as for `with_keys`.
    """
    missing = {f"no_{column.name}": F.col(column.name).isNull() for column in entity.columns if column.required}
    if ranking:
        missing[f"no_{entity.ranked}"] &= ~F.col("source").isin(*ranking)
    rules = {
        CORRUPT: F.col("_corrupt").isNotNull(),
        **missing,
        **({f"implausible_{entity.time}": F.col("event_at") < F.lit(EARLIEST)} if entity.time else {}),
        **flaws,
    }
    # nearly every row is whole: the texts are put together for the others alone, and arrays with lambdas are slow
    flawed = F.coalesce(functools.reduce(operator.or_, rules.values()), F.lit(False))
    names = F.concat_ws(",", *(F.when(broken, F.lit(name)) for name, broken in rules.items()))
    whole = F.array().cast("array<string>")
    return rows.withColumn("reasons", F.when(flawed, F.split(names, ",")).otherwise(whole))
