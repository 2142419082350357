"""web_event: a hit on a site, with its visit, device and dwell time."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.sources.context import Context
from transforms.sources.standard import urls
from transforms.sources.standard.agents import AGENT, agent
from transforms.sources.standard.answers import with_answers

DEFAULT_GAP_SECONDS = 30 * 60


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """URLs in parts, bots flagged, devices told from the agent. Grain: one hit.

    A hit without an id of its own is known by its content: the same line twice is the same hit.
    """
    ids = sorted(name for name in rows.columns if name.startswith(("_id_", "_ids_")))
    content = F.to_json(F.struct("occurred_at", "ip", "url", "user_agent", "status_code", "bytes", *ids))
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
    return {"impossible_status_code": ~F.col("status_code").between(100, 599)}


def complete(rows: DataFrame) -> DataFrame:
    """Hits of one visitor with less than the gap between them are one visit, named by its first hit.

    Grain: one hit, each hit once. A visitor is who the first identifier says, else the address with the agent. A visit
    that spans two extracts counts in each: what is landed is not written again.
    """
    visitor = F.coalesce("_node", F.concat_ws(" ", "ip", "user_agent"))
    hits = Window.partitionBy("source", "_visitor").orderBy("occurred_at", "event_id")
    visit = Window.partitionBy("source", "_visitor", "_visit").orderBy("occurred_at", "event_id")
    whole = visit.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    pause = F.unix_timestamp("occurred_at") - F.unix_timestamp(F.lag("occurred_at").over(hits))
    dwell = F.unix_timestamp(F.lead("occurred_at").over(visit)) - F.unix_timestamp("occurred_at")
    return (
        rows.withColumns({"_visitor": visitor, "_given_visit": F.col("session_id")})
        .withColumn("_opens", F.when(pause.isNull() | (pause > F.col("_session_gap")), 1).otherwise(0))
        .withColumn("_visit", F.coalesce("_given_visit", F.sum("_opens").over(hits).cast("string")))
        .withColumns(
            {
                "session_id": F.coalesce(
                    "_given_visit", F.min_by("event_id", F.struct("occurred_at", "event_id")).over(whole)
                ),
                "dwell_seconds": F.coalesce("dwell_seconds", dwell.cast("int")),
            }
        )
        .drop("_visitor", "_given_visit", "_opens", "_visit")
    )
