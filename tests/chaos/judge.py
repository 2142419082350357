"""What must hold after a fault, and once the command was given again."""

import json
import os
from collections.abc import Iterator, Mapping

from deltalake import DeltaTable

from tests.chaos.faults import NIGHTS, Run
from tests.chaos.shop import SECOND, damaged_deliveries, deliveries, digests
from tests.chaos.world import Left
from transforms.schemas import OPS_STAGE


def readers(run: Run) -> Iterator[str]:
    """What readers see while nothing was run again: the release before, or the one that came of it, whole."""
    releases = run.shop.releases()
    if not releases:
        if run.trial != "recover":
            yield "readers see no release any more"
        return
    seen = digests(run.shop, releases[-1])
    if seen not in (run.left.start, run.left.digests):
        near = min((run.left.start, run.left.digests), key=lambda known: len(list(differences(seen, known))))
        yield f"readers see half a release: {', '.join(differences(seen, near))}"


def ended(run: Run, left: Left) -> Iterator[str]:
    """Nothing lost, nothing doubled, everything let go of."""
    releases = run.shop.releases()
    yield from differences(digests(run.shop, releases[-1]), left.digests)
    numbers = [release.release for release in releases]
    if len(set(numbers)) < len(numbers):
        yield f"two releases of one number: {numbers}"
    held = run.shop.folder / "lakehouse" / "_lease.json"
    if held.exists() and json.loads(held.read_text())["pid"] == os.getpid():
        yield "the lakehouse is still held"
    if run.trial in NIGHTS:
        yield from _accounts(run)
        yield from damaged_deliveries(run.shop)
        yield from differences(deliveries(run.shop), left.deliveries)
        staged = [path.name for path in (run.shop.folder / "exports").rglob("*staging*")]
        yield from (f"{name}: what was staged lies there still" for name in staged)


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield f"{name}: {ours.get(name)}, undisturbed {theirs.get(name)}"


def _accounts(run: Run) -> Iterator[str]:
    """landed = accepted + … for every source of the night, against what bronze holds of it."""
    rows = [row for row in run.shop.lakehouse.rows(OPS_STAGE) if row["date"] == SECOND and row["status"] == "done"]
    rows.sort(key=lambda row: row["at"])
    silver = [json.loads(row["figures"]) for row in rows if row["stage"] == "silver"]
    for source, fates in silver[-1]["fates"].items() if silver else ():
        version = run.shop.releases()[-1].versions[f"bronze/{source}"]
        landed = DeltaTable(run.shop.lakehouse.path(f"bronze/{source}"), version=version).to_pyarrow_table()
        number = landed["_batch_date"].to_pylist().count(SECOND)
        if sum(fates.values()) != number:
            yield f"{source}: {number} rows landed, fates {fates}"
