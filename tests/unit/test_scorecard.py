"""The scorecard as people see it."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from jobs.lookups.scorecard import cards, section, shown
from jobs.runtime.tables import Lakehouse
from transforms.schemas import OPS_QUALITY

DAY = date(2026, 3, 2)


def test_figures_arrows_and_what_has_no_check(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path))

    def told(nights_ago: int, source: str, dimension: str, rows: int, failed: int) -> None:
        day = DAY - timedelta(days=nights_ago)
        row = {
            "run_id": f"of {day}", "date": day, "at": datetime(2026, 3, 3, tzinfo=UTC) - timedelta(days=nights_ago),
            "table": "silver/transaction", "source": source, "check": f"a {dimension} check", "dimension": dimension,
            "rows": rows, "failed": failed, "share": failed / rows, "gate": "warn", "passed": True,
        }  # fmt: skip
        lakehouse.append(OPS_QUALITY, [row])

    told(2, "gone", "validity", 10, 0)
    told(1, "pos", "validity", 100, 20)
    told(1, "pos", "uniqueness", 100, 0)
    told(0, "pos", "validity", 100, 10)
    told(0, "pos", "uniqueness", 100_000, 1)
    told(0, "web", "timeliness", 1, 0)

    found = cards(lakehouse, {"pos": "the <shops>"})
    table = shown(found)
    # validity rose by 10, uniqueness fell by 0.001, too little for an arrow; overall 90, the bottom, then 94.9995
    assert table.rows == [
        ["pos", "the <shops>", "–", "90.0 ↑", "99.9", "–", "–", "–", "▁▄"],
        ["web", "", "–", "–", "–", "–", "100", "–", "█"],
    ]
    assert [card.source for card in cards(lakehouse, {}, until=DAY - timedelta(days=2))] == ["gone"]
    html = section(found, "2026-03-02_checks/index.html")
    assert "<td>the &lt;shops&gt;</td>" in html
    # from 80 at the bottom (14) to 90 half-way (8)
    assert re.search(r'aria-label="2 nights: 80\.0, 90\.0">.*?<polyline points="2\.0,14\.0 70\.0,8\.0"', html)
    assert '<a href="2026-03-02_checks/index.html">' in html
    assert section([], None) == ""
