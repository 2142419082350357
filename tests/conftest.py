"""One Spark session for all tests: the product's own settings, and a JVM that starts fast rather than runs long."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from jobs.runtime.session import open_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = open_session({"spark.driver.memory": "2g"}, java_options="-XX:TieredStopAtLevel=1")
    yield session
    session.stop()
