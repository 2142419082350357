"""Sources read from a database: a real PostgreSQL, nights against it, and what its own client says is right."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.changes.restore import restore_release
from jobs.pipeline import run_night
from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.releases import newest
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.contents import contents
from tests.stages.postgres import PASSWORD, USER, Postgres, running_postgres
from transforms.errors import DefinitionError, PortraitError
from transforms.schemas import OPS_RELEASE
from transforms.sources.definition import parse_source

STAGES = ("bronze", "silver", "release")
FIRST, SECOND, THIRD = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
_CONF = {
    "pipeline.yml": "lakehouse: lakehouse\ntimezone: Europe/Berlin\nenv_file: .env\n",
    "privacy.yml": f"purposes: {{}}\nkeys: {{customer: {'c' * 40}, erasure: {'e' * 40}}}\n",
    "identity.yml": "known_by: [card]\nidentifiers: {card: {priority: 1}}\n",
}
_ORDERS = """
source: {name}
entity: transaction
timezone: Asia/Shanghai
read:
  format: jdbc
  url: {url}
  user: portrait
  password: ${{SHOP_PASSWORD}}
{read}
extract: {extract}
columns:
  order_id: id
  line_no: "1"
  ordered_at: "'2026-02-01 10:00:00'"
  quantity: paid
  amount_local: paid
  currency: "'EUR'"
