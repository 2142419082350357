"""Which of several versions of a record counts, and what became of each row that landed.

Every row has exactly one fate, in this order:
erased (of a person on the erasure list), filtered (whole, and not what the source's `where` wants),
quarantined (violates a rule),
duplicate (equal to another row of this extract),
superseded (older than another version), unchanged (equal to what silver holds), accepted.

A row that is filtered is a version as well, of which nothing is held: it ends an older one, and wins no tie.

Some rows are restated together: the lines of an order whose source numbers none, the equal rows of a source that keeps
them. `by` names the column that tells which: `record_id`, or `_group` where a source of the batch has such (`wholes`).
"""

from collections.abc import Iterable, Sequence

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.schemas import Entity
from transforms.sources.definition import Source
from transforms.sources.paths import dated

FATES = ("accepted", "unchanged", "superseded", "duplicate", "filtered", "quarantined", "erased")


def file_date(sources: Iterable[Source]) -> SparkColumn:
    """The `{date}` of the file that a row came in (yyyy-mm-dd); where it has none, of the night that took it.

    Costly beside other columns: asked only of rows that are compared.
    """

    def found(source: Source) -> SparkColumn:
        return F.coalesce(*(F.nullif(F.regexp_extract("_file", p, 1), F.lit("")) for p in dated(source.read.path)))

    dates = [F.when(F.col("source") == source.source, found(source)) for source in sources]
    return F.coalesce(*dates, F.col("_batch_date").cast("string"))


def version(entity: Entity, dated: SparkColumn) -> SparkColumn:
    """What orders versions of one record: the date of the file, the record's own time, and a refusal before a grant."""
    changed = F.col(entity.changed) if entity.changed else F.lit(None).cast("timestamp")
    refuses = ~F.col(entity.granting) if entity.granting else F.lit(None).cast("boolean")
    return F.struct(dated.alias("file_date"), changed.alias("changed"), refuses.alias("refuses"))


def candidate() -> SparkColumn:
    """A whole row that the source's filter wants: a version can be chosen from these."""
    return (F.size("reasons") == 0) & F.col("_wanted")


def withdrawal() -> SparkColumn:
    """A row that tells of a record that the source's filter does not want it, or not any more."""
    return ~F.col("_wanted") & ~F.col("_erased") & F.col("_corrupt").isNull() & F.col("record_id").isNotNull()


def tells() -> SparkColumn:
    """A row that has a part in the order of its record's versions."""
    return candidate() | withdrawal()


def alone() -> SparkColumn:
    """The fate of a row that is not held, whatever others tell; NULL for a candidate."""
    return F.when(refused(), "quarantined").when(~F.col("_wanted"), _unwanted())


def _unwanted() -> SparkColumn:
    return F.when(F.col("_erased"), "erased").otherwise("filtered")


def refused() -> SparkColumn:
    """A row that goes to quarantine: flawed, and either wanted by the source's filter or not readable at all."""
    return (F.size("reasons") > 0) & (F.col("_wanted") | F.col("_corrupt").isNotNull())


def keys(rows: DataFrame) -> DataFrame:
    """`_key` of every row that tells its record: 64 bits of its hash. Narrow: nothing but the key is computed."""
    return rows.where(F.col("record_id").isNotNull()).select(_key())


def _key() -> SparkColumn:
    return F.xxhash64("record_id").alias("_key")


def sent(frame: DataFrame, few: bool) -> DataFrame:
    """A side of a join. One of few rows is sent whole to every task; the driver must hold it for that."""
    return F.broadcast(frame) if few else frame


def met(rows: DataFrame, keys: DataFrame, *, few: bool) -> DataFrame:
    """Adds `_meets`: the row is to be looked at beside others, of the extract or of silver, or it is refused; and
    `_fate`, accepted, filtered or erased, for the others. `keys`: of the records that other rows are about too, `few`
    of them or not."""
    meets = refused() | (tells() & F.col("_contested").isNotNull())
    return (
        # few are refused, and to put a row together as JSON costs as much as to type it
        rows.withColumn("_raw", F.when(refused(), F.col("_raw")))
        .withColumn("_key", _key())
        .join(sent(keys.withColumn("_contested", F.lit(True)), few), "_key", "left")
        .withColumn("_meets", meets)
        .withColumn("_fate", F.when(~F.col("_meets"), F.when(F.col("_wanted"), "accepted").otherwise(_unwanted())))
        .drop("_key", "_contested")
    )


def judged_within(
    rows: DataFrame, keys: DataFrame | None, entity: Entity, sources: Sequence[Source], *, few: bool = True
) -> DataFrame:
    """Adds `_fate` as far as the extract alone decides it: the newest version counts, and of equal rows one; and
    `_withdraws`: the newest is this row, which the source's filter leaves out.

    Of two versions of one age that are wanted the content decides, so that the order of rows and files does not.
    `keys`: of the records that several rows are about, few or not; only these are compared. None: all are, which is
    the shorter way where there are few rows.
    """
    versions = Window.partitionBy("record_id", tells()).orderBy(
        version(entity, file_date(sources)).desc(), F.col("_wanted").desc(), F.col("_hash").desc(), "_file"
    )
    newest = F.row_number().over(versions) == 1
    same = F.first(F.struct("_wanted", "_hash")).over(versions) == F.struct("_wanted", "_hash")
    fate = alone().when(newest, "accepted").when(same, "duplicate").otherwise("superseded")
    compared = {"_fate": fate, "_withdraws": withdrawal() & newest}
    if keys is None:
        return rows.withColumns(compared)
    keyed = rows.withColumn("_key", _key())
    only = keyed.join(sent(keys, few), "_key", "left_anti").withColumns(
        {"_fate": alone().otherwise("accepted"), "_withdraws": withdrawal()}
    )
    several = keyed.join(sent(keys, few), "_key", "left_semi").withColumns(compared)
    return only.unionByName(several).drop("_key")


def fate_counts(sources: list[str], fates: Sequence[str] = FATES) -> list[SparkColumn]:
    """Aggregates over judged rows, for `observe`: each source's fates, `<source>|<fate>`, and the rows in quarantine
    that do not tell which record they are of, `<source>|keyless`."""
    counted = {fate: F.col("_fate") == fate for fate in fates}
    if "quarantined" in fates:
        counted["keyless"] = counted["quarantined"] & F.col("record_id").isNull()
    return [count(source, name, is_so) for source in sources for name, is_so in counted.items()]


def count(source: str, fate: str, among: SparkColumn) -> SparkColumn:
    """An aggregate: the rows of a source among some, as `<source>|<fate>`."""
    return F.sum(F.when(among & (F.col("source") == source), 1).otherwise(0)).alias(f"{source}|{fate}")


def span() -> list[SparkColumn]:
    """Aggregates over judged rows: the time of the first and of the last accepted event, seconds since 1970 in UTC."""
    accepted = F.when(F.col("_fate") == "accepted", F.col("event_at"))
    return [F.unix_timestamp(F.min(accepted)).alias("first"), F.unix_timestamp(F.max(accepted)).alias("last")]
