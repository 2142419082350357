"""What silver holds of the records that came anew: what it says of their rows, and which of its versions end tonight.

`by`: as in `versions`. `few`: there are few rows, so that what they are held against may be sent to every task.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.columns import data_file
from transforms.schemas import Entity
from transforms.sources.definition import Source
from transforms.sources.versions import file_date, sent, version


def held_of(
    silver: DataFrame, rows: DataFrame, entity: Entity, sources: Sequence[Source], *, by: str, day: date, few: bool
) -> DataFrame:
    """The silver versions that `rows`, few or not, are judged against, and the data file each is held in.

    Those that are open (`_open`): the current one, and (`_passing`) one that stays until the day of a newer version
    has come. Of `resurrecting` sources those that have ended too.
    Grain: a version. `silver`: with `_path`, where the table's row is read from, and the column of `by`.
    """
    asked = rows.where((F.col("_fate") == "accepted") | F.col("_withdraws")).select(by)
    held = F.struct(version(entity, file_date(sources)).alias("version"), "_hash").alias("_held")
    found = silver.where(compared(sources, day)).join(sent(asked, few), by, "left_semi")
    return found.select(*dict.fromkeys((by, "record_id")), _held_in(), is_open(day).alias("_open"), _passing(day), held)


def resurrecting(sources: Iterable[Source]) -> list[str]:
    """Names of the sources of which a late file could bring back what a newer one has withdrawn."""
    return [source.source for source in sources if source.read.lookback and source.where]


def compared(sources: Iterable[Source], day: date) -> SparkColumn:
    """A version of silver that new rows are judged against."""
    return is_open(day) | F.col("source").isin(*resurrecting(sources))


def is_open(day: date) -> SparkColumn:
    """A version of silver that holds on `day`: the current one, or one that stays until its successor's day."""
    return F.col("_valid_to").isNull() | (F.col("_valid_to") > F.lit(day))


def _passing(day: date) -> SparkColumn:
    return F.coalesce(F.col("_valid_to") > F.lit(day), F.lit(False)).alias("_passing")


def _held_in() -> SparkColumn:
    return data_file("_path").alias("_held_in")


def judged_against(
    rows: DataFrame, held: DataFrame, entity: Entity, sources: Sequence[Source], *, by: str, few: bool
) -> DataFrame:
    """`_fate` with what silver holds (`held_of`) taken into account, and what that does to the version held.

    A row is superseded by a version of a newer file, or of its own file's date and a later time of its own (or of one
    time, and a refusal); of one age, what came later counts. `_closes`: accepted, and replaces a version.
    `_withdraws`: filtered, and no older than what is held, which ends.
    `_confirms`: unchanged, and a newer file says so: of sources that take late files, which must not undo it.
    """
    told = held.where(~F.col("_passing"))
    current = told.where("_open").select("record_id", "_held_in", "_held")
    joined = rows.join(sent(current, few), "record_id", "left")
    newest = F.col("_held.version")
    if by != "record_id" or resurrecting(sources):
        groups = told.groupBy(by).agg(F.max("_held.version").alias("_newest"))
        joined, newest = joined.join(sent(groups, few), by, "left"), F.col("_newest")
    accepted = F.col("_fate") == "accepted"
    older = version(entity, file_date(sources)) < newest
    fate = (
        F.when(~accepted, F.col("_fate"))
        .when(F.col("_held._hash") == F.col("_hash"), "unchanged")
        .when(older, "superseded")
        .otherwise("accepted")
    )
    repeated = (F.col("_fate") == "unchanged") & _late(sources)
    return (
        joined.withColumn("_fate", fate)
        .withColumns(
            {
                "_newest": newest["file_date"],
                "_withdraws": F.col("_withdraws") & newest.isNotNull() & ~older,
                "_closes": (F.col("_fate") == "accepted") & F.col("_held").isNotNull(),
                "_confirms": repeated & (file_date(sources) > F.col("_held.version.file_date")),
            }
        )
        .drop("_held")
    )


def _late(sources: Iterable[Source]) -> SparkColumn:
    """A row of a source that takes late files."""
    return F.col("source").isin(*(source.source for source in sources if source.read.lookback))