ids: {{card: card}}
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@dataclass
class Project:
    """A project of one folder, whose sources are tables of the server."""

    folder: Path
    postgres: Postgres
    spark: SparkSession

    def source(self, name: str, read: str, extract: str = "changes", url: str | None = None) -> None:
        keys = "\n".join(f"  {line}" for line in read.splitlines())
        text = _ORDERS.format(name=name, read=keys, extract=extract, url=url or self.postgres.url)
        self.write(f"conf/sources/{name}.yml", text)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def load(self) -> Configuration:
        return load_configuration(self.folder / "conf")

    def night(self, day: date, *, stages: tuple[str, ...] = STAGES, **options: Any) -> Night:
        return run_night(
            self.load(), day, screen=Screen(as_json=True), session=self.spark, stages=stages, local=True, **options
        )

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The table as the newest release names it, without what tells only of the run."""
        lakehouse = Lakehouse(str(self.folder / "lakehouse"))
        release = newest(lakehouse)
        assert release is not None
        found = lakehouse.dataset(table, release.versions[table])
        assert found is not None
        rows: list[dict[str, Any]] = found.to_table().to_pylist()
        return sorted(({k: v for k, v in row.items() if k != "_ingested_at"} for row in rows), key=str)

    def current(self, source: str) -> dict[str, float]:
        """The records of a source that silver holds as current: order -> amount."""
        rows = [row for row in self.rows("silver/transaction") if row["source"] == source and not row["_valid_to"]]
        return {row["order_id"]: float(row["amount_local"]) for row in rows}


@pytest.fixture
def project(tmp_path: Path, postgres: Postgres, spark: SparkSession) -> Project:
    made = Project(tmp_path, postgres, spark)
    for name, text in _CONF.items():
        made.write(f"conf/{name}", text)
    made.write(".env", f"SHOP_PASSWORD={PASSWORD}\n")
    (tmp_path / "tag_definitions").mkdir()
    return made


def table(postgres: Postgres, name: str, columns: str, rows: str = "") -> None:
    """The table made anew."""
    postgres.psql(f"drop table if exists {name}; create table {name} ({columns});")
    if rows:
        postgres.psql(f"insert into {name} values {rows}")


# column -> its type, a value, and how PostgreSQL itself says what bronze should hold
TYPES = {
    "id": ("bigint", "9007199254740993", "{}::text"),
    "paid": ("numeric", "123456789012345678901234567890.123456789", "{}::text"),
    "card": ("varchar(9)", "'K-7'", "{}"),
    "money": ("numeric(10,2)", "1.50", "{}::text"),
    "small": ("smallint", "-2", "{}::text"),
    "float": ("double precision", "0.1", "{}::text"),
    "yes": ("boolean", "true", "{}::text"),
    "on_day": ("date", "'0999-12-31'", "{}::text"),
    # half past two is no time of that night in Berlin
    "local": ("timestamp", "'2026-03-29 02:30:00.123456'", "{}::text"),
    "moment": (
        "timestamptz", "'2026-03-29 02:30:00.123456+05:30'",
        "to_char({} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    ),
    "clock": ("time", "'23:59:59.5'", "{}::text"),
    "document": ("json", "'{\"b\": [1, {\"c\": null}],  \"a\": \"李\"}'", "{}::text"),
    "binary": ("jsonb", "'{\"a\": 1.10}'", "{}::text"),
    "bytes": ("bytea", "decode(repeat('deadbeef', 30), 'hex')", "replace(encode({}, 'base64'), E'\\n', '')"),
    "texts": ("text[]", "array['a', null, 'b \"c\", {{d}}', '李']", "array_to_json({})::text"),
    "grid": ("int[][]", "'{{1,2},{3,4}}'", "array_to_json({})::text"),
    "key": ("uuid", "'0b4b9c0e-3c0e-4b53-9f0e-2f6f3c2d1a00'", "{}::text"),
    "net": ("inet", "'10.0.0.1'", "host({})"),
    "Order No": ("text", "'odd'", "{}"),
    "名字": ("text", "E'李\\n\"雷\"'", "{}"),
}  # fmt: skip


def test_every_value_is_a_text_that_loses_nothing(project: Project, postgres: Postgres) -> None:
    names = {name: f'"{name}"' for name in TYPES}
    table(
        postgres, "of_types", ", ".join(f"{names[name]} {kind}" for name, (kind, _, _) in TYPES.items()),
        f"({', '.join(value for _, value, _ in TYPES.values())})",
    )  # fmt: skip
    postgres.psql("insert into of_types (id) values (2)")
    project.source("orders", 'table: public."of_types"', extract="append")
    project.night(FIRST)
    said = ", ".join(f"'{name}', {told.format(names[name])}" for name, (_, _, told) in TYPES.items())
    expected = json.loads(postgres.psql(f"select json_agg(json_build_object({said}) order by id desc) from of_types"))
    bronze = project.rows("bronze/orders")
    held = {"Order No": "Order_No"}  # no table of the lakehouse may hold a blank in a name
    rows = ({name: row[held.get(name, name)] for name in TYPES} for row in bronze)
    landed = sorted(rows, key=lambda row: -int(row["id"]))
    assert [list(row.items()) for row in landed] == [list(row.items()) for row in expected]
    assert {(row["_file"], row["_batch_date"], row["_corrupt"]) for row in bronze} == {
        ("jdbc:orders/2026-03-01", FIRST, None)
    }
    assert [(row["source"], row["path"], row["_batch_date"]) for row in project.rows("ops/file")] == [
        ("orders", "jdbc:orders/2026-03-01", FIRST)
    ]


# A `since` column -> its value so many hours into March in UTC, as SQL. Shanghai, where the source is, is eight hours
# ahead, and Berlin's day, the business's, ends at 23:00 UTC.
SINCE = {
    "changed timestamptz": "timestamptz '2026-03-01 00:00+00' + interval '{} hours'",
    "changed timestamp": "timestamp '2026-03-01 08:00' + interval '{} hours'",
    "changed date": "date '2026-03-01' + ({} - 1) / 24",
    "changed bigint": "{}",
    '"Changed At" numeric(12)': "{}",
}


def stories(project: Project, postgres: Postgres) -> dict[str, str]:
    """A source for each type of a `since` column, all telling the same story. Source -> its table's column."""
    columns = {}
    for number, defined in enumerate(SINCE):
        name, column = f"by_{number}", defined.rpartition(" ")[0]
        table(postgres, name, f"id int primary key, paid numeric, card text, {defined}")
        project.source(name, f"table: {name}\nsince: " + column.strip('"'))
        columns[name] = column
    return columns


def write(postgres: Postgres, columns: dict[str, str], *rows: tuple[int, int, int | None]) -> None:
    """Insert or update rows (id, paid, hours into March) in the tables of all stories."""
    for (name, column), value in zip(columns.items(), SINCE.values(), strict=True):
        for id_, paid, hours in rows:
            changed = "null" if hours is None else value.format(hours)
            postgres.psql(
                f"insert into {name} (id, paid, card, {column}) values ({id_}, {paid}, 'K', {changed}) "
                f"on conflict (id) do update set paid = excluded.paid, {column} = excluded.{column}"
            )


