"""When the last release's identities tell of the very silver that it names, so that a night reads only what is new."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from jobs.engines.touched import touched_nodes
from jobs.runtime import releases
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.schemas import CONTACT

TABLE = CONTACT.table
DAYS = [date(2026, 3, day) for day in (1, 2, 3)]


def landed(*nodes: str, day: date) -> pa.Table:
    told = {"_batch_date": day, "event_at": datetime(2026, 3, 1, tzinfo=UTC)}
    rows = [{**dict.fromkeys(TABLE.names), **told, "_node": node, "record_id": node} for node in nodes]
    return pa.Table.from_pylist(rows, arrow_schema(TABLE))


def touched(folder: Path, published: list[tuple[date, str]]) -> list[str] | None:
    """What a night of the third day finds upon releases of one silver, when `crm:2` lands."""
    lakehouse, conf = Lakehouse(str(folder)), SimpleNamespace(hash="c", pipeline=SimpleNamespace(timezone="UTC"))
    version = lakehouse.write(TABLE, landed("crm:1", day=DAYS[0]), mode="overwrite")
    for number, (day, cause) in enumerate(published):
        about: dict[str, Any] = {"run_id": f"r{number}", "day": day, "cause": cause, "configuration": "c"}
        releases.publish(lakehouse, versions={TABLE.name: version}, **about)
    night = Night(
        conf=conf, lakehouse=lakehouse, day=DAYS[2], run_id="tonight", started_at=datetime.now(UTC),  # type: ignore[arg-type]
        base=releases.newest(lakehouse),
    )  # fmt: skip
    night.save(landed("crm:2", day=DAYS[2]), TABLE, mode="append")
    found = touched_nodes(night, [TABLE])
    return None if found is None else found.to_pylist()


@pytest.mark.parametrize("upon", ["override", "restore"])
@pytest.mark.parametrize("taken_out", ["erasure", "maintenance"])
def test_what_is_released_upon_an_erasure_hides_it_from_nobody(tmp_path: Path, taken_out: str, upon: str) -> None:
    night = (DAYS[1], "night")
    assert touched(tmp_path / "plain", [night, (DAYS[1], upon)]) == ["crm:2"]
    assert touched(tmp_path / "hidden", [night, (DAYS[1], taken_out), (DAYS[1], upon)]) is None
    # the night after it has worked out the whole
    assert touched(tmp_path / "later", [(DAYS[0], "night"), (DAYS[0], taken_out), night]) == ["crm:2"]
