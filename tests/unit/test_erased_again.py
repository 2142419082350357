"""A run upon a state that holds a person yet who was erased since: of stages that only count, without Spark."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from jobs import pipeline
from jobs.changes.deliver import deliver_again
from jobs.changes.overrides import Wish, set_value
from jobs.engines import erasures
from jobs.engines.persons import Person
from jobs.pipeline import run_night
from jobs.runtime import releases
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse
from tests.unit.house import DAY, House
from transforms.errors import DefinitionError, PortraitError
from transforms.profile import PROFILE
from transforms.schemas import Column, Table

SCREEN = Screen(as_json=True)
PROFILE_TABLE = Table(PROFILE, (Column("customer_id", "string", "", "none"),))


def customers(lakehouse: Lakehouse, versions: dict[str, int]) -> list[str]:
    return sorted(row["customer_id"] for row in lakehouse.rows(PROFILE_TABLE, versions[PROFILE]))


def held(night: Night) -> tuple[list[str], list[str]]:
    """Who is in the state that the night compares with, and in its own."""
    assert night.base is not None
    return customers(night.lakehouse, dict(night.base.versions)), customers(night.lakehouse, night.versions)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A release of the day before with three customers."""
    made = House(tmp_path, monkeypatch)
    version = made.lakehouse.write(PROFILE_TABLE, pa.table({"customer_id": ["ann", "bob", "cid"]}), mode="overwrite")
    releases.publish(
        made.lakehouse, run_id="first", day=DAY - timedelta(1), cause="night", versions={PROFILE: version},
        configuration=made.conf.hash,
    )  # fmt: skip
    return made


def ask(house: House, customer: str) -> erasures.Erasure:
    """An erasure that died before anything was written."""
    nothing: frozenset[str] = frozenset()
    person = Person(frozenset({customer}), nothing, nothing, frozenset())
    return erasures.ask(house.lakehouse, [], person.secret, house.conf.privacy.keys.erasure)


def test_nothing_that_a_night_compares_with_holds_the_erased(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else identity and the catalogue tell of the person as of a customer who ended. The same where it died meanwhile,
    after it had written the table."""
    house.night()
    erasure = ask(house, "ann")
    erasures.note_gone(house.lakehouse, erasure, 3, {})  # as of the release after the night's
    seen: dict[str, tuple[list[str], list[str]]] = {}

    def look(night: Night, name: str) -> None:
        seen[name] = held(night)
        if name == "profile":
            night.save(pa.table({"customer_id": ["bob"]}), PROFILE_TABLE)
        if name == "catalog" and house.fails:
            raise PortraitError("died")

    stages = [
        replace(stage, run=lambda night, name=stage.name: look(night, name))
        if stage.name in ("identity", "profile", "catalog")
        else stage
        for stage in pipeline.NIGHT
    ]
    monkeypatch.setattr(pipeline, "NIGHT", tuple(stages))
    house.fails = "catalog"
    with pytest.raises(PortraitError, match="died"):
        run_night(house.conf, DAY, screen=SCREEN, again=True)
    assert seen == {
        "identity": (["bob", "cid"], ["bob", "cid"]), "profile": (["bob", "cid"], ["bob", "cid"]),
        "catalog": (["bob", "cid"], ["bob"]),
    }  # fmt: skip
    house.fails = None
    seen.clear()
    run_night(house.conf, DAY, screen=SCREEN, again=True)
    assert seen == {"catalog": (["bob", "cid"], ["bob"])}
    last = releases.newest(house.lakehouse)
    assert last is not None and customers(house.lakehouse, dict(last.versions)) == ["bob"]


def test_exports_that_died_go_on_without_the_erased(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.dies_in("exports")
    ask(house, "ann")
    seen: list[list[str]] = []

    def look(night: Night) -> None:
        assert night.release is not None
        seen.append(customers(night.lakehouse, dict(night.release.versions)))

    stages = [replace(stage, run=look) if stage.name == "exports" else stage for stage in pipeline.NIGHT]
    monkeypatch.setattr(pipeline, "NIGHT", tuple(stages))
    run_night(house.conf, DAY, screen=SCREEN)
    assert seen == [["bob", "cid"]]


def test_setting_a_value_ends_an_erasure_that_died_first(house: House) -> None:
    erasure = ask(house, "ann")
    wish = Wish("nobody", "first_category", "toys", "told so", "cid")
    with pytest.raises(DefinitionError, match="nobody: no such customer"):
        set_value(house.conf, wish, SCREEN, local=True)
    last = releases.newest(house.lakehouse)
    assert last is not None and (last.cause, customers(house.lakehouse, dict(last.versions))) == (
        "erasure", ["bob", "cid"],
    )  # fmt: skip
    (told,) = erasures.erasures(house.lakehouse)
    assert (told.erasure, told.release) == (erasure.erasure, last.release)


def test_no_release_that_holds_the_erased_is_delivered(house: House) -> None:
    conf = replace(house.conf, exports={})
    erasure = ask(house, "ann")
    with pytest.raises(DefinitionError, match=r"release 1 of .* holds a person who is forgotten .*portrait maintain"):
        deliver_again(conf, None, None, screen=SCREEN)
    (before,) = releases.all_releases(house.lakehouse)
    about = {"day": before.date, "versions": before.versions, "configuration": before.configuration}
    releases.publish(house.lakehouse, run_id="erased-first", cause="erasure", **about)
    erasures.note_gone(house.lakehouse, erasure, 2, {})
    with pytest.raises(DefinitionError, match=r"release 1 of .* holds a person who is forgotten .*deliver release 2"):
        deliver_again(conf, None, 1, screen=SCREEN)
    deliver_again(conf, None, 2, screen=SCREEN)
    releases.expire(house.lakehouse, [1])
    with pytest.raises(DefinitionError, match=r"--release 1: release 1 of .* has expired"):
        deliver_again(conf, None, 1, screen=SCREEN)
