"""A night that works out only what is new gives what the whole computation gives, whatever came, changed and went."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from identity_tables import save_rows

from jobs import identity
from jobs.engines import node_rows, tonights_ties
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse
from transforms.identity.definition import Identity
from transforms.identity.edges import OVERLONG
from transforms.identity.manual import Decisions
from transforms.schemas import (
    CONSENT,
    CONTACT,
    GOLD_CUSTOMER,
    IDENTITY_CHANGE,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
    WEB_EVENT,
)

TABLES = (IDENTITY_EDGE, IDENTITY_RECORD, IDENTITY_CHANGE, IDENTITY_CONFLICT, LEDGER, GOLD_CUSTOMER)
RULES = {
    "known_by": ["crm_id", "email"],
    "identifiers": {
        "crm_id": {"priority": 1, "per_customer": 1},
        "email": {"priority": 2, "per_customer": 2, "max_linked": 3},
        "phone": {"priority": 3, "max_linked": 3, "blocked": ["^0$"]},
        "cookie": {"priority": 5, "max_age": "1d"},
    },
    "limits": {"id_churn": 1},
}
UNFIT = {7, 27}


class Silver:
    """Versions of contacts, hits and consents, as nights land and close them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.contacts: list[dict] = []
        self.hits: list[dict] = []
        self.touches_unfit = False

    def land(self, day: date) -> None:
        keys = self.random.sample(range(40), 25 if not self.contacts else 4)
        keys = keys if self.contacts else sorted({*keys, *UNFIT})
        self.touches_unfit = not UNFIT.isdisjoint(keys)
        for key in keys:
            held = [row for row in self.contacts if row["record_id"] == f"crm:{key}" and row["_valid_to"] is None]
            for row in held:
                row["_valid_to"] = day
            if not held or self.random.random() < 0.7:
                self.contacts.append(self._contact(day, key))
        for _ in range(8 if not self.hits else 3):
            self.hits.append(self._hit(day))
        for row in self.random.sample(self.hits, 2):
            row["_valid_to"] = row["_valid_to"] or self.random.choice([day, day, day + timedelta(days=1)])

    def _contact(self, day: date, key: int) -> dict:
        ids = {"crm_id": [str(key // 2)]} if self.random.random() < 0.6 else {}
        ids |= {kind: [str(self.random.randrange(12))] for kind in ("email", "phone") if self.random.random() < 0.6}
        if key in UNFIT:
            ids["email"] = ["x" * 300]  # which cannot link
        name = f"crm:{key}"
        city = self.random.choice(["Ulm", "Rom", "Bonn"])
        return self._row(day, None, "crm", name, name, ids=ids, city=city)

    def _hit(self, day: date) -> dict:
        """One of four tells of the day after: it is not seen before. Another one does not tell when it was."""
        ids = {"cookie": [str(self.random.randrange(6))]}
        ids |= {"email": [str(self.random.randrange(12))]} if self.random.random() < 0.3 else {}
        later = self.random.choice([0, 0, 1, None])
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        at = None if later is None else noon + timedelta(days=later)
        source = self.random.choice(["web", "agreed"])
        return self._row(
            day, at, source, str(len(self.hits)), f"{source}:{json.dumps(ids, separators=(',', ':'))}", ids=ids
        )

    @staticmethod
    def _row(day: date, at: datetime | None, source: str, record: str, node: str, **more) -> dict:
        return {
            "_batch_date": day,
            "_valid_to": None,
            "event_at": at,
            "source": source,
            "record_id": record,
            "_node": node,
            **more,
        }

    def save(self, night: Night) -> None:
        save_rows(night, CONTACT.table, [{**row, "ids": list(row["ids"].items())} for row in self.contacts])
        for source, table in (("web", WEB_EVENT.table), ("agreed", CONSENT.table)):
            rows = [
                {
                    **row,
                    "purpose": "marketing",
                    "decided_at": row["event_at"],
                    "granted": len(row["ids"]) > 1,
                    "ids": None,
                }
                for row in self.hits
                if row["source"] == source
            ]
            save_rows(night, table, rows)


def _night(spark, lakehouse: Lakehouse, day: date, base: Release | None, *, whole: bool) -> Night:
    sources = {"crm": "contact", "web": "web_event", "agreed": "consent"}
    conf = SimpleNamespace(
        identity=Identity.model_validate(RULES), decisions=Decisions(), hash="1",
        privacy=SimpleNamespace(keys=SimpleNamespace(customer=["k" * 32])),
        pipeline=SimpleNamespace(timezone="UTC", spark={}, mlflow=None),
        sources={name: SimpleNamespace(entity=entity) for name, entity in sources.items()},
    )  # fmt: skip
    night = Night(
        conf=conf, lakehouse=lakehouse, day=day, run_id=f"run-{day}", base=base, full_refresh=whole,
        started_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    night.spark = spark
    return night


@pytest.mark.parametrize("seed", [1])
def test_what_is_new_gives_what_the_whole_gives(spark, tmp_path, monkeypatch, seed):
    monkeypatch.setattr(tonights_ties, "FEW_NODES", 0)
    monkeypatch.setattr(tonights_ties, "_MOST_TOUCHED", 1)
    lakehouse, silver, base = Lakehouse(str(tmp_path)), Silver(seed), None
    nights: list[bool] = []
    for number in range(4):
        day = date(2026, 3, 1 + number)
        silver.land(day)
        told = []
        for whole in (True, False):
            # the whole is read by Spark, however few its rows
            monkeypatch.setattr(node_rows, "_MOST_ROWS", 0 if whole else 1_000_000)
            night = _night(spark, lakehouse, day, base, whole=whole)
            if base is not None:
                night.versions = lakehouse.roll_back(base.versions)
            silver.save(night)
            identity.run(night)
            told.append({table.name: sorted(map(str, night.rows(table))) for table in TABLES})
            # of whom identifiers that cannot link are given the last release does not tell
            news = base is not None and not whole and not silver.touches_unfit
            assert ("touched" in night.stage.figures) == news
            nights.append(news)
        assert told[0] == told[1]
        base = Release(number, night.run_id, day, datetime(2026, 3, 1, tzinfo=UTC), "night", dict(night.versions), "1")
        if "touched" in night.stage.figures:
            assert 0 < night.stage.figures["touched"] < night.stage.figures["records"]
    assert sum(nights) >= 2 and any(row["detail"] == OVERLONG for row in night.rows(IDENTITY_CONFLICT))
