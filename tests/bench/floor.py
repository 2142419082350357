"""The floor: plain Spark that reads the same extracts and writes them down twice, with nothing between.

The same session settings as the product and the same extracts (those that conf/sources/ names and a first night
takes); one Delta table a source as bronze (texts, as they landed), and again, from there, as silver. What a night
takes beyond this is what it does.

    python -m tests.bench.floor EXTRACTS FOLDER DAY      prints {"seconds": …, "rows": …, "bytes": …}

`seconds` is without the start of the session.
"""

import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.runtime.session import open_session
from tests.bench.measure import size_of

# as many sources side by side as a night has
AT_ONCE = 3
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def sources(extracts: Path, day: date) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Source -> how it is read, and its files up to `day`; of a snapshot the newest alone."""
    found = {}
    for path in sorted(Path("conf/sources").glob("*.yml")):
        source = yaml.safe_load(path.read_text())
        pattern = re.sub(r"^\$\{EXTRACTS[^}]*\}/", "", source["read"]["path"])
        files = {str(file): date.fromisoformat(_DAY.findall(str(file))[-1])
                 for file in extracts.glob(pattern.replace("{date}", "*"))}  # fmt: skip
        taken = {file: at for file, at in files.items() if at <= day}
        if source.get("extract") == "snapshot":
            taken = {file: at for file, at in taken.items() if at == max(taken.values())}
        if taken:
            found[source["source"]] = (source["read"], sorted(taken))
    return found


def read(spark: SparkSession, how: dict[str, Any], files: list[str]) -> DataFrame:
    """CSV as texts by its header; anything else as lines."""
    if how["format"] != "csv":
        return spark.read.text(files)
    return spark.read.options(**{**how.get("options", {}), "header": True}).csv(files)


def land(spark: SparkSession, folder: Path, day: date, name: str, how: dict[str, Any], files: list[str]) -> None:
    """One source: bronze from the extract, silver from bronze."""
    bronze, silver = str(folder / "bronze" / name), str(folder / "silver" / name)
    landed = read(spark, how, files).withColumns(
        {"_batch_date": F.lit(day), "_file": F.col("_metadata.file_path"), "_ingested_at": F.current_timestamp()}
    )
    indexed = "delta.dataSkippingNumIndexedCols"
    landed.write.format("delta").partitionBy("_batch_date").option(indexed, "0").save(bronze)
    spark.read.format("delta").load(bronze).write.format("delta").option(indexed, "4").save(silver)


def main(extracts: Path, folder: Path, day: date) -> None:
    pipeline = yaml.safe_load(Path("conf/pipeline.yml").read_text())
    spark = open_session({key: str(value) for key, value in pipeline.get("spark", {}).items()})
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda item: land(spark, folder, day, item[0], *item[1]), sources(extracts, day).items()))
    seconds = time.monotonic() - began
    rows = sum(spark.read.format("delta").load(str(path)).count() for path in (folder / "silver").iterdir())
    sizes = {layer: size_of(folder / layer) for layer in ("bronze", "silver")}
    print(json.dumps({"seconds": seconds, "rows": rows, "bytes": sizes}))
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), date.fromisoformat(sys.argv[3]))