def test_three_nights_take_what_changed_and_lose_nothing(project: Project, postgres: Postgres, tmp_path: Path) -> None:
    columns = stories(project, postgres)

    def fates(night: Night) -> dict[str, tuple[int, int]]:
        told = night.finished["silver"].figures["fates"]
        assert all(told[name]["superseded"] == told[name]["quarantined"] == 0 for name in columns)
        return {name: (told[name]["accepted"], told[name]["unchanged"]) for name in columns}

    def current(name: str) -> dict[str, float]:
        return {
            id_: float(paid) for id_, paid in re.findall(r"(\d+)\|(\d+)", postgres.psql(f"select id, paid from {name}"))
        }

    numbers = ("by_3", "by_4")
    # 1 and 2 in the first day, 3 without a time, 4 after the day's end
    write(postgres, columns, (1, 10, 1), (2, 20, 20), (3, 30, None), (4, 40, 40))
    first = fates(project.night(FIRST))
    assert first == {name: (4, 0) if name in numbers else (3, 0) for name in columns}
    # 5 came late, as old as the newest that landed; 1 changed; 2 and 3 are read once more
    write(postgres, columns, (5, 50, 20), (1, 11, 41))
    second = project.night(SECOND)
    # a number has no night: its mark is 40 already, so that 5 with 20 is below it
    assert fates(second) == {name: (1, 2) if name in numbers else (3, 2) for name in columns}
    expected = {name: current(name) for name in columns}
    for name in columns:
        assert project.current(name) == {k: v for k, v in expected[name].items() if name not in numbers or k != "5"}
    before = {
        name: project.rows(name) for name in ("silver/transaction", "ops/file", *(f"bronze/{n}" for n in columns))
    }

    # the same night again, and from an earlier release, reads the same
    project.night(SECOND, again=True)
    assert {name: project.rows(name) for name in before} == before
    lakehouse = Lakehouse(str(tmp_path / "lakehouse"))
    first_run = next(row["run_id"] for row in lakehouse.rows(OPS_RELEASE) if row["date"] == FIRST)
    restore_release(project.load(), first_run)
    project.night(SECOND)
    assert {name: project.rows(name) for name in before} == before

    # a quiet day brings what is as new as the newest, and what has no time; it all is known
    third = fates(project.night(THIRD))
    assert third == {name: (0, 3 if name == "by_2" else 2) for name in columns}


def test_a_night_that_died_and_a_changed_question(project: Project, postgres: Postgres) -> None:
    table(postgres, "orders", "id int, paid int, card text, changed timestamptz", "(1, 1, 'K', '2026-03-01 10:00+00')")
    project.source("orders", "table: orders\nsince: CHANGED")
    project.night(FIRST)
    postgres.psql("insert into orders values (2, 2, 'K', '2026-03-02 09:00+00')")
    project.night(SECOND, stages=("bronze",))
    # another configuration: what landed is rolled back, and asked for again
    project.source("orders", "table: orders\nsince: CHANGED\noptions: {fetchsize: 1}")
    postgres.psql("insert into orders values (3, 3, 'K', '2026-03-02 08:00+00')")
    landed = project.night(SECOND).finished["bronze"].figures["landed"]
    assert (landed, project.current("orders")) == ({"orders": 3}, {"1": 1, "2": 2, "3": 3})
    # of another query the mark says nothing: all rows come once more
    project.source("orders", "query: select * from orders where id > 0;\nsince: changed")
    assert project.night(THIRD).finished["silver"].figures["fates"]["orders"]["unchanged"] == 3


def test_a_snapshot_closes_what_was_deleted(project: Project, postgres: Postgres) -> None:
    table(postgres, "orders", "id int, paid int, card text", "(1, 1, 'K'), (2, 2, 'K')")
    project.source("orders", "table: orders", extract="snapshot")
    project.night(FIRST)
    postgres.psql("delete from orders where id = 1; update orders set paid = 5 where id = 2")
    project.night(SECOND)
    assert project.current("orders") == {"2": 5}
    postgres.psql("delete from orders")
    night = project.night(THIRD)
    assert "source orders: orders gave no row" in night.finished["bronze"].warnings[0]
    assert project.current("orders") == {"2": 5}


