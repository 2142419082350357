"""The report as it is written again from the ops tables."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

from jobs.report import write_report
from jobs.runtime.tables import Lakehouse
from transforms.schemas import OPS_QUALITY, OPS_STAGE

DAY = date(2026, 3, 2)


def test_a_check_that_one_run_told_twice_is_shown_once(tmp_path: Path) -> None:
    """Killed when silver had told of its checks but was not yet noted: told again on the way to the end."""
    lakehouse = Lakehouse(str(tmp_path))

    def told(hour: int, run_id: str, failed: int) -> None:
        row = {
            "run_id": run_id, "date": DAY, "at": datetime(2026, 3, 3, hour, tzinfo=UTC), "table": "silver/transaction",
            "source": "pos", "check": "has_customer", "dimension": "validity", "rows": 40, "failed": failed,
            "share": failed / 40, "gate": "warn", "passed": True,
        }  # fmt: skip
        lakehouse.append(OPS_QUALITY, [row])

    told(2, "tonight", 8)
    told(1, "tonight", 7)
    told(3, "another run", 9)
    stage = {
        "run_id": "tonight", "date": DAY, "stage": "silver", "status": "done",
        "at": datetime(2026, 3, 3, 4, tzinfo=UTC), "seconds": 1.0, "jobs": 1, "rows": 40,
        "inputs": {}, "outputs": {}, "figures": "{}",
    }  # fmt: skip
    lakehouse.append(OPS_STAGE, [stage])
    page = Path(write_report(lakehouse, DAY)).read_text()
    [shown] = re.findall(r"<tr>(?:(?!</tr>).)*has_customer.*?</tr>", page)
    assert re.findall(r">(\w+)</td>", shown)[-4:] == ["40", "8", "warn", "yes"]
