"""What a database or its driver refuses, as one line with its remedy."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from py4j.java_gateway import is_instance_of  # type: ignore[import-untyped]

from jobs.runtime.console import scrubbed
from transforms.errors import DataError
from transforms.sources.definition import Source

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def refusal(spark: "SparkSession", source: Source, error: Exception, *, password: str | None) -> DataError | None:
    """What the database or its driver said, as one line with its remedy. None: it was neither of them.

    The password is not in it, whatever a driver may say.
    """
    read = source.read
    if "COLUMN_ALREADY_EXISTS" in str(error):
        name = re.search(r"`([^`]*)`", str(error))
        what = f"two columns are named '{name[1] if name else ''}' but for upper and lower case"
        return DataError(f"source {source.source}: {what}; give each its own name by a select in read.query")
    for state, message in told_by_driver(spark, error):
        line = message.strip().splitlines()[0] if message.strip() else ""
        if password:
            line = line.replace(password, "…")
        what = _remedy(source, state, line)
        return DataError(f"source {source.source}: {re.split('[?;]', read.url or '')[0]}: {what}")
    return None


def told_by_driver(spark: "SparkSession", error: Exception) -> Iterator[tuple[str, str]]:
    """SQLSTATE and message of what the driver raised, wherever in the chain of causes it is."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    gateway = spark.sparkContext._gateway
    while cause is not None:
        if is_instance_of(gateway, cause, "java.sql.SQLException"):
            yield str(cause.getSQLState() or ""), str(cause.getMessage() or "")
        elif is_instance_of(gateway, cause, "java.lang.ClassNotFoundException"):
            yield "", "No suitable driver"
        cause = cause.getCause()
    # an executor's error comes as text alone
    if match := re.search(r"\b(?!org\.apache\.spark)[a-z][\w.]*\.\w*SQL\w*Exception: (.*)", str(error)):
        yield "", match[1] or ""


def _remedy(source: Source, state: str, line: str) -> str:
    read = source.read
    if "No suitable driver" in line:
        return (
            "there is no JDBC driver for it; name the driver's JAR in spark.jars of conf/pipeline.yml, "
            "and its class in read.options.driver"
        )
    if state.startswith("28"):
        if not read.password:
            return "refuses the user without a password; give read.user and read.password"
        return (
            f"refuses the user or the password; check read.user and the environment variable {read.password_variable}"
        )
    if state.startswith("08"):
        return "cannot be reached, or broke off; check read.url and that the server is up, and run the night again"
    if state.startswith("3D"):
        return "there is no such database; check read.url"
    if state.startswith("42"):
        # names of the user's own query, and no data
        return f"{line.removeprefix('ERROR: ')}; check read.{'table' if read.table else 'query'} and the user's rights"
    return f"could not be read to its end: {scrubbed(line)}; nothing of it landed"
