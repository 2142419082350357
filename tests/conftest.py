"""One Spark session for all tests: the product's own settings, and a JVM that starts fast rather than runs long.

Where several processes share the work (`make test`), each has a session of its own, and takes whole files.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.runtime.session import open_session

# Tests look at few rows: to compile an expression would cost more than to interpret it.
_FEW_ROWS = {
    "spark.driver.memory": "4g",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
# Plans of many columns come and go: where what is young has room, little of it is copied to and fro.
_ROOM = "-Xms1g -Xmn768m"
# Fixtures that take longest to make: the files that ask for one stay in one process, and what takes longest goes first.
_MADE_ONCE = ("nights", "s3", "shop")
_LONGEST_FIRST = ("end_to_end", "stages")


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = open_session(_FEW_ROWS, light=True, java_options=_ROOM)
    yield session
    session.stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What of the tests is one process's, where there are several, and in which order they are handed out."""
    if not hasattr(config, "workerinput"):
        return
    groups = dict[Path, str]()
    for item in items:
        asked = [name for name in _MADE_ONCE if name in getattr(item, "fixturenames", ())]
        groups[item.path] = min([groups.get(item.path, item.path.name), *asked], key=_place)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))
    items.sort(key=lambda item: (_place(groups[item.path]), _folder(item)))


def _place(group: str) -> int:
    return _MADE_ONCE.index(group) if group in _MADE_ONCE else len(_MADE_ONCE)


def _folder(item: pytest.Item) -> int:
    name = item.path.parent.name
    return _LONGEST_FIRST.index(name) if name in _LONGEST_FIRST else len(_LONGEST_FIRST)
