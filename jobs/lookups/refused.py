"""How refused rows fare by today's YAML: looked at, and nothing written."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs import silver
from jobs.lookups.quarantine import Choice, ask, check_source
from jobs.runtime.night import Night
from jobs.runtime.run_notes import shown_errors
from transforms.schemas import BRONZE_COLUMNS, CORRUPT, QUARANTINE
from transforms.sources.names import comment, raw_names
from transforms.sources.versions import refused

AT_ONCE = 3
_PLACES = f"""
select source, entity, _batch_date, count(*), count_if(list_contains(reasons, '{CORRUPT}')) from chosen
group by all order by all
"""


@dataclass
class Look:
    """How refused rows fare by today's YAML.

    `chosen`: source -> rows; `passes`: source -> night -> rows that it would not refuse any more; `reasons`: source ->
    reason -> rows that it would refuse for it; `untried`: source -> why its rows cannot be tried.
    """

    chosen: Counter[str] = field(default_factory=Counter)
    passes: dict[str, Counter[date]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    untried: dict[str, str] = field(default_factory=dict)

    @property
    def since(self) -> dict[str, date]:
        """Source -> the first night of which rows pass."""
        return {source: min(nights) for source, nights in self.passes.items()}


def look(night: Night, choice: Choice) -> Look:
    """Refine the chosen rows of the quarantine with today's YAML, and count; nothing is written."""
    assert night.base  # noqa: S101
    check_source(night.conf, night.lakehouse, night.base, choice)
    found, work = Look(), []
    for source, entity, day, rows, corrupt in ask(night.lakehouse, night.base, choice, _PLACES):
        found.chosen[source] += rows
        if why := _untried(night, source, entity):
            found.untried[source] = why
            continue
        if corrupt:
            found.reasons.setdefault(source, Counter())[CORRUPT] += corrupt
        if rows > corrupt:
            work.append((source, day, rows - corrupt))
    if not work:
        return found
    most = max(rows for *_, rows in work)
    with shown_errors(night), night.for_rows(most), ThreadPoolExecutor(AT_ONCE) as pool:
        for source, day, told in pool.map(lambda item: _tried(night, choice, *item), work):
            for reasons, count in told:
                if reasons is None:
                    found.passes.setdefault(source, Counter())[day] += count
                else:
                    found.reasons.setdefault(source, Counter()).update(dict.fromkeys(reasons, count))
    return found


def _untried(night: Night, source: str, entity: str) -> str | None:
    if source not in night.conf.sources:
        return f"source {source} has no YAML any more"
    now = night.conf.sources[source].entity
    if now != entity:
        return f"source {source} was a {entity} when they were refused and is a {now} now"
    return None


def _tried(
    night: Night, choice: Choice, source: str, day: date, rows: int
) -> tuple[str, date, list[tuple[list[str] | None, int]]]:
    """A source's chosen rows of a night by the reasons that today's YAML has against them; None: it has none."""
    raw = partial(_raw_again, choice=choice)
    entity = night.conf.sources[source].table
    batch = silver.parsed_batch(night, entity, [source], day, {source: rows}, raw=raw)
    counted = batch.rows.groupBy(F.when(refused(), F.col("reasons")).alias("reasons")).count().collect()
    return source, day, [(row["reasons"], row["count"]) for row in counted]


def _raw_again(night: Night, source: str, day: date, *, choice: Choice) -> DataFrame:
    """A source's chosen rows of a night as bronze has them, but for records that could not be split into columns."""
    rows = night.load(QUARANTINE).where(
        (F.col("source") == source) & (F.col("_batch_date") == F.lit(day)) & ~F.array_contains("reasons", CORRUPT)
    )
    if choice.reason is not None:
        rows = rows.where(F.array_contains("reasons", choice.reason))
    names = raw_names(night.load(f"bronze/{source}").schema)
    carried = {column.name: column.type for column in BRONZE_COLUMNS}
    return rows.withColumn("_fields", F.from_json("raw", "map<string,string>")).select(
        *(
            F.col("_fields")[raw].alias(landed, metadata={"comment": comment(raw, landed)})
            for landed, raw in names.items()
        ),
        *(
            (F.col(name) if name in rows.columns else F.lit(None).cast(type_)).alias(name)
            for name, type_ in carried.items()
        ),
    )
