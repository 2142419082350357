"""Random deliveries over four nights, late and restated ones among them, against a bookkeeper in plain Python.

It knows the rules and not how they are computed: what silver shows as of each day, and every fate, must be its own.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import silver
from tests.stages.extracts import Extracts, day
from transforms.schemas import ENTITIES

NIGHTS = 4
READ = "source: {name}\nread: {{format: csv, path: 'extracts/{name}/{{date}}_*.csv'{lookback}}}\n"
LINES = """entity: transaction
columns: {order_id: no, ordered_at: at, product_id: what, quantity: "'1'", amount_local: "'1'", currency: "'EUR'"}
"""
YAML = {
    "changed": """entity: consent
extract: changes
columns: {consent_id: no, decided_at: at, purpose: what, granted: "'true'"}
ids: {crm_id: no}
where: what <> 'r'
""",
    "whole": """entity: contact
extract: snapshot
columns: {contact_id: no, city: what}
where: what <> 'r'
""",
    "unnumbered": LINES + "where: what <> 'r'\n",
    "unnumbered_kept": LINES + "duplicates: keep\n",
    "kept": LINES.replace("{order_id: no", "{order_id: no, line_no: \"'7'\"")
    + "where: what <> 'r'\nduplicates: keep\n",
}
SHOWN = {"changed": ("consent", "purpose"), "whole": ("contact", "city")}


@dataclass
class Version:
    content: str
    event: int
    file_day: int
    since: int
    until: int = 99


@dataclass
class Book:
    """What one source has told. `held`: group -> record -> its versions, the last of which is the current one."""

    ranks: bool
    keeps: bool
    snapshot: bool
    filters: bool
    timed: bool
    held: dict[str, dict[str, list[Version]]] = field(default_factory=dict)

    def night(self, now: int, rows: Iterable[tuple[str, str, int, int]]) -> Counter[str]:
        """`rows`: key, content, day of the event, day of the file."""
        fates: Counter[str] = Counter()
        groups: dict[str, list[tuple[str, int, int]]] = {}
        for key, *rest in rows:
            groups.setdefault(key, []).append(tuple(rest))
        for key, told in groups.items():
            newest = max(of for _, _, of in told)
            moment = max(event for _, event, of in told if of == newest)
            wanted = [row for row in told if not (self.filters and row[0] == "r")]
            fates["filtered"] += len(told) - len(wanted)
            told = wanted
            counted = sorted(row for row in told if row[2] == newest)
            same = {(content, event) for content, event, _ in counted}
            for content, event, of in told:
                if of < newest:
                    fates["superseded" if self.ranks or (content, event) not in same else "duplicate"] += 1
            if not self.keeps:
                fates["duplicate"] += len(counted) - len(set(counted))
                counted = sorted(set(counted))
            if not counted:
                self._withdraw(now, key, newest, moment)
                continue
            mark = ":" if self.ranks else "#"
            records = {
                key if not self.ranks and place == 1 else f"{key}{mark}{place}": row
                for place, row in enumerate(counted, start=1)
            }
            self._restate(now, self.held.setdefault(key, {}), records, newest, fates)
        if self.snapshot and groups:
            for key in self.held.keys() - groups.keys():
                for versions in self.held[key].values():
                    for version in versions:
                        version.until = min(version.until, now)
        return fates

    def _age(self, of: int, event: int) -> tuple[int, int]:
        return of, event if self.timed else 0

    def _known(self, group: dict[str, list[Version]]) -> tuple[int, int]:
        return max((self._age(one.file_day, one.event) for told in group.values() for one in told), default=(0, 0))

    def _withdraw(self, now: int, key: str, of: int, event: int) -> None:
        group = self.held.get(key, {})
        if self._age(of, event) >= self._known(group):
            for version in (version for versions in group.values() for version in versions):
                if version.until > now:
                    version.until, version.file_day = now, of

    def _restate(
        self, now: int, group: dict[str, list[Version]], records: dict[str, tuple[str, int, int]], of: int,
        fates: Counter[str],
    ) -> None:  # fmt: skip
        current = {record: versions[-1] for record, versions in group.items() if versions[-1].until == 99}
        known = self._known(group)
        new, same = {}, {}
        for record, (content, event, _) in records.items():
            if record in current and (current[record].content, current[record].event) == (content, event):
                same[record] = current[record]
            elif self._age(of, event) >= known:
                new[record] = Version(content, event, of, now)
            else:
                fates["superseded"] += 1
        fates["unchanged"] += len(same)
        fates["accepted"] += len(new)
        for record, version in new.items():
            for older in group.setdefault(record, []):
                older.until = min(older.until, max(now, version.event))
            group[record].append(version)
        if new or of > known[0]:
            for record in current.keys() - records.keys():
                current[record].until = min(now, current[record].until)
        for version in same.values():
            version.file_day = max(version.file_day, of)

    def seen(self, now: int) -> list[tuple[str, str]]:
        return sorted(
            (record, version.content)
            for group in self.held.values()
            for record, versions in group.items()
            for version in versions
            if version.since <= now < version.until and version.event <= now
        )


@pytest.mark.parametrize("few_rows", [silver.FEW_ROWS, 0], ids=["few rows", "many rows"])
def test_what_silver_shows_is_what_a_bookkeeper_says(
    few_rows: int, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int = 4
) -> None:
    """However many rows it takes for silver to refine them the way that suits many."""
    monkeypatch.setattr(silver, "FEW_ROWS", few_rows)
    monkeypatch.setattr(silver, "MOST_SENT", few_rows)
    chance = random.Random(seed)
    yaml = {
        name: READ.format(name=name, lookback="" if name == "whole" else ", lookback: 9d") + text
        for name, text in YAML.items()
    }
    extracts = Extracts(spark, tmp_path, yaml)
    books = {
        name: Book(
            ranks="unnumbered" in name, keeps="kept" in name, snapshot=name == "whole", filters="where" in text,
            timed=name == "changed",
        )
        for name, text in yaml.items()
    }  # fmt: skip
    seen: dict[tuple[str, int], list[tuple[str, str]]] = {}  # by the run of that night, and by whoever asks later
    for now in range(1, NIGHTS + 1):
        expected = {}
        for name, book in books.items():
            told = deliver(extracts, name, now, chance)
            if fates := book.night(now, told):
                expected[name] = {fate: count for fate, count in fates.items() if count}
            seen[name, now] = book.seen(now)
        assert extracts.night(now) == expected, f"night {now}"
    for refreshed in (False, True):
        if refreshed:
            extracts.night(NIGHTS, full_refresh=True)
        for name in books:
            entity, content = SHOWN.get(name, ("transaction", "product_id"))
            for now in range(1, NIGHTS + 1):
                shown = extracts.seen(entity, now, "source", "record_id", content)
                ours = [
                    (record.removeprefix(f"{name}:").replace(":7", ""), value)
                    for source, record, value in shown
                    if source == name
                ]
                assert sorted(ours) == seen[name, now], f"{name} as of night {now}"


def test_what_many_rows_are_held_against_is_not_sent_to_every_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silver, "MOST_SENT", 10)
    nothing: Any = None
    batch = silver.Batch(ENTITIES["contact"], day(1), [], nothing, landed=13, few=False)
    assert not batch.sendable
    batch.fates = {"crm": {"accepted": 2, "filtered": 1}}  # written as they were read
    assert batch.sendable


def deliver(extracts: Extracts, name: str, now: int, chance: random.Random) -> list[tuple[str, str, int, int]]:
    """Tonight's files of a source, rows in any order in two parts: of the day itself, and of days before."""
    days = [now] if name == "whole" else [of for of in (now, now - 1, now - 2) if of > 0 and chance.random() < 0.7]
    told = []
    for of in days:
        rows = []
        for key in range(40):
            if chance.random() < 0.4:
                continue
            event = chance.randint(max(1, now - 1), now + 2) if name == "changed" and chance.random() < 0.4 else 1
            several = chance.randint(1, 3) if "numbered" in name else 1
            for content in chance.sample("pqr", several):
                rows += [(f"k{key}", content, event, of)] * (2 if chance.random() < 0.3 else 1)
        chance.shuffle(rows)
        for part in (0, 1):
            lines = [f"{key},{day(event)} 10:00:00,{content}" for key, content, event, _ in rows[part::2]]
            extracts.deliver(f"{name}/{day(of)}_{now}_{part}.csv", "no,at,what", *lines)
        told += rows
    if name == "whole":
        return [(key, content, 0, of) for key, content, _, of in told]
    return told