def gone(silver: DataFrame, rows: DataFrame, *, by: str, sources: Sequence[str], day: date, few: bool) -> DataFrame:
    """Open versions of snapshot sources whose record tonight's extract does not have, for `ends`.

    `silver`: as for `held_of`. A row in quarantine is there; what one that is filtered ends, `withdrawn` tells.
    """
    seen = rows.where(F.col(by).isNotNull() & (F.col("_fate") != "erased")).select(by)
    held = silver.where(is_open(day) & F.col("source").isin(*sources))
    missing = held.join(sent(seen, few), by, "left_anti")
    return missing.select("record_id", _held_in(), _passing(day), F.lit(day).alias("_until"), _no_file())


def ends(judged: DataFrame, *, day: date) -> DataFrame:
    """Versions that silver holds and that end tonight (`_until`), or that a newer file repeats (`_seen_in`).

    Grain: a version, with the data file that holds it. A version ends when the one that replaces it can be seen: on the
    night's day, or on the day of an event that is still to come.
    """
    until = F.when(F.col("_closes"), F.greatest(F.lit(day), "event_date"))
    seen_in = F.when(F.col("_confirms"), F.col("_file"))
    return judged.where(F.col("_closes") | F.col("_confirms")).select(
        "record_id", "_held_in", F.lit(False).alias("_passing"), until.alias("_until"), seen_in.alias("_seen_in")
    )


def withdrawn(
    opened: DataFrame, judged: DataFrame, sources: Sequence[Source], *, by: str, day: date, few: bool
) -> DataFrame:
    """Open versions that end tonight because the source's filter does not want their record any more, for `ends`.

    Of sources that take late files it is kept which file told so, for one that is older must not undo it.
    """
    told = judged.where("_withdraws").groupBy(by).agg(F.max(F.when(_late(sources), F.col("_file"))).alias("_seen_in"))
    ending = opened.join(sent(told, few), by)
    return ending.select("record_id", "_held_in", "_passing", F.lit(day).alias("_until"), "_seen_in")


def left_over(
    opened: DataFrame, judged: DataFrame, sources: Sequence[Source], *, by: str, day: date, few: bool
) -> DataFrame:
    """Open versions that have no successor, and end because what they belong to is restated, for `ends`.

    Lines that the order has no longer, and versions that were to stay until another's day had come. What only repeats
    a part of what is held, in a file that is no newer, restates nothing.
    """
    kept = judged.where(F.col("_fate").isin("accepted", "unchanged"))
    differs = (F.col("_fate") == "accepted") | (file_date(sources) > F.col("_newest"))
    restated = kept.groupBy(by).agg(
        F.max(differs).alias("_differs"), F.min(F.greatest(F.lit(day), "event_date")).alias("_until")
    )
    replaced = kept.select("record_id", F.lit(True).alias("_replaced"))
    return (
        opened.join(sent(restated.where("_differs"), few), by)
        .join(sent(replaced, few), "record_id", "left")
        .where(F.col("_passing") | F.col("_replaced").isNull())
        .select("record_id", "_held_in", "_passing", "_until", _no_file())
    )


def _no_file() -> SparkColumn:
    return F.lit(None).cast("string").alias("_seen_in")


def closed(held: DataFrame, ends: DataFrame, *, few: bool) -> DataFrame:
    """Versions of records as silver holds them; those of a record in `ends` that are open end as it says.

    `few`: there are few `ends`.
    """
    passing, until = F.col("_passing"), F.col("_until")
    each = ends.groupBy("record_id").agg(
        F.min(F.when(~passing, until)).alias("_until"),
        F.min(F.when(passing, until)).alias("_sooner"),
        F.max("_seen_in").alias("_seen_in"),
    )
    current = F.col("_valid_to").isNull()
    return (
        held.join(sent(each, few), "record_id", "left")
        .withColumn("_file", F.when(current, F.coalesce("_seen_in", "_file")).otherwise(F.col("_file")))
        # of the two the lesser that is not NULL: what has ended before stays as it is
        .withColumn("_valid_to", F.when(current, F.col("_until")).otherwise(F.least("_valid_to", "_sooner")))
        .drop("_until", "_sooner", "_seen_in")
    )
