"""Rows that are restated together: what a source does not tell apart by a key of its own.

The lines of an order whose source numbers none (`ranked` of the entity): a line's number is its rank within the order,
after a sort on content. The equal rows of a source that keeps them: the n-th has `#n` behind its record's id.
Either way the version of the newest file takes the place of all older rows.
"""

from collections.abc import Iterable, Sequence

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.schemas import Entity
from transforms.sources.definition import Source
from transforms.sources.records import record_id
from transforms.sources.versions import alone, file_date, tells, version, withdrawal


def ranking(sources: Iterable[Source]) -> list[str]:
    """Names of the sources whose rows are ranked within the rest of their key."""
    return [source.source for source in sources if source.ranks]


def keeping(sources: Iterable[Source]) -> list[str]:
    """Names of the sources whose equal rows are all kept."""
    return [source.source for source in sources if source.duplicates == "keep"]


def with_group(rows: DataFrame, entity: Entity, sources: Sequence[Source]) -> DataFrame:
    """Adds `_group`: what a row is restated with. Of most rows that is its record alone."""
    rest = [name for name in entity.key if name != entity.ranked]
    group = (
        F.when(F.col("source").isin(*ranking(sources)), record_id(entity, *rest))
        .when(F.col("source").isin(*keeping(sources)), record_id(entity, *entity.key))
        .otherwise(F.col("record_id"))
    )
    return rows.withColumn("_group", group)


def judged_within(rows: DataFrame, entity: Entity, sources: Sequence[Source]) -> DataFrame:
    """As `versions.judged_within`, for rows of such sources: adds `_fate` and `_withdraws`, and completes the keys of
    accepted rows. Rows that the filter leaves out withdraw what they belong to where none of its newest file is wanted.

    Neither the order of rows and files nor of equal rows matters.
    """
    ranks, keeps = (F.col("source").isin(*names(sources)) for names in (ranking, keeping))
    together = ("_group", "_tells")
    age = F.struct(version(entity, F.col("_file_date")).alias("version"), "_wanted", "_hash")
    copies = Window.partitionBy(*together, "_file_date", "_wanted", "_hash").orderBy("_file")
    alike = F.col("_wanted") == F.col("_lead._wanted")
    same = alike & (F.col("_hash") == F.col("_lead._hash"))
    counts = alike & (F.col("_file_date") == F.col("_lead.version.file_date")) & (ranks | same)
    fate = (
        alone()
        .when(counts & (keeps | (F.col("_copy") == 1)), "accepted")
        .when(counts | (same & ~ranks), "duplicate")
        .otherwise("superseded")
    )
    return (
        rows.withColumns({"_tells": tells(), "_file_date": file_date(sources)})
        .withColumns(
            {"_lead": F.max(age).over(Window.partitionBy(*together)), "_copy": F.row_number().over(copies)}
        )
        .withColumns({"_fate": fate, "_withdraws": withdrawal() & counts})
        .transform(_keyed, entity, ranks=ranks)
        .drop("_tells", "_file_date", "_lead", "_copy")
    )  # fmt: skip


def _keyed(rows: DataFrame, entity: Entity, *, ranks: SparkColumn) -> DataFrame:
    """The keys that accepted rows have for being together: a rank, or which of the equal rows it is."""
    accepted = F.col("_fate") == "accepted"
    repeated = accepted & ~ranks & (F.col("_copy") > 1)
    if not entity.ranked:
        return rows.withColumn("record_id", F.when(repeated, _numbered("#", "_copy")).otherwise(F.col("record_id")))
    # what no order is defined on is in the hash
    content = [c.name for c in entity.columns if c.name != entity.ranked and not c.type.startswith("map")]
    ranked = Window.partitionBy("_group", "_fate").orderBy(*content, "_ids", "_hash", "_file")
    rank = F.when(accepted & ranks, F.row_number().over(ranked))
    record = (
        F.when(accepted & ranks, _numbered(":", "_rank"))
        .when(repeated, _numbered("#", "_copy"))
        .otherwise(F.col("record_id"))
    )
    return (
        rows.withColumn("_rank", rank)
        .withColumns({entity.ranked: F.coalesce("_rank", entity.ranked), "record_id": record})
        .drop("_rank")
    )


def _numbered(mark: str, number: str) -> SparkColumn:
    return F.concat("_group", F.lit(mark), F.col(number).cast("string"))
