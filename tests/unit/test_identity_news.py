"""Random nights: what the news reaches, worked out alone and put beside the rest, is what the whole gives."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest

from jobs import identity
from jobs.engines import tonights_part
from jobs.engines.matching import Matched
from jobs.engines.tonights_ties import LAST, News, released
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse
from transforms.identity.definition import Identity
from transforms.identity.manual import Decision, Decisions
from transforms.identity.pairs import CONTRADICTIONS, MATCH, MATCHES
from transforms.identity.reach import TIED
from transforms.schemas import (
    GOLD_CUSTOMER,
    IDENTITY_CHANGE,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
)

TABLES = (IDENTITY_EDGE, IDENTITY_RECORD, IDENTITY_CHANGE, IDENTITY_CONFLICT, LEDGER)
OWN = ("touched", "worked_out")
RULES = {
    "known_by": ["crm_id", "email"],
    "identifiers": {
        "crm_id": {"priority": 1, "per_customer": 1},
        "email": {"priority": 2, "per_customer": 2, "max_linked": 2, "blocked": ["^0$"]},
        "phone": {"priority": 3, "max_linked": 2},
        "cookie": {"priority": 5, "max_age": "1d", "max_linked": 3},
    },
    "matching": {"comparisons": {"given_name": "name", "family_name": "name", "city": "text"}},
    "limits": {"id_churn": 1},
}


def decided(left: tuple[str, str], right: tuple[str, str], line: int) -> Decision:
    return Decision((left[0], (left[1],)), (right[0], (right[1],)), f"manual/decisions.csv:{line}")


DECISIONS = Decisions(
    same=(decided(("record", "crm:1"), ("email", "3"), 2), decided(("email", "5"), ("email", "6"), 3)),
    different=(decided(("record", "crm:4"), ("record", "crm:5"), 2), decided(("phone", "1"), ("email", "77"), 3)),
)


class Company:
    """What records and visitors give, night after night: they come, change, fall silent and come again."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.given: dict[str, set[tuple[str, str]]] = {}
        self.first: dict[tuple, date] = {}
        self.last: dict[str, date] = {}
        self.matches: dict[date, list[tuple[str, str]]] = {}

    def land(self, day: date) -> list[str]:
        """Gives the nodes that are not as they were."""
        number = self.random.choice([0, 2, 3, 12]) if self.given else 60
        touched = [self.random.choice([f"crm:{self.random.randrange(50)}", f"web:{self.random.randrange(40)}"])
                   for _ in range(number)]  # fmt: skip
        for node in touched:
            self.given.pop(node, None)
            if self.random.random() < 0.75:
                self.given[node] = self._identifiers(node)
                self.last[node] = day
                for identifier in self.given[node]:
                    self.first.setdefault((node, identifier), day)
        nodes = sorted(node for node in self.given if node.startswith("crm"))
        self.matches[day] = [tuple(sorted(self.random.sample(nodes, 2))) for _ in range(3)]
        return touched

    def _identifiers(self, node: str) -> set[tuple[str, str]]:
        chance = {"crm_id": 0.5, "email": 0.5, "phone": 0.5} if node.startswith("crm") else {"cookie": 1, "email": 0.3}
        return {
            (kind, str(self.random.randrange(25))) for kind, share in chance.items() if self.random.random() < share
        }

    def ties(self, nodes: list[str]) -> pa.Table:
        rows = []
        for node in sorted(set(nodes) & self.given.keys()):
            for identifier in self.given[node] or {(None, None)}:
                first = self.first.get((node, identifier), self.last[node])
                rows.append((node, node.startswith("crm"), *identifier, None, first, self.last[node]))
        return pa.table(list(zip(*rows, strict=True)) if rows else [[] for _ in TIED], TIED.names).cast(TIED)

    def matched(self, night: Night, former: pa.Table) -> Matched:
        """Two pairs that are alike and, of what shares an identifier, one that is not."""
        pairs = [pair for pair in self.matches[night.day] if set(pair) <= self.given.keys()]
        known = {(row["left"], row["right"]) for row in former.to_pylist()}
        new = [(*pair, MATCH, 0.97, night.day, night.day) for pair in sorted(set(pairs[:2]) - known)]
        found = pa.table(list(zip(*new, strict=True)) if new else [[] for _ in MATCHES], MATCHES.names).cast(MATCHES)
        apart = [(*pair, "two people") for pair in pairs[2:]]
        told = pa.table(list(zip(*apart, strict=True)) if apart else [[], [], []], CONTRADICTIONS.names)
        return Matched(pa.concat_tables([former, found]), told.cast(CONTRADICTIONS), [], None, False, 0)