def test_many_rows_over_several_connections(project: Project, postgres: Postgres, tmp_path: Path) -> None:
    table(postgres, "orders", "id int, paid numeric(9,3), card text, part numeric(20)")
    postgres.psql(
        "insert into orders select n, n / 7.0, 'K' || n % 100, nullif(n, 50000) - 60000 "
        "from generate_series(1, 100000) n"
    )
    project.source("orders", "table: orders\noptions: {partition_column: part, partitions: 4}", extract="append")
    project.night(FIRST, stages=("bronze", "release"))
    rows = project.rows("bronze/orders")
    digest = "count(*), count(part), sum(id), sum(paid), sum(part), count(distinct card)"
    expected = [float(text) for text in postgres.psql(f"select {digest} from orders").split("|")]
    parts = [float(row["part"]) for row in rows if row["part"] is not None]
    told = [
        len(rows), len(parts), sum(int(row["id"]) for row in rows), round(sum(float(row["paid"]) for row in rows), 3),
        sum(parts), len({row["card"] for row in rows}),
    ]  # fmt: skip
    assert told == pytest.approx(expected)
    assert len(list(tmp_path.glob("lakehouse/bronze/orders/*/*/*.parquet"))) == 4
    postgres.psql("truncate orders")
    assert project.night(SECOND, stages=("bronze",)).finished["bronze"].figures["landed"] == {"orders": 0}


REFUSED = {
    "wrong password": ({"password": "nope"}, "refuses the user or the password; check read.user and the environment "
                       "variable SHOP_PASSWORD"),
    "unreachable": ({"url": "jdbc:postgresql://127.0.0.1:1/postgres"}, "cannot be reached"),
    "no database": ({"url": "{url}_not_there"}, "there is no such database; check read.url"),
    "no driver": ({"url": "jdbc:mysql://127.0.0.1/shop"}, "there is no JDBC driver for it; name the driver's JAR in "
                  "spark.jars of conf/pipeline.yml"),
    "no table": ({"read": "table: shop.nowhere"}, 'relation "shop.nowhere" does not exist; check read.table'),
    "no column": ({"read": "query: select idd from orders"}, 'column "idd" does not exist; check read.query'),
    "no rights": ({"read": "query: select pg_read_file('x') as id, paid, card from orders"},
                  "permission denied for function pg_read_file; check read.query"),
    "no since": ({"read": "table: orders\nsince: change"}, "read.since: orders has no column 'change'; did you mean "
                 "'changed'?"),
    "since a text": ({"read": "table: orders\nsince: card"}, "read.since: 'card' is a text; only a date"),
    "part a text": ({"read": "table: orders\noptions: {partition_column: card, partitions: 2}"},
                    "read.options.partition_column: 'card' is not of whole numbers"),
    "half-way": ({"read": "query: select 10 / (id - 2) as id, paid, card from orders"}, "could not be read to its end: "
                 "ERROR: division by zero"),
    "same names": ({"read": 'query: select id, paid, card, id as "ID" from orders'}, "two columns are named 'id' but "
                   "for upper and lower case; give each its own name"),
    "bronze's name": ({"read": "query: select id, paid, card, 1 as _file from orders"}, "the column '_file' begins "
                      "with '_'"),
}  # fmt: skip


def test_what_a_database_refuses_is_one_line(project: Project, postgres: Postgres, tmp_path: Path) -> None:
    table(
        postgres, "orders", "id int, paid int, card text, changed timestamptz", "(1, 1, 'K', null), (2, 2, 'K', null)"
    )
    for number, (given, _) in enumerate(REFUSED.values()):
        url = given.get("url", postgres.url).format(url=postgres.url)
        project.source(f"s{number}", given.get("read", "table: orders"), url=url)
        if "password" in given:
            project.write(".env", f"SHOP_PASSWORD={PASSWORD}\nWRONG_PASSWORD={given['password']}\n")
            yml = tmp_path / f"conf/sources/s{number}.yml"
            yml.write_text(yml.read_text().replace("SHOP_PASSWORD", "WRONG_PASSWORD"))
    project.source("good", "table: orders", extract="append")
    night = project.night(FIRST)
    assert night.finished["bronze"].figures["landed"] == {"good": 2}
    warnings = night.finished["bronze"].warnings
    assert len(warnings) == len(REFUSED)
    for number, (reason, (_, line)) in enumerate(REFUSED.items()):
        told = next(warning for warning in warnings if warning.startswith(f"source s{number}: "))
        assert line.replace("SHOP", "WRONG") in told, reason
        assert told.endswith(f"nothing of s{number} landed tonight")
        assert "\n" not in told
    # of a required source the same line ends the night
    project.source("s1", "table: orders\nrequired: true", url="jdbc:postgresql://127.0.0.1:1/postgres")
    with pytest.raises(PortraitError, match=r"^source s1: jdbc:postgresql://127.0.0.1:1/postgres: cannot be reached"):
        project.night(SECOND)
    # the password is in the environment file alone, and nothing that it changes is hashed
    written = {file: text for file, text in contents(tmp_path) if file.name != ".env"}
    assert len(written) > 20
    assert [file for file, text in written.items() if PASSWORD in text] == []
    conf = project.load()
    assert PASSWORD not in repr(conf)
    project.write(".env", "SHOP_PASSWORD=other\nWRONG_PASSWORD=other\n")
    assert project.load().hash == conf.hash


