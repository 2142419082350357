"""How long it takes to tell a person what is held, and to forget them: whole processes, over a copy of a lakehouse.

    python -m tests.bench.forget CONF [CUSTOMER]      (conf/ of a project that has run a night, such as the demo's)

The customer who ordered most often, where none is named. Wall and processor seconds: a busy machine moves the first and
hardly the second. CONF must take its lakehouse from ${LAKEHOUSE}, as the demo's does: what is forgotten is in the copy.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from jobs.gold import open_release
from jobs.runtime.configuration import load_configuration
from jobs.runtime.releases import newest
from jobs.runtime.tables import Lakehouse
from tests.bench.measure import measure


def main(conf: Path, customer: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "lakehouse"
        shutil.copytree(load_configuration(conf).lakehouse, copy)
        environment = os.environ | {"LAKEHOUSE": str(copy)}
        if customer is None:
            asked = "select customer_id from gold.order group by all order by count(*) desc, 1 limit 2"
            found = open_release(lakehouse=str(copy)).duckdb().sql(asked).fetchall()
            customer = next(owner for (owner,) in found if owner)
        before = newest(Lakehouse(str(copy)))
        for arguments in (["access", customer, "--to", f"{folder}/access"], ["forget", customer]):
            command = [sys.executable, "-m", "jobs.cli", *arguments, "--json", "--conf", str(conf)]
            taken = measure(command, env=environment, cwd=Path.cwd(), log=Path("logs") / "bench_forget.log")
            print(f"{arguments[0]:<8} {taken.seconds:6.1f} s, {taken.cpu:6.1f} s of processors")
        after = newest(Lakehouse(str(copy)))
        assert before and after and after.cause == "erasure"
        told = json.loads(taken.output)
        anew = {name for name, version in after.versions.items() if before.versions[name] != version}
        print(f"{sum(told['rows'].values()):,} rows of {len(told['rows'])} tables taken out of {len(after.versions)}")
        assert anew == set(told["rows"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
