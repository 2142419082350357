"""web_event: a hit on a site or in an app, with its visit, device and dwell time."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.sources.context import Context
from transforms.sources.definition import Source
from transforms.sources.standard import urls
from transforms.sources.standard.agents import AGENT, agent
from transforms.sources.standard.answers import with_answers

DEFAULT_GAP_SECONDS = 30 * 60


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """URLs in parts, bots flagged, devices told from the agent. Grain: one hit.

    A hit without an id of its own is known by its content: the same line twice is the same hit.
    """
    ids = sorted(name for name in rows.columns if name.startswith(("_id_", "_ids_")))
    # an app has no addresses: what was done, and on which device, tells its hits apart
    in_app = (F.when(F.col("url").isNull(), F.col(name)).alias(name) for name in ("event_type", "product_id"))
    content = F.to_json(
        F.struct("occurred_at", "ip", "url", "user_agent", "status_code", "bytes", *ids, "device_id", *in_app)
    )
    url = F.col("url")
    told = with_answers(rows, "_agent", agent, AGENT, F.col("user_agent"), repeated=not context.few)
    return told.withColumns(
        {
            "event_id": F.coalesce("event_id", F.sha2(content, 256)),
            "url": urls.url(url),
            "path": urls.readable(F.coalesce("path", urls.path(url))),
            "query": F.coalesce("query", urls.query(url)),
            "is_bot": F.coalesce("is_bot", "_agent.is_bot", F.lit(False)),
            **{name: F.coalesce(name, f"_agent.{name}") for name in ("device_type", "os", "browser")},
        }
    ).drop("_agent")


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {
        "impossible_status_code": ~F.col("status_code").between(100, 599),
        "negative_dwell": F.col("dwell_seconds") < 0,
        "negative_bytes": F.col("bytes") < 0,
    }


def beside(
    silver: DataFrame, rows: DataFrame, sources: Sequence[Source], *, first: int, last: int, gaps: Mapping[str, int]
) -> DataFrame:
    """The hits that silver holds of the visitors in `rows`, near these, which lie between `first` and `last` (seconds
    since 1970).

    `gaps`: source -> the longest pause within a visit, seconds, for the sources that do not tell visits themselves.
    Hits that `rows` restates are left out. Grain: a hit.
    """
    pause = max(gaps.values()) + 1
    # Spark's own seconds: a hit may claim a year that Python has no dates for
    near = F.col("event_at").between(
        F.timestamp_seconds(F.lit(first - pause)), F.timestamp_seconds(F.lit(last + pause))
    )
    visitor = _visitor(sources)
    visitors = rows.select("source", visitor.alias("_visitor")).distinct()
    gap = F.coalesce(*(F.when(F.col("source") == source, gap) for source, gap in gaps.items()))
    return (
        silver.where(F.col("_valid_to").isNull() & near & F.col("source").isin(*gaps))
        .withColumns({"_visitor": visitor, "_session_gap": gap})
        .join(F.broadcast(visitors), ["source", "_visitor"], "left_semi")
        .join(F.broadcast(rows.select("record_id")), "record_id", "left_anti")
        .select("source", "_visitor", "occurred_at", "event_id", "session_id", "_session_gap")
    )


def complete(rows: DataFrame, held: DataFrame | None, sources: Sequence[Source]) -> DataFrame:
    """Hits of one visitor with less than the gap between them are one visit, named by its first hit.

    Grain: one hit, each hit once. A visitor is who the first identifier says, else the address with the agent.
    `held`: from `beside`; a visit that silver holds goes on with its name. What is landed is not written again, so the
    last hit of an earlier extract keeps a dwell time of NULL.
    """
    every = rows.withColumns({"_landed": F.lit(False), "_visitor": _visitor(sources)})
    if held is not None:
        every = every.unionByName(held.withColumn("_landed", F.lit(True)), allowMissingColumns=True)
    landed = F.col("_landed")
    moment = F.struct("occurred_at", "event_id")
    hits = Window.partitionBy("source", "_visitor").orderBy("occurred_at", "event_id")
    visit = Window.partitionBy("source", "_visitor", "_visit").orderBy("occurred_at", "event_id")
    whole = visit.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    pause = F.unix_timestamp("occurred_at") - F.unix_timestamp(F.lag("occurred_at").over(hits))
    dwell = F.unix_timestamp(F.lead("occurred_at").over(visit)) - F.unix_timestamp("occurred_at")
    named = F.min_by(F.when(landed, F.col("session_id")), F.when(landed, moment)).over(whole)
    return (
        every.withColumn("_given_visit", F.when(~landed, F.col("session_id")))
        .withColumn("_opens", F.when(pause.isNull() | (pause > F.col("_session_gap")), 1).otherwise(0))
        .withColumn("_visit", F.coalesce("_given_visit", F.sum("_opens").over(hits).cast("string")))
        .withColumns(
            {
                "session_id": F.coalesce("_given_visit", named, F.min_by("event_id", moment).over(whole)),
                "dwell_seconds": F.coalesce("dwell_seconds", dwell.try_cast("int")),
            }
        )
        .where(~landed)
        .drop("_landed", "_visitor", "_given_visit", "_opens", "_visit")
    )


def _visitor(sources: Sequence[Source]) -> SparkColumn:
    """Whose hit it is, within its source: by the device, else the first of the source's `ids` that the hit gives, so
    that who logs in on the way stays one visitor; without any the address with the agent."""
    first = [
        F.when(F.col("source") == source.source, F.concat(F.lit(f"{kind} "), F.col("ids")[kind][0]))
        for source in sources
        for kind in dict.fromkeys([*source.table.automatic_ids, *source.ids])
    ]
    return F.coalesce(*first, F.concat_ws(" ", "ip", "user_agent"))
