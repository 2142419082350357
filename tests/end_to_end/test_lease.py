"""One run at a time: a living one keeps the others out, a killed one does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runtime.lease import Lease
from transforms.errors import LockedError


def test_two_runs_at_once(tmp_path: Path) -> None:
    """A living run keeps the others out and is named; one that was killed does not."""
    lakehouse = tmp_path / "lakehouse"
    code = (
        "import time; from jobs.runtime.lease import Lease; "
        f"Lease({str(lakehouse)!r}, 'first').take(); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "up\n"
        with pytest.raises(LockedError, match="run first holds the lakehouse"), Lease(str(lakehouse), "second"):
            pass
        holder.kill()
        holder.wait()
    with Lease(str(lakehouse), "third") as lease:
        assert lease.run_id == "third"