def new_night(lakehouse: Lakehouse, day: date, base: Release | None) -> Night:
    conf = SimpleNamespace(
        identity=Identity.model_validate(RULES), decisions=DECISIONS, hash="1",
        privacy=SimpleNamespace(keys=SimpleNamespace(customer=["k" * 32])),
        pipeline=SimpleNamespace(timezone="UTC", spark={}),
        sources={"crm": SimpleNamespace(entity="contact"), "web": SimpleNamespace(entity="web_event")},
    )  # fmt: skip
    at = datetime(2026, 3, 1, tzinfo=UTC)
    night = Night(conf=conf, lakehouse=lakehouse, day=day, run_id=f"run-{day}", base=base, started_at=at)
    if base is not None:
        night.versions = lakehouse.roll_back(base.versions)
    return night


def as_many_as_are_known(night: Night, *_: object) -> None:
    """In place of the golden records, which Spark makes."""
    names = pa.array([str(number) for number in range(night.stage.figures["known"])], pa.string())
    empty = {name: pa.nulls(len(names)) for name in GOLD_CUSTOMER.names[1:]}
    night.save(pa.table({"customer_id": names, **empty}), GOLD_CUSTOMER)


@pytest.mark.parametrize("matching", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_what_the_news_reaches_gives_what_the_whole_gives(tmp_path, monkeypatch, seed, matching):
    company, lakehouse = Company(seed), Lakehouse(str(tmp_path))
    if not matching:
        monkeypatch.delitem(RULES, "matching")
    heard: list[tuple] = []

    def matched(night: Night, former: pa.Table, *, shared, unbelieved) -> Matched:
        groups: dict[int, list[str]] = {}
        for row in shared().to_pylist():
            groups.setdefault(row["identifier"], []).append(row["record_id"])
        heard.append(
            (former.to_pylist(), sorted(map(sorted, groups.values())), sorted(map(str, unbelieved().to_pylist())))
        )
        return company.matched(night, former)

    if matching:
        monkeypatch.setattr(tonights_part, "tonights_matches", matched)
    monkeypatch.setattr(identity, "_save_golden", as_many_as_are_known)
    assert sum(nights_both_ways(company, lakehouse, monkeypatch, 5, heard))


def nights_both_ways(company, lakehouse, monkeypatch, nights, heard) -> Iterator[bool]:
    """Run nights, each whole and by its news. Gives after each whether the news was worked out alone."""
    base = None
    for number in range(nights):
        day = date(2026, 3, 1) + timedelta(days=number)
        touched = company.land(day)
        told = []
        for whole in (True, False) if base else (True,):
            night = new_night(lakehouse, day, base)
            every = company.ties(list(company.given))
            news = News(
                pa.array(sorted(set(touched)), pa.string()),
                company.ties(touched),
                *(released(night, table) for table in LAST),
            )
            monkeypatch.setattr(tonights_part, "tonights_ties", lambda _, found=every if whole else news: found)
            identity.run(night)
            figures = {name: value for name, value in night.stage.figures.items() if name not in OWN}
            told.append(({table.name: sorted(map(str, night.rows(table))) for table in TABLES}, figures, heard[-1:]))
            heard.clear()
        assert told[0] == told[-1]
        yield night.stage.figures.get("worked_out", 1000) < night.stage.figures["records"]
        base = Release(number, night.run_id, day, datetime(2026, 3, 1, tzinfo=UTC), "night", dict(night.versions), "1")


_KINDS = ("email", "phone", "phone", "phone")


class Shop(Company):
    """A cookie comes with a mail and three phones, one more than it may. On the second night a third person registers
    with the mail, which tells nothing from then on: the cookie links. Beside them others whom it does not concern."""

    def land(self, day: date) -> list[str]:
        new = (
            {"crm:63": {("crm_id", "63"), ("email", "61")}}
            if self.given
            else {f"crm:{60 + n}": {("crm_id", f"{60 + n}"), ("email", "61")} for n in (1, 2)}
            | {f"web:{60 + n}": {("cookie", "60"), (kind, f"{60 + n}")} for n, kind in enumerate(_KINDS, 1)}
            | {f"crm:{70 + n}": {("crm_id", f"{70 + n}")} for n in range(9)}
        )
        self.given |= new
        self.last |= dict.fromkeys(new, day)
        self.first |= {(node, identifier): day for node, own in new.items() for identifier in own}
        return list(new)


def test_an_identifier_that_links_again_beside_one_that_ceases_to(tmp_path, monkeypatch):
    monkeypatch.delitem(RULES, "matching")
    monkeypatch.setattr(identity, "_save_golden", as_many_as_are_known)
    lakehouse, shop = Lakehouse(str(tmp_path)), Shop(0)
    owners = []
    for _ in nights_both_ways(shop, lakehouse, monkeypatch, 2, []):
        owner = {row["record_id"]: row["customer_id"] for row in lakehouse.rows(IDENTITY_RECORD)}
        owners.append(len({owner[f"web:6{number}"] for number in (1, 2, 3, 4)}))
    assert owners == [4, 1]
