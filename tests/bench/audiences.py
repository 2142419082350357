"""Audiences and their insight over a wide profile, beside reading the columns that they use, in one run.

    python -m tests.bench.audiences [--customers 1000000] [--work FOLDER] [--keep]

A profile of 150 tags and the golden records' consents are made up; then, in one warm session: (a) Spark reads the
columns that 50 audiences use, and does nothing with them; (b) the stage builds the 50 audiences, whole: sizes and
members written; (c) the insight of one audience over all tags. In turns, six times each, the first time not yet warm;
the least counts, in seconds of the processor.
Figures are of this machine and of this hour: nothing here passes or fails.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from pyarrow import dataset as ds

from jobs import audiences as stage
from jobs.engines.insight import compare, members
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse
from tests.bench.measure import processor_seconds
from transforms.audiences import Audience, compile_rule
from transforms.privacy import Keys, Privacy, Purpose
from transforms.profile import NOT_TAGS, PROFILE, profile_table
from transforms.schemas import GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER, Column

DAY = date(2026, 3, 1)
NUMBERS, ENUMS, LISTS = 110, 30, 10
AUDIENCES = 50
TIMES = 6
_WORDS = pa.array([f"value_{number:02d}" for number in range(20)])
PRIVACY = Privacy(
    purposes={"marketing": Purpose(consent="opt_in"), "service": Purpose(consent="none")},
    keys=Keys(customer=["k" * 32], erasure=["e" * 32]),
)


@dataclass(frozen=True)
class Made:
    """A tag as audiences see one."""

    tag: str
    outputs: tuple[Column, ...]
    purposes: tuple[str, ...] = ("marketing", "service")
    status: str = "online"
    place: str = "tag_definitions/made/up.yml"


def tags() -> dict[str, Any]:
    types = [*(["double"] * (NUMBERS // 2)), *(["bigint"] * (NUMBERS // 2)), *(["string"] * ENUMS)]
    types += ["array<string>"] * LISTS
    return {f"t{n:03d}": Made(f"t{n:03d}", (Column(f"t{n:03d}", kind, ""),)) for n, kind in enumerate(types)}


def audiences() -> dict[str, Audience]:
    """Each looks at three of forty tags; every fifth is built on two others."""
    found = {}
    for number in range(AUDIENCES):
        one, two, three = number % 20, NUMBERS // 2 + number % 10, NUMBERS + number % 10
        where = (
            f"t{one:03d} > 0.{number % 10} and t{two:03d} < {20 + number} and t{three:03d} <> 'value_{number % 20:02d}'"
        )
        union = [f"a{number - 5:02d}"] if number % 5 == 0 and number else []
        minus = [f"a{number - 1:02d}"] if number % 5 == 0 and number else []
        found[f"a{number:02d}"] = Audience(
            place=f"a{number:02d}.yml", audience=f"a{number:02d}", where=where, union=union, holdout=0.1,
            purpose="marketing" if number % 2 else "service", **{"except": minus},
        )  # fmt: skip
    return found


def write(lakehouse: Path, customers: int) -> None:
    chance, made = np.random.default_rng(1), tags()
    for start in range(0, customers, 250_000):
        rows = min(250_000, customers - start)
        ids = pa.array([f"{number * 2654435761 % 2**64:032x}" for number in range(start, start + rows)])
        columns = {"customer_id": ids} | {
            name: _values(chance, tag.outputs[0].type, rows) for name, tag in made.items()
        }
        columns |= {
            "as_of": pa.array([datetime(2026, 3, 1, tzinfo=UTC)] * rows, pa.timestamp("us", "UTC")),
            "run_id": pa.array(["bench"] * rows),
        }
        write_deltalake(str(lakehouse / PROFILE), pa.table(columns), mode="append")
        granted = pa.array(chance.random(rows) < 0.6)
        consents = pa.MapArray.from_arrays(
            pa.array(range(rows + 1), pa.int32()), pa.array(["marketing"] * rows), granted
        )
        golden = {"customer_id": ids, "given_name": ids, "consents": consents}
        write_deltalake(str(lakehouse / GOLD_CUSTOMER.name), pa.table(golden), mode="append")


def _values(chance: np.random.Generator, kind: str, rows: int) -> pa.Array:
    if kind == "double":
        return pa.array(chance.exponential(1, rows), mask=chance.random(rows) < 0.1)
    if kind == "bigint":
        return pa.array(chance.poisson(20, rows))
    words = _WORDS.take(pa.array(np.minimum(chance.geometric(0.2, rows) - 1, 19)))
    if kind == "string":
        return words
    ends = np.arange(0, rows * 2 + 1, 2, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.concat_arrays([words, words]))


def night_of(lakehouse: Path) -> Night:
    conf: Any = SimpleNamespace(
        audiences=audiences(), tags=tags(), privacy=PRIVACY, hash="bench", places=[],
        pipeline=SimpleNamespace(timezone="UTC", spark={"spark.driver.memory": "4g"}),
    )  # fmt: skip
    night = Night(
        conf=conf, lakehouse=Lakehouse(str(lakehouse)), day=DAY, run_id="bench", started_at=datetime.now(UTC), base=None
    )
    for name in (PROFILE, GOLD_CUSTOMER.name):
        version = night.lakehouse.version(name)
        assert version is not None
        night.versions[name] = version
    return night


def read(night: Night) -> None:
    table = profile_table(night.conf.tags)
    rules = [compile_rule(one, table, "UTC") for one in night.conf.audiences.values()]
    used = sorted(set().union(*(rule.columns for rule in rules if rule)))
    night.load(PROFILE).select("customer_id", *used).write.format("noop").mode("overwrite").save()
    night.load(GOLD_CUSTOMER).select("customer_id", "consents").write.format("noop").mode("overwrite").save()


def insight(night: Night) -> None:
    profile, released = (
        night.lakehouse.dataset(name, night.versions[name], coded)
        for name, coded in ((PROFILE, night.conf.tags), (GOLD_AUDIENCE_MEMBER.name, GOLD_AUDIENCE_MEMBER.names))
    )
    assert profile is not None and released is not None
    group = members(released, (ds.field("audience") == "a07") & (ds.field("date") == ds.scalar(DAY)))
    columns = [name for name in profile.schema.names if name not in NOT_TAGS]
    compare(profile, columns, group, None, smallest=10, timezone="UTC")


def spent(what: str, step: Callable[[], None]) -> float:
    """Run the step; gives its seconds of the processor, of this process and the session's."""
    began, before = time.monotonic(), processor_seconds()
    step()
    used = processor_seconds() - before
    print(f"{what:<44}{used:>8.1f} s of the processor, {time.monotonic() - began:>6.1f} by the clock", flush=True)
    return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, help="where the tables go (a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="do not remove what was written")
    chosen = parser.parse_args()
    work = chosen.work or Path(tempfile.mkdtemp(prefix="portrait_bench_"))
    if not (work / PROFILE).is_dir():
        write(work, chosen.customers)
    night = night_of(work)
    steps = {
        "(a) reading the columns used": lambda: read(night),
        f"(b) building {AUDIENCES} audiences, members written": lambda: stage.build(night),
        f"(c) insight of one over {NUMBERS + ENUMS + LISTS} tags": lambda: insight(night),
    }
    # in turns: what else the machine does falls on all of them
    seconds = [[spent(what, step) for what, step in steps.items()] for _ in range(TIMES)]
    reading, building, telling = (min(runs) for runs in zip(*seconds, strict=True))
    print(f"members: {night.count(GOLD_AUDIENCE_MEMBER):,}")
    print(f"the least of each: (b) : (a) {building / reading:.1f}   (c) : (a) {telling / reading:.1f}")
    if not chosen.keep:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
