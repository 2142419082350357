"""One Spark session for all tests: the product's own settings, and a JVM that starts fast rather than runs long."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from jobs.runtime.session import open_session

# Tests look at few rows: to compile an expression would cost more than to interpret it.
_FEW_ROWS = {
    "spark.driver.memory": "2g",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = open_session(_FEW_ROWS, light=True)
    yield session
    session.stop()
