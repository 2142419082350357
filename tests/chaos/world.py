"""What is disturbed: a night, or a command that changes the state, and what it leaves where nothing disturbs it."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.changes.backup import backup, verify_backup
from jobs.changes.forget import forget
from jobs.changes.maintain import maintain
from jobs.changes.overrides import Wish, set_value
from jobs.changes.replay import replay
from jobs.changes.restore import restore_backup, restore_release
from jobs.lookups.quarantine import Choice
from jobs.runtime.session import open_session
from tests.chaos.shop import FIRST, QUIET, SECOND, THIRD, Shop, deliveries, digests, new_shop
from tests.chaos.strikes import Moments, passing

Act = Callable[[Shop, SparkSession], object]


def _night(shop: Shop, spark: SparkSession) -> object:
    return shop.night(SECOND, spark)


def _again(shop: Shop, spark: SparkSession) -> object:
    return shop.night(SECOND, spark, again=True)


def _refresh(shop: Shop, spark: SparkSession) -> object:
    return shop.night(SECOND, spark, again=True, full_refresh=True)


def _set(shop: Shop, spark: SparkSession) -> object:
    wish = Wish("email:alma.berg@example.com", "city", "Bonn", "moved", "desk", date(2027, 1, 1))
    return set_value(shop.load(), wish, QUIET, local=True, session=spark)


def _restore(shop: Shop, spark: SparkSession) -> object:
    return restore_release(shop.load(), shop.releases()[0].run_id, session=spark)


def _replay(shop: Shop, spark: SparkSession) -> object:
    orders = shop.folder / "conf" / "sources" / "orders.yml"
    orders.write_text(orders.read_text().replace("order_id: order_no", "order_id: coalesce(order_no, customer)"))
    return replay(shop.load(), Choice(), screen=QUIET, session=spark)


def _forget(shop: Shop, spark: SparkSession) -> object:
    return forget(shop.load(), "email:clara.dahl@example.com", screen=QUIET, session=spark)


def _maintain(shop: Shop, spark: SparkSession) -> object:
    return maintain(shop.load(), screen=QUIET, prove_now=True, session=spark)


def _backup(shop: Shop, spark: SparkSession) -> object:
    """Backed up, and proven."""
    place = str(shop.folder / "vault")
    backup(shop.load(), place)
    return verify_backup(place)


def _recover(shop: Shop, spark: SparkSession) -> object:
    lost = shop.folder / "lost"
    if not lost.exists():  # a half-removed lakehouse is no one's that a restore may go on with
        if (shop.folder / "lakehouse").exists():
            shutil.rmtree(shop.folder / "lakehouse")
        lost.touch()
    return restore_backup(shop.load(), str(shop.folder / "vault"), session=spark)


@dataclass(frozen=True)
class Trial:
    """A command: from which state, and the nights that follow it."""

    act: Act
    on: str
    then: tuple[date, ...] = (THIRD,)


TRIALS = {
    "run": Trial(_night, "one", ()),
    "again": Trial(_again, "two"),
    "full-refresh": Trial(_refresh, "two"),
    "set": Trial(_set, "two"),
    "restore": Trial(_restore, "two", (SECOND, THIRD)),
    "replay": Trial(_replay, "two"),
    "forget": Trial(_forget, "two"),
    "maintain": Trial(_maintain, "forgotten"),
    "backup": Trial(_backup, "two"),
    "recover": Trial(_recover, "backed-up"),
}


@dataclass(frozen=True)
class Left:
    """What a trial leaves. `moments`: how many of them it passes; `seconds`: what it takes."""

    digests: dict[str, str]
    deliveries: dict[str, str]
    moments: int
    seconds: float
    start: dict[str, str]


class World:
    """The states that faults start from, and what undisturbed trials leave. All run in one folder: paths tell too."""

    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.root, self.spark = root, spark
        self.place = root / "place"
        self._left: dict[str, Left] = {}
        self._after: dict[str, Left] = {}
        self._states: dict[str, Shop] = {}

    def state(self, name: str) -> Shop:
        if name not in self._states:
            self._states[name] = self._made(name).copy(self.root / name)
        return self._states[name]

    def _made(self, name: str) -> Shop:
        if name == "one":
            shutil.rmtree(self.place, ignore_errors=True)
            shop = new_shop(self.place)
            shop.night(FIRST, self.spark)
            return shop
        before, act = {
            "two": ("one", _night), "forgotten": ("two", _forget), "backed-up": ("two", _backup),
        }[name]  # fmt: skip
        shop = self.state(before).copy(self.place)
        act(shop, self.spark)
        return shop

    def start(self, trial: str) -> Shop:
        """The state that the trial starts from, in the one folder."""
        return self.state(TRIALS[trial].on).copy(self.place)

    def left(self, trial: str) -> Left:
        """What the trial leaves where nothing disturbs it."""
        if trial not in self._left:
            shop, moments = self.start(trial), Moments()
            start, began = digests(shop, shop.releases()[-1]), time.monotonic()
            with passing(moments):
                TRIALS[trial].act(shop, self.spark)
            seconds = time.monotonic() - began
            now = digests(shop, shop.releases()[-1])
            self._left[trial] = Left(now, deliveries(shop), moments.seen, seconds, start)
        return self._left[trial]

    def after(self, trial: str) -> Left:
        """What the trial and the nights that follow it leave where nothing disturbs them."""
        if trial not in self._after:
            left, shop = self.left(trial), self.start(trial)
            TRIALS[trial].act(shop, self.spark)
            self.follow(trial, shop)
            now = digests(shop, shop.releases()[-1])
            self._after[trial] = replace(left, digests=now, deliveries=deliveries(shop))
        return self._after[trial]

    def follow(self, trial: str, shop: Shop) -> None:
        """The nights after the trial."""
        for day in TRIALS[trial].then:
            shop.night(day, self.spark)


def session(folder: Path) -> SparkSession:
    """Spark for few rows, as tests have it."""
    few = {
        "spark.driver.memory": "1g",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    opened: SparkSession = open_session(few, log=folder / "spark.log", light=True)
    return opened
