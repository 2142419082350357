"""Where bronze holds rows of erased people: told by the very chain that silver reads them through."""

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from urllib.parse import unquote, urlsplit

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines import erasures
from jobs.engines.state_rows import Places
from jobs.runtime.clock import end_of
from jobs.runtime.night import FEW_ROWS, Night
from jobs.runtime.rewriting import take_out
from jobs.runtime.stores import on_s3
from transforms.erasure import Erased
from transforms.sources import refine
from transforms.sources.definition import compiled_over

AT_ONCE = 3


def chosen(night: Night, landed: DataFrame, source: str, erased: Erased, *, few: bool) -> DataFrame:
    """Those rows of bronze that are of people on the list, by `_file`; `_text`: as the quarantine would hold them.

    Only the columns that this needs are computed.
    """
    compiled, timezone = compiled_over(night.conf.sources[source], landed.schema), night.conf.pipeline.timezone
    rows = refine.parsed(landed, compiled, day=night.day, as_of=night.as_of)
    refined = rows.withColumn("_text", F.coalesce("_corrupt", "_raw")).transform(
        refine.refined, night.conf.sources[source].table, [compiled], day=night.day, as_of=end_of(night.day, timezone),
        timezone=timezone, base_currency=night.conf.pipeline.base_currency, divisions=night.conf.divisions, few=few,
        erased=erased,
    )  # fmt: skip
    return refined.where("_erased").select("_file", "_text")


def in_table(night: Night, source: str, erased: Erased, *, day: date | None = None) -> tuple[Places, set[str]]:
    """The rows of people on a list in a source's bronze table, and these rows as the quarantine would hold them.

    `day`: those that landed then.
    """
    table = f"bronze/{source}"
    landed = night.load(table).withColumn(
        # the place rides in what nothing here looks at
        "_file", F.concat_ws("#", "_metadata.file_path", "_metadata.row_index")
    )  # fmt: skip
    landed = landed.where(F.col("_batch_date") == F.lit(day)) if day else landed
    places: Places = defaultdict(list)
    raws = set()
    for file, raw in chosen(night, landed, source, erased, few=night.count(table) <= FEW_ROWS).collect():
        path, _, row = file.rpartition("#")
        places[unquote(path if on_s3(path) else urlsplit(path).path)].append(int(row))
        raws.add(raw)
    return dict(places), raws


def take_out_of_bronze(night: Night, fates: Mapping[str, Mapping[str, int]], day: date) -> None:
    """What landed on a day of erased people leaves bronze too, once silver has refused it: rarely any.

    fates: source -> fate -> rows, as silver counted them.
    """
    known = night.conf.sources
    sources = [name for name, told in fates.items() if told.get("erased") and not known[name].table.reference]
    listed = erasures.erased(night.lakehouse, night.conf.privacy.keys.erasure) if sources else None
    if not listed:
        return
    most = max(sum(fates[name].values()) for name in sources)
    with night.for_rows(most), ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(partial(in_table, night, erased=listed, day=day), sources))
    for name, (places, _) in zip(sources, found, strict=True):
        if places:
            table = f"bronze/{name}"
            night.replaced(table, take_out(night.lakehouse, table, night.versions[table], places))
