"""Which of several versions of a record counts, and what became of each row that landed.

Every row has exactly one fate, in this order:
filtered (whole, and not what the source's `where` wants), quarantined (violates a rule),
duplicate (equal to another row of this extract),
superseded (older than another version), unchanged (equal to what silver holds), accepted.
"""

from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.columns import data_file
from transforms.schemas import Entity

FATES = ("accepted", "unchanged", "superseded", "duplicate", "filtered", "quarantined")
_DATE_IN_PATH = r"(\d{4}-\d{2}-\d{2})(?!.*\d{4}-\d{2}-\d{2})"


def file_date(path: SparkColumn) -> SparkColumn:
    """The `{date}` of a file's path: the last date in it."""
    return F.regexp_extract(path, _DATE_IN_PATH, 1)


def age(entity: Entity) -> SparkColumn:
    """What orders versions of one record: the file's date, the record's own time, and then its content."""
    changed = F.col(entity.changed) if entity.changed else F.lit(None).cast("timestamp")
    return F.struct(
        file_date(F.col("_file")).alias("file_date"), changed.alias("changed"), F.col("_hash").alias("hash")
    )


def _candidate() -> SparkColumn:
    """A whole row that the source's filter wants: a version can be chosen from these."""
    return (F.size("reasons") == 0) & F.col("_wanted")


def refused() -> SparkColumn:
    """A row that goes to quarantine: flawed, and either wanted by the source's filter or not readable at all."""
    return (F.size("reasons") > 0) & (F.col("_wanted") | F.col("_corrupt").isNotNull())


def contested(rows: DataFrame) -> DataFrame:
    """Keys that more than one row of the extract has. Narrow: only the key is computed. Grain: a key."""
    return (
        rows.where(_candidate())
        .groupBy(F.xxhash64("record_id").alias("_key"))
        .agg(F.count(F.lit(1)).alias("_rows"))
        .where(F.col("_rows") > 1)
        .select("_key")
    )


def judged_within(rows: DataFrame, keys: DataFrame | None, entity: Entity) -> DataFrame:
    """Adds `_fate` as far as the extract alone decides it: the newest version counts, and of equal rows one.

    `keys`: from `contested`; only their records are compared with each other. None: all are, which is the
    shorter way where there are few rows.
    """
    alone = F.when(refused(), "quarantined").when(~F.col("_wanted"), "filtered")
    versions = Window.partitionBy("record_id", _candidate()).orderBy(age(entity).desc(), "_file")
    fate = (
        alone.when(F.row_number().over(versions) == 1, "accepted")
        .when(F.first("_hash").over(versions) == F.col("_hash"), "duplicate")
        .otherwise("superseded")
    )
    if keys is None:
        return rows.withColumn("_fate", fate)
    keyed = rows.withColumn("_key", F.xxhash64("record_id"))
    only = keyed.join(F.broadcast(keys), "_key", "left_anti").withColumn("_fate", alone.otherwise("accepted"))
    several = keyed.join(F.broadcast(keys), "_key", "left_semi").withColumn("_fate", fate)
    return only.unionByName(several).drop("_key")


def current_of(silver: DataFrame, rows: DataFrame, entity: Entity) -> DataFrame:
    """The current silver versions of the records in `rows`, and the data file each is held in. Grain: a record.

    `silver`: with `_path`, where the table's row is read from.
    """
    asked = rows.where(F.col("_fate") == "accepted").select("record_id")
    return (
        silver.where(F.col("_valid_to").isNull())
        .join(F.broadcast(asked), "record_id", "left_semi")
        .withColumns({"_held_in": data_file("_path"), "_held": F.struct(age(entity).alias("age"), "_hash")})
        .select("record_id", "_held_in", "_held")
    )


def judged_against(rows: DataFrame, held: DataFrame, entity: Entity) -> DataFrame:
    """`_fate` with what silver holds taken into account, and `_closes`: accepted, and replaces a silver version."""
    accepted = F.col("_fate") == "accepted"
    here = age(entity)
    fate = (
        F.when(~accepted | F.col("_held").isNull(), F.col("_fate"))
        .when(F.col("_held._hash") == F.col("_hash"), "unchanged")
        .when(here < F.col("_held.age"), "superseded")
        .otherwise("accepted")
    )
    return (
        rows.join(F.broadcast(held), "record_id", "left")
        .withColumn("_fate", fate)
        .withColumn("_closes", (F.col("_fate") == "accepted") & F.col("_held").isNotNull())
        .drop("_held")
    )


def gone(silver: DataFrame, rows: DataFrame, *, sources: list[str]) -> DataFrame:
    """Records of snapshot sources that silver holds and tonight's extract does not, and where. Grain: a record.

    `silver`: with `_path`, where the table's row is read from.
    """
    # a row in quarantine is still there: its record is not gone
    seen = rows.where(F.col("record_id").isNotNull()).select("record_id")
    held = silver.where(F.col("_valid_to").isNull() & F.col("source").isin(sources))
    missing = held.join(F.broadcast(seen), "record_id", "left_anti")
    return missing.select("record_id", data_file("_path").alias("_held_in"))


def ends(judged: DataFrame, gone: DataFrame | None) -> DataFrame:
    """Records whose current version ends, and the data file each is held in. Grain: a record."""
    closes = judged.where("_closes").select("record_id", "_held_in")
    return closes if gone is None else closes.unionByName(gone)


def closed(held: DataFrame, ends: DataFrame, *, day: date) -> DataFrame:
    """Versions of records as silver holds them; the current one of a record in `ends` is valid until `day`."""
    ended = F.broadcast(ends.select("record_id", F.lit(True).alias("_ends")))
    until = F.when(F.col("_valid_to").isNull() & F.col("_ends"), F.lit(day)).otherwise(F.col("_valid_to"))
    return held.join(ended, "record_id", "left").withColumn("_valid_to", until).drop("_ends")


def fate_counts(sources: list[str]) -> list[SparkColumn]:
    """Aggregates that count the fates of each source: `<source>|<fate>`, for `observe`."""
    return [
        F.sum(F.when((F.col("source") == source) & (F.col("_fate") == fate), 1).otherwise(0)).alias(f"{source}|{fate}")
        for source in sources
        for fate in FATES
    ]
