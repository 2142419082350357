"""What `portrait maintain` tells of what it did."""

from collections.abc import Mapping

from jobs.changes.maintain import Maintained
from jobs.engines.search import SHORTEST
from jobs.runtime.console import Screen


def show_maintained(done: Maintained, screen: Screen) -> None:
    """What was done, and what waits."""
    counted = {"rows past their retention": done.expired} if done.expired else {}
    for title, rows in counted.items():
        screen.table(title, ["table", "rows"], [[name, rows[name]] for name in sorted(rows)])
    purged = done.purged
    lines = [
        (done.ended, f"erasures ended that had died half-way: {', '.join(done.ended)}"),
        (done.compacted, f"small files put together: {', '.join(done.compacted)}"),
        (done.releases, f"releases expired: {', '.join(map(str, done.releases))}"),
        (True, f"purged: {purged.files:,} files ({purged.size / 1e6:,.1f} MB), {purged.commits:,} entries of logs, "
               f"{purged.tables} tables"),
        (done.proven, f"proven that nothing is left: {', '.join(done.proven)}"),
    ]  # fmt: skip
    for there, line in lines:
        if there:
            screen.say(line)
    for erasure, day in done.waiting.items():
        screen.say(f"erasure {erasure}: the proof is made from {day} on (at once: portrait maintain --prove)")
    for erasure, found in done.left.items():
        next_ = (
            "in texts it is blotted out now, and portrait maintain --prove looks again" if erasure in done.blotted
            else "none of it stands in a text; remove it there, then portrait maintain --prove"
        )  # fmt: skip
        screen.warn(f"erasure {erasure}: {_places(found)} held an identifier still: {_where(found)}; {next_}")
    for erasure, found in done.alike.items():
        screen.warn(
            f"erasure {erasure}: {_places(found)} hold a value of fewer than {SHORTEST} characters that is also one of "
            f"the person's; others may have it by chance: {_where(found)}"
        )
    for line in done.late:
        screen.warn(f"past its time: {line}")
    if done.kept_by_store:
        screen.warn(done.kept_by_store)
    screen.result({**vars(done), "purged": vars(purged)})


def _places(found: Mapping[str, int]) -> str:
    return f"{sum(found.values())} places"


def _where(found: Mapping[str, int]) -> str:
    return ", ".join(f"{place} ({number})" for place, number in sorted(found.items())[:5])
