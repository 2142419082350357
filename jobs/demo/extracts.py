"""The demo's company: every system's extracts for a year and three nights, and the truth about its invented people.

Folders under the one given: extracts/<system>/<day>/<file>, late/<night>/<system>/<day>/<file>, truth/*.csv.
"""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

from jobs.demo import social, transactions, web
from jobs.demo.app import write_events
from jobs.demo.campaigns import Campaigning, write_reference
from jobs.demo.crm import write_contacts
from jobs.demo.enrichment import write_facts
from jobs.demo.members import write_accounts, write_members
from jobs.demo.notes import write_interactions
from jobs.demo.pages import Pages
from jobs.demo.people import Demographics, make_people
from jobs.demo.pools import Pool, make_pools
from jobs.demo.purchases import FIRST_DAY, Purchases, read_purchases
from jobs.demo.service import write_tickets
from jobs.demo.shoppers import Shoppers, as_arrays
from jobs.demo.stories import plant
from jobs.demo.surveys import write_responses
from jobs.demo.truth import Truth
from jobs.demo.visitors import Visitors, make_visitors

T = TypeVar("T")
# The history up to and with the first; a normal day; a day with restated and late extracts, merges and a split.
DEMO_NIGHTS = (date(2017, 12, 28), date(2017, 12, 29), date(2017, 12, 30))
SYSTEMS = (
    "pos", "products", "campaigns", "campaign_events", "crm", "loyalty", "shop", "web", "social", "tickets", "surveys",
    "interactions", "enrichment", "app",
)  # fmt: skip


def write_extracts(
    folder: Path, *, scale: int = 1, seed: int = 7, households: int | None = None, since: date = FIRST_DAY
) -> None:
    """Write the extracts of all systems into `folder`, replacing those of an earlier call.

    `scale`: so many copies of the company, each with other people. `households`: only so many of the package's.
    `since`: no daily files before. The same arguments give the same bytes. Time and size grow with `scale`;
    memory holds the package, and of the people little more than their cards, phones and logins.
    """
    _clear(folder)
    truth = Truth(folder / "truth")
    purchases = read_purchases(households=households)
    company = _Company(folder, seed, purchases, truth)
    write_reference(folder, DEMO_NIGHTS[0], seed=seed, truth=truth)
    for copy in range(scale):
        company.open(copy)
        truth.flush()
    company.write_days(since)
    truth.close()


def arrive(folder: Path, day: date) -> None:
    """Put the files that arrive late, on that day, where they belong. Doing it twice changes nothing."""
    late = folder / "late" / day.isoformat()
    for file in sorted(path for path in late.rglob("*") if path.is_file()):
        there = folder / "extracts" / file.relative_to(late)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, there)


def _clear(folder: Path) -> None:
    for path in (*(folder / "extracts" / system for system in SYSTEMS), folder / "late", folder / "truth"):
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class _Copy:
    """What the daily extracts need to know of one copy's people."""

    shoppers: Shoppers
    visitors: Visitors
    crowd: social.Crowd


class _Company:
    """Opens the copies one after the other, then writes the days of all of them."""

    def __init__(self, folder: Path, seed: int, purchases: Purchases, truth: Truth) -> None:
        self.folder, self.seed, self.purchases, self.truth = folder, seed, purchases, truth
        self.households = sorted(set(purchases.household.tolist()))
        self.demographics = Demographics()
        self.pools: list[Pool] = make_pools(seed)
        self.copies: list[_Copy] = []

    def open(self, copy: int) -> None:
        """Invent a copy's people and write what is held of them, by CRM and shop, service desk and data seller."""
        seed, truth = self.seed, self.truth
        people = make_people(
            copy, seed=seed, households=self.households, demographics=self.demographics, pools=self.pools
        )
        plant(people, copy=copy, seed=seed, truth=truth)
        shoppers = as_arrays(people, copy)
        spent = [transactions.spent_by(night, self.purchases, shoppers) for night in DEMO_NIGHTS]
        write_contacts(self.folder, people, DEMO_NIGHTS, copy=copy, seed=seed, truth=truth)
        write_members(self.folder, people, DEMO_NIGHTS, spent=spent, copy=copy, seed=seed, truth=truth)
        for write in (write_accounts, write_tickets, write_responses, write_interactions, write_facts, write_events):
            write(self.folder, people, DEMO_NIGHTS, copy=copy, seed=seed, truth=truth)
        days = web.web_days(DEMO_NIGHTS[-1])
        visitors = make_visitors(people, copy=copy, seed=seed, epoch=days[0], days=len(days), truth=truth)
        self.copies.append(_Copy(shoppers, visitors, social.make_crowd(people, copy=copy, seed=seed)))

    def write_days(self, since: date) -> None:
        """The daily files, two days at a time: compression lets go of the interpreter."""
        folder, seed, last = self.folder, self.seed, DEMO_NIGHTS[-1]
        shoppers = [copy.shoppers for copy in self.copies]
        visitors = [copy.visitors for copy in self.copies]
        crowds = [copy.crowd for copy in self.copies]
        pages, campaigning = Pages(self.purchases), Campaigning(self.purchases)
        every_day = [FIRST_DAY + timedelta(days=n) for n in range((last - FIRST_DAY).days + 1)]

        def pos(day: date) -> tuple[dict[str, int], list[transactions.Restated]]:
            return transactions.write_day(folder, day, self.purchases, shoppers, seed=seed)

        for day, (counts, restated) in _each(pos, every_day, since):
            self.truth.spoilt("pos", day, counts)
            for receipt, line, wrong, real in restated:
                self.truth.planted("restated", "pos", f"{receipt}/{line}", detail=f"{wrong} becomes {real}")

        for day, counts in _each(
            lambda day: campaigning.write_day(folder, day, shoppers, seed=seed), campaigning.by_day, since
        ):
            self.truth.spoilt("campaign_events", day, counts)
        logged = lambda day: web.write_day(folder, day, visitors, pages, seed=seed, late_for=last)  # noqa: E731
        for day, counts in _each(logged, web.web_days(last), since):
            self.truth.spoilt("web", day, counts)
        for day, counts in _each(
            lambda day: social.write_day(folder, day, crowds, seed=seed), social.social_days(last), since
        ):
            self.truth.spoilt("social", day, counts)


def _each(write: Callable[[date], T], days: Iterable[date], since: date) -> list[tuple[date, T]]:
    """What `write` gives for each of the days, in their order."""
    wanted = sorted(day for day in days if day >= since)
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(zip(wanted, pool.map(write, wanted), strict=True))
