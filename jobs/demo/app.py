"""What people do in the shop's app: JSON lines with the device, its version of the app, and a login if there is one."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from jobs.demo.chance import generator
from jobs.demo.damage import Damage, as_json, cut, twice, with_value, without
from jobs.demo.dealings import dealings, deliver, free, told_on
from jobs.demo.people import Draws, Person, pick, stream
from jobs.demo.truth import Truth

SOURCE = "app_events"
DAMAGES = (
    Damage("exact_duplicate", 0.004, twice),
    Damage("broken_line", 0.005, cut(0.1, 0.9)),
    Damage("missing_time", 0.004, without("ts")),
    Damage("wrong_time", 0.004, with_value("ts", ("now", "", None, "0x5a44"))),
)
_DAYS = 90
_USERS, _LOGGED_IN = 0.32, 0.85  # of the account holders; of the devices
_VISITS = 4.0  # for each device in all the days
_PAGES = 0.3  # the chance that the next screen is the last
_VERSIONS = ("3.8.1", "4.0.0", "4.0.2", "4.1.0")
_SCREENS = ("home", "home", "list", "product", "product", "product", "search", "cart", "checkout")
_PHONES = (("ios", "iPhone9,3", "11.2"), ("ios", "iPad6,11", "10.3.3"), ("android", "SM-G950U", "7.0"))


@dataclass(frozen=True)
class _Device:
    """Somebody's phone or tablet; without a login nobody knows whose."""

    key: str
    login: str | None
    system: str
    model: str
    release: str
    version: str


def write_events(
    folder: Path, people: list[Person], nights: tuple[date, ...], *, copy: int, seed: int, truth: Truth
) -> None:
    """Add one copy's events: those before the first night with it, then each day's own."""
    rng = generator(seed, "app", copy)
    draws = stream(generator(seed, "app devices", copy))
    users = [person for person in free(people) if person.has_shop and next(draws) < _USERS]
    devices = {person.number: _device(person, rng, draws) for person in users}
    for person in users:
        truth.planted("app_device", SOURCE, devices[person.number].key, person.key, devices[person.number].login or "")
    lines: dict[date, list[bytes]] = {night: [] for night in nights}
    for number, visit in enumerate(dealings(users, nights, each=_VISITS, days=_DAYS, rng=rng)):
        at = int(visit.at.timestamp() * 1000)
        lines[told_on(visit.at, nights)] += _visit(f"{copy}-{number}", at, devices[visit.person.number], draws)
    for night in nights:
        deliver(folder, "app", "events.jsonl", night, lines[night], DAMAGES, copy=copy, seed=seed, truth=truth)


def _device(person: Person, rng: np.random.Generator, draws: Draws) -> _Device:
    login = person.login if next(draws) < _LOGGED_IN else None
    return _Device(rng.bytes(8).hex(), login, *pick(_PHONES, next(draws)), pick(_VERSIONS, next(draws)))


def _visit(key: str, start: int, device: _Device, draws: Draws) -> list[bytes]:
    """Screen after screen with a pause between. Times are milliseconds since 1970."""
    lines: list[bytes] = []
    at = start
    while True:
        screen = pick(_SCREENS, next(draws)) if lines else "home"
        lines.append(_event(f"{key}-{len(lines)}", key, at, screen, device))
        at += 2_000 + int(next(draws) * 80_000)
        if next(draws) < _PAGES:
            return lines


def _event(key: str, visit: str, at: int, screen: str, device: _Device) -> bytes:
    event: dict[str, object] = {
        "id": key,
        "ts": at,
        "visit": visit,
        "screen": screen,
        "app": {"version": device.version, "build": int(device.version.replace(".", "")) * 10},
        "device": {"id": device.key, "os": device.system, "model": device.model, "release": device.release},
    }
    if device.login:
        event["login"] = device.login
    return as_json(event)
