"""The shop's access log: visits of people with and without an account, of a shared tablet and of robots."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.demo.agents import BOTS, ENTRIES, SITE, TABLET
from jobs.demo.chance import Ints, generator
from jobs.demo.damage import Damage, cut, damaged, twice
from jobs.demo.files import as_lines, place, write_gz
from jobs.demo.pages import Pages
from jobs.demo.visitors import Visitors

WEB_DAYS = 90  # before and with the last night's day
LATE_DAY = date(2017, 12, 26)
_SUMMER_TIME_ENDS = date(2017, 11, 5)
_VISITS_A_VISITOR = 0.056  # a day: about 2,700 hits at the full number of visitors
_BOT_VISITS, _TABLET_VISITS = 0.05, 0.012  # for each visit of a person
_NEVER = 10**6
# Share of a day's visits up to each hour, local.
_HOURS = np.cumsum([1, 1, 0.5, 0.3, 0.3, 0.6, 1.5, 3, 4, 5, 5.5, 6, 6.5, 6, 5.5, 5.5, 6, 6.5, 7, 8, 8.5, 8, 6, 3.3])


def _put_time(line: bytes, rng: np.random.Generator) -> bytes:
    before, after = line.split(b"[", 1)
    return before + b"[31/Feb/2017:25:61:00 -0500]" + after.split(b"]", 1)[1]


def _handshake(line: bytes, rng: np.random.Generator) -> bytes:
    """Someone speaks TLS to the plain port: Apache logs the bytes escaped."""
    head = line.split(b"]", 1)[0].split(b" ")
    return b'%s - - %s] "\\x16\\x03\\x01\\x02\\x00\\x01" 400 226 "-" "-" "-"' % (head[0], b" ".join(head[3:]))


def _junk(line: bytes, rng: np.random.Generator) -> bytes:
    words = (
        b"child pid 30127 exit signal Segmentation fault (11)",
        b"--",
        b"[warn] log buffer overrun",
        b"\\x80\\x00\\x00",
    )
    return words[int(rng.integers(0, len(words)))]


DAMAGES = (
    Damage("exact_duplicate", 0.004, twice),
    Damage("broken_line", 0.005, cut(0.05, 0.25)),
    Damage("junk", 0.003, _junk),
    Damage("no_request", 0.003, _handshake),
    Damage("wrong_date", 0.004, _put_time),
)


@dataclass(frozen=True)
class _Hits:
    """A day's hits of one copy, as arrays of equal length."""

    second: Ints
    line: pa.Array


@dataclass(frozen=True)
class _Walks:
    """Visits hit by hit: which visit it is of, its place in that, that visit's length, and the second of the day."""

    visit: Ints
    position: Ints
    length: Ints
    second: Ints


@dataclass(frozen=True)
class _Who:
    """Who is behind each hit, as the server sees it. `user` and `cookie` may be NULL."""

    host: pa.Array
    user: pa.Array
    agent: pa.Array
    cookie: pa.Array


def web_days(last: date) -> list[date]:
    """The days that have an access log."""
    return [last - timedelta(days=back) for back in range(WEB_DAYS - 1, -1, -1)]


def write_day(
    folder: Path, day: date, copies: list[Visitors], pages: Pages, *, seed: int, late_for: date
) -> Counter[str]:
    """One day's log with the visits to all copies; one day's comes late."""
    hits = [_day(day, visitors, pages, seed=seed) for visitors in copies]
    order = np.argsort(np.concatenate([hit.second for hit in hits]), kind="stable")
    lines = as_lines(pa.concat_arrays([hit.line for hit in hits]).take(pa.array(order)))
    spoilt, counts = damaged(lines, DAMAGES, generator(seed, "web damage", day))
    path = place(folder, "web", day, "access.log.gz")
    if day == LATE_DAY:
        path = folder / "late" / late_for.isoformat() / "web" / day.isoformat() / path.name
    write_gz(path, spoilt)
    return counts


def _day(day: date, visitors: Visitors, pages: Pages, *, seed: int) -> _Hits:
    rng = generator(seed, "web", visitors.copy, day)
    people = rng.poisson(_VISITS_A_VISITOR * visitors.activity)
    visitor = np.repeat(np.arange(len(people)), people)
    parts = [_people(day, visitor, visitors, pages, rng)]
    parts.append(_tablet(day, max(1, int(len(visitor) * _TABLET_VISITS)), visitors, pages, rng))
    parts.append(_bots(day, 1 + int(len(visitor) * _BOT_VISITS), pages, rng))
    return _Hits(np.concatenate([part.second for part in parts]), pa.concat_arrays([part.line for part in parts]))


