"""The shop's access log: visits of people with and without an account, of a shared tablet and of robots."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
    length = 1 + rng.geometric(0.13, len(visitor))
    visit = np.repeat(np.arange(len(visitor)), length)
    position = _positions(length)
    who = visitor[visit]
    may = (visitors.joined_on[visitor] <= (day - visitors.epoch).days) & (rng.random(len(visitor)) < 0.7)
    stays = rng.random(len(visitor)) < 0.4
    logs_in = np.where(may, np.where(stays, 0, rng.integers(0, 6, len(visitor))), 10**6)
    known = position >= logs_in[visit]
    at_login = (position == logs_in[visit]) & ~stays[visit]
    user = visitors.login.take(pa.array(np.where(known, who, -1), mask=~known))
    url = pages.visited(visitors.taste[who], position, length[visit], at_login, rng)
    host = visitors.host.take(pa.array(who))
    agent = visitors.agent.take(pa.array(who))
    return _logged(
        day, _seconds(length, rng), host, user, url, agent, visitors.cookie.take(pa.array(who)), position, at_login, rng
    )


def _tablet(day: date, visits: int, visitors: Visitors, pages: Pages, rng: np.random.Generator) -> _Hits:
    """A tablet on the shop floor: one cookie, and another customer's login each time."""
    length = 2 + rng.geometric(0.3, visits)
    visit = np.repeat(np.arange(visits), length)
    position = _positions(length)
    user = visitors.login.take(
        pa.array(visitors.tablet_users[rng.integers(0, len(visitors.tablet_users), visits)][visit])
    )
    user = pc.if_else(pa.array(position > 0), user, None)
    url = pages.visited(rng.integers(0, 10**6, len(visit)), position, length[visit], position == 1, rng)
    many = len(visit)
    host, agent, cookie = (
        pa.repeat(text, many) for text in (f"10.20.{visitors.copy % 256}.7", TABLET, visitors.tablet)
    )
    return _logged(day, _seconds(length, rng), host, user, url, agent, cookie, position, position == 1, rng)


def _bots(day: date, visits: int, pages: Pages, rng: np.random.Generator) -> _Hits:
    """Robots read product after product; they keep no cookie and never log in."""
    length = 3 + rng.geometric(0.08, visits)
    visit = np.repeat(np.arange(visits), length)
    which = rng.integers(0, len(BOTS), visits)[visit]
    host = pc.binary_join_element_wise("198.19.7.", pa.array(which + 10).cast(pa.string()), "")
    nobody = pa.nulls(len(visit), pa.string())
    never = np.zeros(len(visit), dtype=bool)
    url = pages.visited(
        rng.integers(0, 10**6, len(visit)), np.ones(len(visit), dtype=np.int64), length[visit] + 9, never, rng
    )
    agent = pa.array(BOTS).take(pa.array(which))
    return _logged(day, _seconds(length, rng), host, nobody, url, agent, nobody, np.zeros_like(visit), never, rng)


def _positions(length: Ints) -> Ints:
    """0, 1, 2, … within each visit."""
    ends = np.cumsum(length)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - length, length)


def _seconds(length: Ints, rng: np.random.Generator) -> Ints:
    """The second of the day of each hit: visits by the hour, and within one a pause of a minute or so between hits."""
    hour = np.searchsorted(_HOURS / _HOURS[-1], rng.random(len(length)))
    start = hour * 3600 + rng.integers(0, 3600, len(length))
    pause = 1 + rng.exponential(55.0, int(length.sum())).astype(np.int64)
    walked = np.cumsum(pause)
    begun = np.repeat(walked[np.cumsum(length) - length], length) if len(length) else walked
    return np.minimum(np.repeat(start, length) + walked - begun, 86_399)


def _logged(
    day: date, second: Ints, host: pa.Array, user: pa.Array, url: pa.Array, agent: pa.Array, cookie: pa.Array,
    position: Ints, at_login: np.ndarray, rng: np.random.Generator,
) -> _Hits:  # fmt: skip
    """The hits as lines of the combined format, with the cookie behind."""
    many = len(second)
    zone = "-0400" if day < _SUMMER_TIME_ENDS else "-0500"
    time = pa.array(second.astype(np.int32)).cast(pa.time32("s")).cast(pa.string())
    entry = pa.array(ENTRIES).take(pa.array(rng.integers(0, len(ENTRIES), many)))
    referrer = pc.if_else(pa.array(position == 0), entry, f"{SITE}/")
    luck = rng.random(many)
    status = np.where(
        at_login, 302, np.where(luck < 0.015, 404, np.where(luck < 0.018, 500, np.where(luck < 0.05, 304, 200)))
    )
    size = pa.array(rng.integers(900, 60_000, many)).cast(pa.string())
    size = pc.if_else(pa.array((status == 304) | (status == 302)), "-", size)
    method = pc.if_else(pa.array(at_login), "POST", "GET")
    line = pc.binary_join_element_wise(
        host, " - ", user, f" [{day:%d/%b/%Y}:", time, f' {zone}] "', method, " ", url, ' HTTP/1.1" ', pa.array(status).cast(pa.string()), " ", size,
        ' "', referrer, '" "', agent, '" "', cookie, '"', "",
        null_handling="replace", null_replacement="-",
    )  # fmt: skip
    return _Hits(second, line)
