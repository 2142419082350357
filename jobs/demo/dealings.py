"""Who dealt with the company, and when: what the extracts of service desk, surveys and shop floor have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from jobs.demo.chance import generator
from jobs.demo.damage import Damage, damaged
from jobs.demo.files import append, place
from jobs.demo.people import Person
from jobs.demo.purchases import ZONE
from jobs.demo.truth import Truth

LOCAL = ZoneInfo(ZONE)
_OPENS, _CLOSES = 8 * 3600, 21 * 3600
_A_LATER_NIGHT = 3  # so that the smallest company has news every night


@dataclass(frozen=True)
class Dealing:
    """Somebody dealt with the company. `at`: local, with its offset."""

    person: Person
    at: datetime


def free(people: Sequence[Person]) -> list[Person]:
    """All but those whom a later night's event is about: nothing may tie them before it."""
    return [person for person in people if not person.role]


def dealings(
    people: Sequence[Person], nights: tuple[date, ...], *, each: float, days: int, rng: np.random.Generator
) -> list[Dealing]:
    """On average `each` a person over so many days up to the last night, and some on every later one. Oldest first."""
    if not people:
        return []
    who = np.repeat(np.arange(len(people)), rng.poisson(each, len(people)))
    back = rng.integers(0, days, len(who))
    later = [(nights[-1] - night).days for night in nights[1:] for _ in range(_A_LATER_NIGHT)]
    who = np.concatenate([who, rng.integers(0, len(people), len(later))])
    back = np.concatenate([back, np.array(later, dtype=np.int64)])
    second = rng.integers(_OPENS, _CLOSES, len(who))
    told = [
        Dealing(people[one], moment(nights[-1] - timedelta(days=ago), at))
        for one, ago, at in zip(who.tolist(), back.tolist(), second.tolist(), strict=True)
    ]
    return sorted(told, key=lambda dealing: (dealing.at, dealing.person.number))


def moment(day: date, second: int) -> datetime:
    """A second of a local day, by daylight (no hour of it is there twice)."""
    return datetime(day.year, day.month, day.day, tzinfo=LOCAL) + timedelta(seconds=second)


def told_on(at: datetime, nights: tuple[date, ...]) -> date:
    """The night whose extract tells of it: the first tells all that was before."""
    return max(at.date(), nights[0])


def deliver(
    folder: Path,
    system: str,
    name: str,
    night: date,
    lines: list[bytes],
    damages: Sequence[Damage],
    *,
    copy: int,
    seed: int,
    truth: Truth,
    header: bytes | None = None,
) -> None:
    """Add one copy's lines, some spoilt, to a night's extract, and tell the truth of what was spoilt."""
    spoilt, counts = damaged(lines, damages, generator(seed, f"{system} damage", copy, night))
    truth.spoilt(system, night, counts)
    append(place(folder, system, night, name), spoilt, header=header)
