"""Who visits the shop: one copy's account holders and strangers, each with a device's cookie."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from jobs.demo.agents import BROWSERS
from jobs.demo.chance import Floats, Ints, generator
from jobs.demo.people import Person
from jobs.demo.truth import Truth

_STRANGERS = 1.4  # for each account holder
_SECOND_DEVICE = 0.3
_SHARED_DEVICE = 0.02  # of the account holders use the device of another of their household
_TABLET_USERS = 60
_NEVER = 10**6


@dataclass(frozen=True)
class Visitors:
    """A row is a device of somebody. `joined_on`: the day, counted from `epoch`, from which its owner logs in."""

    copy: int
    epoch: date
    cookie: pa.Array
    login: pa.Array
    joined_on: Ints
    activity: Floats
    taste: Ints
    host: pa.Array
    agent: pa.Array
    tablet: str
    tablet_users: Ints


def make_visitors(people: list[Person], *, copy: int, seed: int, epoch: date, days: int, truth: Truth) -> Visitors:
    """Most owners logged in before the log begins; a third does so first on one of its days, with the same cookie."""
    rng = generator(seed, "visitors", copy)
    holders = [person for person in people if person.has_shop]
    second = [
        person for person, draw in zip(holders, rng.random(len(holders)).tolist(), strict=True) if draw < _SECOND_DEVICE
    ]
    owners: list[Person | None] = [*holders, *second, *([None] * int(len(holders) * _STRANGERS))]
    many = len(owners)
    cookies = [f"{number:016x}" for number in rng.integers(2**60, 2**63, many + 1).tolist()]
    _share_devices(owners, len(holders), cookies, rng, truth)
    joined = np.where(rng.random(many) < 0.65, 0, rng.integers(1, days, many))
    strangers = np.array([owner is None for owner in owners], dtype=bool)
    for owner, cookie, day in zip(owners, cookies[:-1], joined.tolist(), strict=True):
        if owner and day:
            truth.planted("logs_in_later", "web_log", cookie, owner.key, f"from day {day} of the log")
    tablet_users = rng.permutation(len(holders))[:_TABLET_USERS]
    for row in tablet_users.tolist():
        truth.planted("shared_tablet", "web_log", cookies[-1], holders[row].key, holders[row].login)
    return Visitors(
        copy=copy, epoch=epoch, cookie=pa.array(cookies[:-1]),
        login=pa.array([owner.login if owner else None for owner in owners], pa.string()),
        joined_on=np.where(strangers, _NEVER, joined), activity=rng.gamma(0.8, 1.25, many),
        taste=rng.integers(0, 10**6, many), host=_hosts(rng, many),
        agent=pa.array(BROWSERS).take(pa.array(rng.integers(0, len(BROWSERS), many))), tablet=cookies[-1],
        tablet_users=tablet_users,
    )  # fmt: skip


def _share_devices(
    owners: list[Person | None], holders: int, cookies: list[str], rng: np.random.Generator, truth: Truth
) -> None:
    """Two of one household on one device: the second one's cookie is the first one's."""
    for row, draw in zip(range(1, holders), rng.random(holders).tolist(), strict=False):
        one, other = owners[row - 1], owners[row]
        if one and other and one.household == other.household and draw < _SHARED_DEVICE * 4:
            cookies[row] = cookies[row - 1]
            truth.planted("shared_device", "web_log", cookies[row], other.key, f"also {one.login}")


def _hosts(rng: np.random.Generator, many: int) -> pa.Array:
    """Addresses out of the block kept for carriers' own networks (RFC 6598): nobody's."""
    numbers = rng.integers(0, 2**22, many).tolist()
    return pa.array([f"100.{64 + (n >> 16)}.{(n >> 8) & 255}.{n & 255}" for n in numbers], pa.string())
