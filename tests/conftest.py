"""One Spark session for all tests: the product's own settings, and a JVM that starts fast rather than runs long.

Where several processes share the work (`make test`), each has a session of its own, and takes whole files.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.runtime.session import open_session

# Tests look at few rows: to compile an expression would cost more than to interpret it.
FEW_ROWS = {
    "spark.driver.memory": "3g",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
# Plans of many columns come and go: where what is young has room, little of it is copied to and fro.
_ROOM = "-Xmn1g"
# Of end_to_end, what does not look at the demo's nights. All the rest stays in the process that makes them, once.
_APART = {
    "test_airflow": "airflow", "test_bad_input": "bad input", "test_chaos": "chaos", "test_downstream": "unmatched",
    "test_lease": "lease", "test_cluster": "s3", "test_object_backups": "s3", "test_object_store": "s3",
}  # fmt: skip
_LONGEST_FIRST = ("nights", "s3", "airflow", "unmatched")


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = open_session(FEW_ROWS, light=True, java_options=_ROOM)
    yield session
    session.stop()


@pytest.fixture(scope="module", autouse=True)
def _own_places(request: pytest.FixtureRequest) -> Iterator[None]:
    """The demo's nights leave in the environment where they read and write: other files' tests do not look there."""
    with pytest.MonkeyPatch.context() as patched:
        if request.path.parent.name != "end_to_end":
            for name in ("EXTRACTS", "LAKEHOUSE", "EXPORTS"):
                patched.delenv(name, raising=False)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where there are several processes, each takes a whole group of tests, and then the next one."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # the order is that of the line below
    return Groups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest is handed out first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _turn(item.nodeid.partition("::")[0]))


def _group(file: str) -> str:
    """What of the tests is one process's: a file, or those that need what takes long to make."""
    path = Path(file)
    return _APART.get(path.stem, "nights") if path.parent.name == "end_to_end" else file


def _turn(file: str) -> tuple[int, bool]:
    group = _group(file)
    place = _LONGEST_FIRST.index(group) if group in _LONGEST_FIRST else len(_LONGEST_FIRST)
    return place, "/unit/" in file
