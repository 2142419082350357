"""PostgreSQL as deliveries see it: a connection of its JDBC driver, and what it refuses as one line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from jobs.runtime.console import scrubbed
from jobs.runtime.database_refusals import told_by_driver
from transforms.destinations import Destination
from transforms.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Database:
    """A JDBC connection, as the driver's JAR beside Spark opens it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def begin(self) -> None:
        self._connection.setAutoCommit(False)

    def commit(self) -> None:
        self._connection.commit()

    def run(self, sql: str, *values: str | None) -> None:
        with self._prepared(sql, values) as statement:
            statement.execute()

    def rows(self, sql: str, *values: str | None) -> list[list[Any]]:
        """The answer's rows as texts."""
        found = []
        with self._prepared(sql, values) as statement:
            answer = statement.executeQuery()
            columns = range(1, answer.getMetaData().getColumnCount() + 1)
            while answer.next():
                found.append([answer.getString(place) for place in columns])
        return found

    def row(self, sql: str, *values: str | None) -> list[Any]:
        """The answer's first row; empty where it has none."""
        return next(iter(self.rows(sql, *values)), [])

    @contextmanager
    def _prepared(self, sql: str, values: Sequence[str | None]) -> Iterator[Any]:
        statement = self._connection.prepareStatement(sql)
        try:
            for place, value in enumerate(values, start=1):
                statement.setString(place, value)
            yield statement
        finally:
            statement.close()


@contextmanager
def connected(spark: "SparkSession", to: Destination, *, password: str | None) -> Iterator[Database]:
    """A connection; what is not committed at the end is rolled back.

    Raises DataError, one line with its remedy, for whatever the database or Spark's writer into it refuses in this
    block. The password is not in it, whatever a driver may say.
    """
    jvm: Any = spark.sparkContext._jvm
    properties = jvm.java.util.Properties()
    for name, value in {"user": to.user, "password": password, "ApplicationName": "portrait"}.items():
        if value is not None:
            properties.setProperty(name, value)
    try:
        connection = jvm.org.postgresql.Driver().connect(to.url, properties)
        try:
            yield Database(connection)
        finally:
            connection.close()
    except (Py4JJavaError, PySparkException) as error:
        raise DataError(f"{to.place}: {_refusal(spark, to, error, password)}") from None


def _refusal(spark: "SparkSession", to: Destination, error: Exception, password: str | None) -> str:
    for state, message in told_by_driver(spark, error):
        line = message.strip().splitlines()[0] if message.strip() else ""
        return _remedy(to, state, line.replace(password, "…") if password else line)
    return f"cannot be written: {type(error).__name__}; nothing was delivered"


def _remedy(to: Destination, state: str, line: str) -> str:
    if state.startswith("28"):
        if not to.password:
            return "refuses the user without a password; give to.user and to.password"
        return f"refuses the user or the password; check to.user and the environment variable {to.password_variable}"
    if state.startswith("08"):
        return "cannot be reached, or broke off; check to.url and that the server is up, and deliver again"
    if state.startswith("3D"):
        return "there is no such database; check to.url"
    told = scrubbed(line.removeprefix("ERROR: "))
    if state.startswith(("42", "3F", "2BP")):
        return f"{line.removeprefix('ERROR: ')}; check to.table and the user's rights; nothing was delivered"
    if state.startswith("53"):
        return f"{told}: the server is out of room or connections; nothing was delivered"
    return f"cannot be written: {told}; nothing was delivered"