def _people(day: date, visitor: Ints, visitors: Visitors, pages: Pages, rng: np.random.Generator) -> _Hits:
    """Visits of those with a cookie of their own; they log in somewhere on the way, or were logged in, or never do."""
    walks = _walks(1 + rng.geometric(0.13, len(visitor)), rng)
    may = (visitors.joined_on[visitor] <= (day - visitors.epoch).days) & (rng.random(len(visitor)) < 0.7)
    stays = rng.random(len(visitor)) < 0.4
    logs_in = np.where(may, np.where(stays, 0, rng.integers(0, 6, len(visitor))), _NEVER)[walks.visit]
    at_login = (walks.position == logs_in) & ~stays[walks.visit]
    owner = visitor[walks.visit]
    rows = pa.array(owner)
    user = visitors.login.take(pa.array(owner, mask=walks.position < logs_in))
    who = _Who(visitors.host.take(rows), user, visitors.agent.take(rows), visitors.cookie.take(rows))
    url = pages.visited(visitors.taste[owner], walks.position, walks.length, at_login, rng)
    return _logged(day, walks, who, url, at_login, rng)


def _tablet(day: date, visits: int, visitors: Visitors, pages: Pages, rng: np.random.Generator) -> _Hits:
    """A tablet on the shop floor: one cookie, and another customer's login each time."""
    if not len(visitors.tablet_users):
        visits = 0
    walks = _walks(2 + rng.geometric(0.3, visits), rng)
    many = len(walks.visit)
    chosen = visitors.tablet_users[rng.integers(0, max(len(visitors.tablet_users), 1), visits)][walks.visit]
    user = visitors.login.take(pa.array(chosen, mask=walks.position == 0))
    host = pa.repeat(f"10.20.{visitors.copy % 256}.7", many)
    who = _Who(host, user, pa.repeat(TABLET, many), pa.repeat(visitors.tablet, many))
    at_login = walks.position == 1
    url = pages.visited(rng.integers(0, 10**6, many), walks.position, walks.length, at_login, rng)
    return _logged(day, walks, who, url, at_login, rng)


def _bots(day: date, visits: int, pages: Pages, rng: np.random.Generator) -> _Hits:
    """Robots read product after product; they keep no cookie and never log in."""
    walks = _walks(3 + rng.geometric(0.08, visits), rng)
    many = len(walks.visit)
    which = rng.integers(0, len(BOTS), visits)[walks.visit]
    host = pc.binary_join_element_wise("198.19.7.", pa.array(which + 10).cast(pa.string()), "")
    nobody = pa.nulls(many, pa.string())
    who = _Who(host, nobody, pa.array(BOTS).take(pa.array(which)), nobody)
    inside = np.ones(many, dtype=np.int64)  # never on the home page, in the cart or at the checkout
    never = np.zeros(many, dtype=bool)
    url = pages.visited(rng.integers(0, 10**6, many), inside, inside * 9, never, rng)
    return _logged(day, walks, who, url, never, rng)


def _walks(length: Ints, rng: np.random.Generator) -> _Walks:
    """Visits of so many hits each: begun by the hour of the day, with a pause of a minute or so between hits."""
    visit = np.repeat(np.arange(len(length)), length)
    first = (np.cumsum(length) - length)[visit]
    hour = np.searchsorted(_HOURS / _HOURS[-1], rng.random(len(length)))
    start = hour * 3600 + rng.integers(0, 3600, len(length))
    walked = np.cumsum(1 + rng.exponential(55.0, len(visit)).astype(np.int64))
    second = np.minimum(start[visit] + walked - walked[first], 86_399)
    return _Walks(visit, np.arange(len(visit)) - first, length[visit], second)


def _logged(
    day: date, walks: _Walks, who: _Who, url: pa.Array, at_login: NDArray[np.bool_], rng: np.random.Generator
) -> _Hits:
    """The hits as lines of the combined format, with the cookie behind."""
    many = len(walks.second)
    zone = "-0400" if day < _SUMMER_TIME_ENDS else "-0500"
    time = pa.array(walks.second.astype(np.int32)).cast(pa.time32("s")).cast(pa.string())
    entry = pa.array(ENTRIES).take(pa.array(rng.integers(0, len(ENTRIES), many)))
    referrer = pc.if_else(pa.array(walks.position == 0), entry, f"{SITE}/")
    status = np.array([404, 500, 304, 200])[np.searchsorted((0.015, 0.018, 0.05), rng.random(many))]
    status = np.where(at_login, 302, status)
    size = pa.array(rng.integers(900, 60_000, many)).cast(pa.string())
    size = pc.if_else(pa.array((status == 304) | (status == 302)), "-", size)
    method = pc.if_else(pa.array(at_login), "POST", "GET")
    status_text = pa.array(status).cast(pa.string())
    line = pc.binary_join_element_wise(
        who.host, " - ", who.user, f" [{day:%d/%b/%Y}:", time, f' {zone}] "', method, " ", url, ' HTTP/1.1" ',
        status_text, " ", size, ' "', referrer, '" "', who.agent, '" "', who.cookie, '"', "",
        null_handling="replace", null_replacement="-",
    )  # fmt: skip
    return _Hits(walks.second, line)
