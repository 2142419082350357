"""Deliveries into PostgreSQL: rows come into a table of their own, and in one transaction they are all there.

Beside the table itself lie <table>_delivery, what was delivered when (the newest row tells what the table holds), and,
of an export of changes, <table>_changes, who changed how by which release. All three change in the same transaction,
so that a delivery that is tried again finds out whether it had come through.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.engines.places import Complete, Held
from jobs.runtime.postgres import Database, connected
from transforms.contracts import Schema, postgres_type
from transforms.destinations import Destination
from transforms.errors import DataError
from transforms.exports import CHANGE, KEY

_BATCH = "10000"
_LOCK_TIMEOUT = "60s"
_STAGED = "Portrait: a delivery on its way"
_DELIVERIES = """
create table if not exists {deliveries} (
    delivery bigint generated always as identity primary key, release bigint not null, date date not null,
    delivered_at timestamptz not null, rows bigint not null, manifest text not null, contract text)
"""
_CHANGES = """
create table if not exists {changes} (
    release bigint not null, customer_id text not null, change text not null, merged_into text,
    primary key (release, customer_id))
"""
_COLUMNS = """
select attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = to_regclass(?) and attnum > 0 and not attisdropped order by attnum
"""


class DatabaseTable:
    """A table of a PostgreSQL that deliveries keep up to date."""

    def __init__(self, spark: SparkSession, to: Destination, *, export: str, password: str | None) -> None:
        self._spark, self._to, self._export, self._password = spark, to, export, password
        self._table = to.table or ""
        self._staging, self._deliveries, self._changes = (
            to.beside(name) for name in ("staging", "delivery", "changes")
        )
        self._newest: str | None = None

    def held(self) -> Held:
        """What the table holds, as its newest delivery says. Raises PortraitError where that cannot be asked."""
        with self._connected() as database:
            there = database.row("select to_regclass(?), to_regclass(?)", self._table, self._deliveries)
            noted = there[1] and database.row(
                f"select delivery, manifest from {self._deliveries} order by delivery desc limit 1"
            )
            count = int(database.row(f"select count(*) from {self._table}")[0]) if there[0] else 0
        self._newest = noted[0] if noted else None
        manifest = json.loads(noted[1]) if noted else None
        if manifest and manifest["export"] != self._export:
            self._refuse(f"it is kept by the export '{manifest['export']}'; name another table in to.table")
        if count and not manifest:
            self._refuse("it holds rows that no delivery brought; name another table in to.table, or empty it")
        if not there[0]:
            return Held(None, "the table is not there any more" if manifest else "first delivery")
        if manifest and count != manifest["rows"]:
            return Held(None, f"the table holds {count} rows, {manifest['rows']} were delivered")
        return Held(manifest, "first delivery")

    def put(self, df: DataFrame, *, schema: Schema, release: int, mode: str, complete: Complete) -> dict[str, Any]:
        """Bring the table up to date in one transaction: all of it is seen, or nothing. Gives the manifest.

        `mode`: full (`df` is everything there is) or changes. Raises PortraitError, naming the table, where it cannot.
        """
        names = [column["name"] for column in schema]
        with self._connected() as database:
            self._stage(database, df, schema)
            [rows] = database.row(f"select count(*) from {self._staging}")
            manifest, contract = complete([], int(rows))
            database.begin()
            self._lock(database)
            self._shape(database, names)
            self._apply(database, names, mode, release, told=CHANGE in df.columns)
            self._check(database, manifest["rows"])
            database.run(
                f"insert into {self._deliveries} (release, date, delivered_at, rows, manifest, contract) "
                "values (?::bigint, ?::date, ?::timestamptz, ?::bigint, ?, ?)",
                str(release), manifest["date"], manifest["delivered_at"], str(manifest["rows"]),
                json.dumps(manifest, ensure_ascii=False), contract,
            )  # fmt: skip
            database.run(f"drop table {self._staging}")
            database.commit()
        return manifest

    def _stage(self, database: Database, df: DataFrame, schema: Schema) -> None:
        """The rows in a table of their own, which a delivery that died may have left behind."""
        there, whose = database.row(
            "select to_regclass(?), obj_description(to_regclass(?), 'pg_class')", self._staging, self._staging
        )
        if there and whose != _STAGED:
            self._refuse(f"rows come in by {self._staging}, and that is another's table; name another in to.table")
        database.run(f"drop table if exists {self._staging}")
        named = {column["name"]: postgres_type(column["type"]) for column in schema}
        kinds = {name: named.get(name, "text") for name in df.columns}
        defined = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
        # with a key, rows that a connection wrote before it broke cannot come twice
        database.run(f"create unlogged table {self._staging} ({defined}, primary key ({KEY}))")
        database.run(f"comment on table {self._staging} is '{_STAGED}'")
        self._fill(df)
        database.run(f"analyze {self._staging}")

    def _fill(self, df: DataFrame) -> None:
        options = {
            "url": self._to.url, "user": self._to.user, "password": self._password, "dbtable": self._staging,
            "batchsize": _BATCH, "reWriteBatchedInserts": "true", "isolationLevel": "READ_COMMITTED",
        }  # fmt: skip
        given = {name: value for name, value in options.items() if value is not None}
        df.select(*(_fitting(field) for field in df.schema.fields)).write.format("jdbc").options(**given).mode(
            "append"
        ).save()

    def _lock(self, database: Database) -> None:
        """One delivery at a time; the changes must still be of what the table holds."""
        database.run(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
        database.row("select pg_advisory_xact_lock(hashtextextended(?, 0))::text", self._table)
        database.run(_DELIVERIES.format(deliveries=self._deliveries))
        [newest] = database.row(f"select max(delivery) from {self._deliveries}")
        if newest != self._newest:
            self._refuse("another delivery came into it meanwhile; deliver again")

    def _shape(self, database: Database, names: Sequence[str]) -> None:
        """The table with the columns that it is to have. A column of another type begins anew: rows come in full."""
        wanted = {name: kind for name, kind in database.rows(_COLUMNS, self._staging) if name in names}
        defined = ", ".join(f'"{name}" {kind}' for name, kind in wanted.items())
        database.run(f"create table if not exists {self._table} ({defined}, primary key ({KEY}))")
        there: dict[Any, Any] = dict(database.rows(_COLUMNS, self._table))
        last = database.row(f"select manifest from {self._deliveries} order by delivery desc limit 1")
        ours = {column["name"] for column in json.loads(last[0])["schema"]} if last else set()
        gone = [name for name in there if name in ours | set(wanted) and there[name] != wanted.get(name)]
        for name in gone:
            database.run(f'alter table {self._table} drop column "{name}"')
        for name in (name for name in wanted if name in gone or name not in there):
            database.run(f'alter table {self._table} add column "{name}" {wanted[name]}')

    def _apply(self, database: Database, names: Sequence[str], mode: str, release: int, *, told: bool) -> None:
        table, staging = self._table, self._staging
        put = "where change in ('added', 'changed')" if told else ""
        if mode == "full":
            database.run(f"delete from {table} t where not exists (select from {staging} s where s.{KEY} = t.{KEY})")
        else:
            database.run(
                f"delete from {table} t using {staging} s where s.{KEY} = t.{KEY} and s.change in ('removed', 'merged')"
            )
        quoted = [f'"{name}"' for name in names]
        values = [name for name in quoted if name != f'"{KEY}"']
        # a row that is what it was is not written again
        sets = ", ".join(f"{name} = excluded.{name}" for name in values)
        old, new = (", ".join(f"{of}.{name}" for name in values) for of in ("t", "excluded"))
        done = f"update set {sets} where ({old}) is distinct from ({new})" if values else "nothing"
        database.run(
            f"insert into {table} as t ({', '.join(quoted)}) select {', '.join(quoted)} from {staging} {put} "
            f"on conflict ({KEY}) do {done}"
        )
        if told:
            database.run(_CHANGES.format(changes=self._changes))
            database.run(f"delete from {self._changes} where release = ?::bigint", str(release))
            database.run(
                f"insert into {self._changes} select ?::bigint, {KEY}, change, merged_into from {staging}",
                str(release),
            )

    def _check(self, database: Database, rows: int) -> None:
        [there] = database.row(f"select count(*) from {self._table}")
        if int(there) != rows:
            self._refuse(f"it would hold {there} rows instead of {rows}: another hand changed it; deliver again")

    def _refuse(self, why: str) -> None:
        raise DataError(f"{self._to.place}: {why}")

    def _connected(self) -> AbstractContextManager[Database]:
        return connected(self._spark, self._to, password=self._password)


def _fitting(field: T.StructField) -> SparkColumn:
    """A column as PostgreSQL takes it: no text there holds a zero byte."""
    match field.dataType:
        case T.StringType():
            value = _without_zero(F.col(field.name))
        case T.ArrayType() as array if isinstance(array.elementType, T.StringType):
            value = F.transform(field.name, _without_zero)
        case T.MapType() | T.StructType():
            value = _without_zero(F.to_json(field.name))
        case _:
            value = F.col(field.name)
    return value.alias(field.name)


def _without_zero(text: SparkColumn) -> SparkColumn:
    return F.translate(text, "\0", "")
