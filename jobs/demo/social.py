"""What people do on social platforms, as nested JSON lines in the languages that they speak."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from jobs.demo.chance import generator
from jobs.demo.damage import Damage, as_json, cut, damaged, twice, with_value, without
from jobs.demo.files import place, write_gz
from jobs.demo.people import Draws, Person, pick, stream
from jobs.demo.texts import TEXTS, TOPICS

SOCIAL_DAYS = 90
_A_DAY = 0.08  # actions of each of the handles
_STRANGERS = 0.8  # for each handle that the CRM knows
DAMAGES = (
    Damage("exact_duplicate", 0.008, twice),
    Damage("broken_line", 0.01, cut(0.1, 0.9)),
    Damage("missing_key", 0.006, without("id")),
    Damage("wrong_date", 0.006, with_value("created_at", ("yesterday", "2017-02-31T10:00:00-05:00", "", None))),
)
_PLATFORMS = ("facebook", "instagram", "twitter", "weibo")
_ACTIONS = ("post", "comment", "comment", "like", "like", "like", "share", "follow")


@dataclass(frozen=True)
class Talker:
    """Someone with a handle."""

    handle: str
    name: str
    language: str


@dataclass(frozen=True)
class Crowd:
    """One copy's people with handles: those in the CRM, and strangers."""

    copy: int
    talkers: tuple[Talker, ...]


def make_crowd(people: list[Person], *, copy: int, seed: int) -> Crowd:
    """Everybody with a handle in the CRM, and some who are in no system."""
    known = [
        Talker(p.handle, f"{p.given[0]} {p.family[0][:1]}.", p.pool.language) for p in people if p.handle and p.has_crm
    ]
    draws = stream(generator(seed, "strangers", copy))
    strangers = [_stranger(copy, number, pick(people, next(draws))) for number in range(int(len(known) * _STRANGERS))]
    return Crowd(copy, tuple(known + strangers))


def _stranger(copy: int, number: int, like: Person) -> Talker:
    return Talker(f"{like.family[1][:5]}.fan{copy}{number:05d}", like.given[0], like.pool.language)


def social_days(last: date) -> list[date]:
    """The days that have an extract."""
    return [last - timedelta(days=back) for back in range(SOCIAL_DAYS - 1, -1, -1)]


def write_day(folder: Path, day: date, crowds: list[Crowd], *, seed: int) -> Counter[str]:
    """One day's actions of all copies."""
    lines = [line for crowd in crowds for line in _actions(day, crowd, seed=seed)]
    spoilt, counts = damaged(lines, DAMAGES, generator(seed, "social damage", day))
    write_gz(place(folder, "social", day, "activity.jsonl.gz"), spoilt)
    return counts


def _actions(day: date, crowd: Crowd, *, seed: int) -> list[bytes]:
    rng = generator(seed, "social", crowd.copy, day)
    number = rng.poisson(_A_DAY * len(crowd.talkers))
    seconds = np.sort(rng.integers(25_000, 86_000, number)).tolist()
    draws = stream(rng)
    return [_action(day, second, index, crowd, draws) for index, second in enumerate(seconds)]


def _action(day: date, second: int, index: int, crowd: Crowd, draws: Draws) -> bytes:
    talker = pick(crowd.talkers, next(draws))
    platform = "weibo" if talker.language == "zh" and next(draws) < 0.8 else pick(_PLATFORMS[:3], next(draws))
    action = pick(_ACTIONS, next(draws))
    topic = int(next(draws) * len(TOPICS))
    topics = [TOPICS[topic], pick(TOPICS, next(draws))] if next(draws) < 0.4 else [TOPICS[topic]]
    says = pick(TEXTS[talker.language][topic], next(draws)) if action in ("post", "comment", "share") else None
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    zone = "-04:00" if day < date(2017, 11, 5) else "-05:00"
    record: dict[str, object] = {
        "id": f"{platform[:2]}-{crowd.copy}-{day:%y%m%d}-{index}",
        "platform": platform,
        "created_at": f"{day}T{clock}{zone}",
        "user": {"handle": f"@{talker.handle}", "name": talker.name},
        "action": action,
        "text": says,
        "topics": list(dict.fromkeys(topics)),
        "counts": {
            "likes": int(next(draws) ** 4 * 200),
            "replies": int(next(draws) ** 4 * 20),
            "shares": int(next(draws) ** 6 * 30),
        },
    }
    return as_json({key: value for key, value in record.items() if value is not None})
