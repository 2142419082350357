"""The smallest project there is: the starter's shop with two more days, a model, and a row that is refused."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.engines.delivery import verify
from jobs.pipeline import run_night
from jobs.project.starter.extracts import DAY
from jobs.project.starter.project import write_project
from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, all_releases
from jobs.runtime.tables import Lakehouse, dataset_of
from tests.end_to_end.project import KEYS

FIRST, SECOND, THIRD = date.fromisoformat(DAY), date(2026, 2, 1), date(2026, 2, 2)
PLACES = ("EXTRACTS", "LAKEHOUSE", "EXPORTS")
# What tells one run from another, and nothing of the data. A release of its own has another number.
_OF_THE_RUN = ("run_id", "_ingested_at", "modified_at", "set_at", "ended_at")
_CONTACTS = """\
contact_id,name,email,mobile,city,zip,country,birth_date,created_on,updated_at
C002,Bruno Costa,bruno.costa@example.com,+49 30 23125002,Potsdam,14467,DE,1991-11-30,2024-06-11,2026-02-01 08:30:00
C007,Greta Hahn,greta.hahn@example.com,+49 221 4710007,Köln,50667,DE,1993-04-28,2025-02-03,2026-02-01 09:45:00
C015,Gast Grün,guest@example.org,,Bremen,28195,DE,1990-01-01,2026-02-01,2026-02-01 10:00:00
"""
# a line without its number is refused, and passes once the YAML takes the customer's for it
_ORDERS = """\
order_no;pos;ordered_at;customer;email;article;product_group;qty;price;total
A1015;1;01.02.2026 09:14;C001;alma.berg@example.com;Espresso beans;Coffee;1;12,90;12,90
A1016;1;01.02.2026 10:40;C015;guest@example.org;Teapot;Tableware;1;39,00;39,00
A1017;1;01.02.2026 11:02;C007;greta.hahn@example.com;Green tea;Tea;3;7,20;21,60
;1;01.02.2026 12:02;C008;hugo.ivers@example.com;Cup;Tableware;1;6,50;6,50
"""
_CONTACTS_LATER = """\
contact_id,name,email,mobile,city,zip,country,birth_date,created_on,updated_at
C004,David Ernst,david.ernst@example.com,+49 40 66969004,Lübeck,23552,DE,1988-01-23,2024-09-01,2026-02-02 12:15:00
"""
_ORDERS_LATER = """\
order_no;pos;ordered_at;customer;email;article;product_group;qty;price;total
A1018;1;02.02.2026 09:14;C004;david.ernst@example.com;Espresso beans;Coffee;2;12,90;25,80
A1019;1;02.02.2026 10:40;C013;;Black tea;Tea;1;6,80;6,80
"""
_EXTRACTS = {
    SECOND: {"contacts": _CONTACTS, "orders": _ORDERS},
    THIRD: {"contacts": _CONTACTS_LATER, "orders": _ORDERS_LATER},
}
_RFM = """\
tag: rfm
title: {en: RFM}
description: How lately, how often and for how much.
owner: crm
version: 1
status: online
purposes: [marketing, service]
model: rfm
from: transaction
where: status = 'purchase'
recency: ordered_at
frequency: count(distinct order_id)
monetary: sum(amount)
window: 365d
scores: 3
refit: 30d
cases:
  - {value: best, when: r >= 2 and m >= 2}
  - {value: others, when: r >= 1}
"""


class Silent(Screen):
    """Says nothing: of so many nights only what is wrong is of interest."""

    def say(self, text: str = "") -> None:
        pass

    progress = warn = fail = say

    def table(self, title: str, header: list[str], rows: list[list[Any]]) -> None:
        pass

    def result(self, data: dict[str, Any]) -> None:
        pass


QUIET = Silent()


@dataclass(frozen=True)
class Shop:
    """A folder with a project of two days, and what is asked of it after a fault."""

    folder: Path

    @property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(str(self.folder / "lakehouse"))

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in PLACES}
        return {**kept, **KEYS}

    def load(self) -> Configuration:
        for name in PLACES:
            os.environ.pop(name, None)
        os.environ.update(KEYS)
        return load_configuration(self.folder / "conf")

    def night(self, day: date, spark: SparkSession, **options: Any) -> Night:
        return run_night(self.load(), day, screen=QUIET, session=spark, **options)

    def releases(self) -> list[Release]:
        return all_releases(self.lakehouse)

    def copy(self, folder: Path) -> "Shop":
        """The same in another folder, in place of what is there."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, symlinks=True)
        return Shop(folder)


def new_shop(folder: Path) -> Shop:
    write_project(folder, QUIET)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))
    (folder / "tag_definitions" / "value" / "rfm.yml").write_text(_RFM)
    for day, texts in _EXTRACTS.items():
        for source, text in texts.items():
            file = folder / "extracts" / source / str(day) / f"{source}.csv"
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")
    return Shop(folder)


def digests(shop: Shop, release: Release) -> dict[str, str]:
    """Table -> its rows and a hash of them, whatever order they lie in, as the release has them."""
    return {name: _digest(shop, name, version) for name, version in release.versions.items()}


def _digest(shop: Shop, name: str, version: int) -> str:
    table = dataset_of(DeltaTable(shop.lakehouse.path(name), version=version)).to_table()
    frame: pd.DataFrame = table.to_pandas().drop(columns=list(_OF_THE_RUN), errors="ignore")
    texts = frame.map(lambda value: str(sorted(value)) if isinstance(value, list) else str(value))
    if "_file" in texts:
        texts["_file"] = texts["_file"].map(lambda file: file.rpartition("/extracts/")[2])
    lines = sorted(texts[sorted(texts.columns)].agg("|".join, axis=1)) if len(texts) else []
    told = hashlib.sha256("\n".join([*sorted(texts.columns), *lines]).encode()).hexdigest()[:12]
    return f"{len(texts)} rows {told}"


def deliveries(shop: Shop) -> dict[str, str]:
    """Delivered file -> its content; of the manifest and the contract, that they are there."""
    found = {}
    for file in sorted((shop.folder / "exports").rglob("*")):
        if file.is_file():
            data = file.name.startswith("export-")
            found[str(file.relative_to(shop.folder))] = file.read_text() if data else "there"
    return found


def damaged_deliveries(shop: Shop) -> list[str]:
    folders = [path for path in (shop.folder / "exports").glob("*/*") if path.is_dir()]
    return [line for folder in folders for line in verify(str(folder))]
