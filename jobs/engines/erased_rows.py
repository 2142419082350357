"""Where bronze holds rows of erased people: told by the very chain that silver reads them through."""

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines import erasures
from jobs.engines.state_rows import Places
from jobs.runtime.clock import end_of
from jobs.runtime.night import FEW_ROWS, Night
from jobs.runtime.rewriting import take_out
from transforms.erasure import Erased
from transforms.sources import refine
from transforms.sources.definition import compiled_over

AT_ONCE = 3


@dataclass(frozen=True)
class InBronze:
    """Bronze table -> where it holds such rows; and these rows as the quarantine would hold them."""

    places: Mapping[str, Places] = field(default_factory=dict)
    raws: frozenset[str] = frozenset()


def in_bronze(night: Night, erased: Erased, *, day: date | None = None, only: set[str] | None = None) -> InBronze:
    """The rows of people on a list, in the bronze tables of the night's state; `day`: those that landed then.

    A source that the configuration no longer has cannot be read, and its table is left as it is.
    """
    asked = {
        f"bronze/{name}": name
        for name, source in night.conf.sources.items()
        if (only is None or name in only) and not source.table.reference
    }
    held = {table: _rows(night, table) for table in asked if night.has(table)}
    found: list[tuple[str, tuple[Places, set[str]]]] = []
    for few in (True, False):
        tables = [table for table, rows in held.items() if rows and (rows <= FEW_ROWS) is few]
        if not tables:
            continue
        with night.for_rows(max(held[table] for table in tables)), ThreadPoolExecutor(AT_ONCE) as pool:
            found += zip(
                tables, pool.map(lambda table: _of_table(night, asked[table], erased, day), tables), strict=True
            )
    raws = frozenset(raw for _, (_, of_table) in found for raw in of_table)
    return InBronze({table: places for table, (places, _) in found if places}, raws)


def _of_table(night: Night, source: str, erased: Erased, day: date | None) -> tuple[Places, set[str]]:
    table = f"bronze/{source}"
    landed = night.load(table).withColumn(
        # the place rides in what nothing here looks at
        "_file", F.concat_ws("#", "_metadata.file_path", "_metadata.row_index")
    )  # fmt: skip
    landed = landed.where(F.col("_batch_date") == F.lit(day)) if day else landed
    chosen = _read(night, landed, source, erased, few=_rows(night, table) <= FEW_ROWS).where("_erased")
    places: Places = defaultdict(list)
    raws = set()
    for file, raw in chosen.select("_file", "_text").collect():
        path, _, row = file.rpartition("#")
        places[unquote(urlsplit(path).path)].append(int(row))
        raws.add(raw)
    return dict(places), raws


def _read(night: Night, landed: DataFrame, source: str, erased: Erased, *, few: bool) -> DataFrame:
    """Rows of bronze with what tells whose they are. Only the columns that this needs are computed."""
    compiled, timezone = compiled_over(night.conf.sources[source], landed.schema), night.conf.pipeline.timezone
    rows = refine.parsed(landed, compiled, day=night.day, as_of=night.as_of)
    return rows.withColumn("_text", F.coalesce("_corrupt", "_raw")).transform(
        refine.refined, night.conf.sources[source].table, [compiled], day=night.day, as_of=end_of(night.day, timezone),
        timezone=timezone, base_currency=night.conf.pipeline.base_currency, divisions=night.conf.divisions, few=few,
        erased=erased,
    )  # fmt: skip


def _rows(night: Night, table: str) -> int:
    opened = night.lakehouse.open(table, night.versions[table])
    return sum(pa.table(opened.get_add_actions())["num_records"].to_pylist()) if opened else 0


def take_out_of_bronze(night: Night, fates: Mapping[str, Mapping[str, int]], day: date) -> None:
    """What landed on a day of erased people leaves bronze too, once silver has refused it: rarely any.

    fates: source -> fate -> rows, as silver counted them.
    """
    sources = {source for source, told in fates.items() if told.get("erased")}
    listed = erasures.erased(night.lakehouse, night.conf.privacy.keys.erasure) if sources else None
    if listed:
        for table, places in in_bronze(night, listed, day=day, only=sources).places.items():
            night.replaced(table, take_out(night.lakehouse, table, night.versions[table], places))