def test_a_column_that_the_yaml_uses_is_gone(project: Project, postgres: Postgres) -> None:
    table(postgres, "orders", "id int, card text", "(1, 'K')")
    project.source("orders", "table: orders")
    with pytest.raises(PortraitError, match=r"jdbc:orders/2026-03-01: .*orders.yml: columns.quantity: .*'paid'"):
        project.night(FIRST)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("table: t", "table: t\n  query: select 1"), "read: give either table or query, not both"),
        (("table: t", ""), "read: give either table or query"),
        (("table: t", "table: select 1"), "read.table: must be the name of a table"),
        (("table: t", "query: delete from t"), "read.query: must be a select"),
        (("table: t", "table: t\n  path: x/{date}/*"), "read.path: a database has no files; remove path"),
        (("table: t", "table: t\n  lookback: 3d"), "read.lookback: a database has no late files; remove lookback"),
        (("table: t", "table: t\n  since: id\nextract: snapshot"), "read.since: a snapshot is everything, every night"),
        (("table: t", "table: t\n  options: {partitions: 4}"), "read.options: partitions and partition_column go toge"),
        (("table: t", "table: t\n  options: {sslpassword: x7x}"), "read.options.sslpassword: a secret does not belong"),
        (("table: t", "table: t\n  options: {dbtable: x}"), "read.options.dbtable: set by read.table; remove it"),
        (("jdbc:postgresql:", "postgresql:"), "read.url: must begin with jdbc:"),
        (("//h/d", "//h/d?user=a&password=x7x"), "read.url: holds a password"),
        (("//h/d", "//a:x7x@h/d"), "read.url: holds a password"),
        (("${SHOP_PASSWORD}", "x7x"), "read.password: a password does not belong into a file; write ${NAME}"),
        (("${SHOP_PASSWORD}", "77"), "read.password: a password does not belong into a file"),
        (("${SHOP_PASSWORD}", "'${SHOP_PASSWORD:-x7x}'"), "read.password: a password does not belong into a file"),
        (("format: jdbc", "format: csv"), "read.url: only a database has one (read.format: jdbc)"),
        (("format: jdbc", "format: csv"), "read.path: this key is required"),
    ],
)  # fmt: skip
def test_mistakes_in_the_yaml_are_named(change: tuple[str, str], line: str) -> None:
    text = """
source: orders
entity: product
read:
  format: jdbc
  url: jdbc:postgresql://h/d
  password: ${SHOP_PASSWORD}
  table: t
columns: {product_id: id}
"""
    parse_source(text, place="conf/sources/orders.yml")
    with pytest.raises(DefinitionError) as error:
        parse_source(text.replace(*change), place="conf/sources/orders.yml")
    assert any(told.startswith(f"conf/sources/orders.yml: {line}") for told in error.value.lines), error.value.lines
    assert "x7x" not in str(error.value)


@pytest.mark.parametrize("written", ["${SHOP_PASSWORD}", "'${SHOP_PASSWORD}'", '"${SHOP_PASSWORD}"'])
def test_a_password_is_any_text(project: Project, written: str) -> None:
    project.write(
        "conf/sources/orders.yml",
        "source: orders\nentity: product\ncolumns: {product_id: id}\n"
        f"read: {{format: jdbc, url: 'jdbc:postgresql://h/d', table: t, user: {USER}, password: {written}}}\n",
    )
    assert project.load().secrets == {"SHOP_PASSWORD": PASSWORD}
    project.write(".env", "")
    with pytest.raises(
        DefinitionError, match=r"orders\.yml: password: the environment variable SHOP_PASSWORD is not set"
    ):
        project.load()
