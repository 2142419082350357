"""How long the commands take that read a release: whole processes, again and again over a lakehouse that is there.

    python -m tests.bench.readers CONF      (conf/ of a project that has run a night, such as the demo's)

Wall and processor seconds, the least and the median of five: a busy machine moves the first and hardly the second.
"""

import os
import statistics
import sys
from pathlib import Path

from jobs.gold import open_release
from tests.bench.measure import measure

TIMES = 5


def commands(conf: Path) -> dict[str, list[str]]:
    """What is measured, over the customer who ordered most often."""
    night = open_release(conf=conf).duckdb()
    found = night.sql("select customer_id from gold.order group by all order by count(*) desc, 1 limit 2").fetchall()
    customer = next(row[0] for row in found if row[0])
    steps = ["web_event:product", "web_event:cart", "transaction:purchase"]
    return {
        "query": ["query", "select rfm_segment, count(*), avg(monthly_spend) from customer_profile group by all"],
        "query over every order": ["query", "select channel, sum(amount) from gold.order group by all"],
        "show": ["show", customer],
        "explain": ["explain", customer, "monthly_spend"],
        "funnel": ["funnel", *steps, "--within", "7d", "--by", "rfm_segment"],
    }


def main(conf: Path) -> None:
    for name, arguments in commands(conf).items():
        command = [sys.executable, "-m", "jobs.cli", *arguments, "--conf", str(conf)]
        log = Path("logs") / "bench_readers.log"
        taken = [measure(command, env=os.environ, cwd=Path.cwd(), log=log) for _ in range(TIMES)]
        wall, cpu = ([getattr(one, what) for one in taken] for what in ("seconds", "cpu"))
        print(
            f"{name:<24} {min(wall):5.2f} s at least, {statistics.median(wall):5.2f} s median, "
            f"{statistics.median(cpu):5.2f} s of processors"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
