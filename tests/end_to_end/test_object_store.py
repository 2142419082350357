"""A lakehouse on S3: the same nights as on a disk, one run at a time, killed and resumed; lost and brought back from
its backup; an earlier release restored; a person forgotten, to the last byte.
"""

import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.changes import forget as forgetting
from jobs.changes.backup import backup
from jobs.changes.forget import forget
from jobs.changes.maintain import maintain
from jobs.changes.restore import restore_backup, restore_release
from jobs.lookups.access import held_on
from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.lease_notes import note_of
from jobs.runtime.objects import OvertakenError
from jobs.runtime.releases import Release, all_releases
from jobs.runtime.stores import exists, files_below, put_file, remove_folder, store_of
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.contents import contents
from tests.end_to_end.servers import client
from tests.end_to_end.shops import FIRST, SECOND, Shop, assert_same_night, new_shop
from transforms.errors import DefinitionError, LockedError, PortraitError
from transforms.schemas import OPS_RUN

QUIET = Screen(as_json=True)
PLACE = "s3a://portrait/lakes/shop"
AWAY = "s3a://portrait/files"
VAULT = "s3a://portrait/vault"
PERSON = "email:alma.berg@example.com"


@dataclass(frozen=True)
class Story:
    """What was seen of the nights on S3. `restored`: the release that came back from the backup. `halfway`: table ->
    version where the second night was killed."""

    shop: Shop
    second: str
    restored: Release
    halfway: dict[str, int | None]
    resumed: str


@pytest.fixture(scope="module")
def story(s3: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Two nights, their extracts and deliveries on S3 too; while the first runs another is started; after it the
    lakehouse is lost, and comes back from its backup; the second is killed as its tags begin, and run again."""
    places = {"LAKEHOUSE": PLACE, "EXTRACTS": f"{AWAY}/extracts", "EXPORTS": f"{AWAY}/exports"}
    shop = new_shop(tmp_path_factory.mktemp("far") / "there", {**s3, **places})
    for file in (shop.folder / "extracts").rglob("*.csv"):
        put_file(f"{AWAY}/{file.relative_to(shop.folder)}", file.read_bytes())
    shutil.rmtree(shop.folder / "extracts")
    with shop.portrait("run", "--date", f"{FIRST}") as first:
        wait_for_run(f"{FIRST:%Y%m%d}-")
        second = shop.told("run", "--date", f"{FIRST}", status=3)
        out, err = first.communicate(timeout=300)
    assert first.returncode == 0, out + err
    restored = lost_and_brought_back(shop)
    killed = shop.portrait("run", "--date", f"{SECOND}", module=("tests.end_to_end.killed", "tags", "0"))
    killed.communicate(timeout=300)
    halfway = {name: shop.lakehouse.version(name) for name in shop.release.versions}
    return Story(shop, second, restored, halfway, shop.told("run", "--date", f"{SECOND}"))


def lost_and_brought_back(shop: Shop) -> Release:
    assert {f"{FIRST}.html", f"{FIRST}_checks/index.html"} <= files_below(f"{PLACE}/ops/reports")
    with pytest.MonkeyPatch.context() as patch:
        conf = loaded(shop, patch)
        backup(conf, VAULT)
        remove_folder(PLACE)
        return restore_backup(conf, VAULT, screen=QUIET)[0]


def loaded(shop: Shop, patch: pytest.MonkeyPatch) -> Configuration:
    for name, value in shop.environment.items():
        patch.setenv(name, value)
    return load_configuration(shop.conf)


def wait_for_run(beginning: str) -> None:
    """Until a run holds the lakehouse by its own name."""
    patience = time.monotonic() + 60
    while not str(note_of(PLACE).read().get("run_id")).startswith(beginning):
        assert time.monotonic() < patience, "nobody took the lakehouse"
        time.sleep(0.1)


def test_the_same_nights_as_on_a_disk(story: Story, shop: Shop) -> None:
    assert_same_night(story.shop, shop, 1)
    assert_same_night(story.shop, shop, 1003, theirs_number=2)


def test_a_lost_lakehouse_comes_back(story: Story, shop: Shop) -> None:
    assert (story.restored.release, story.restored.date, story.restored.cause) == (1002, FIRST, "restore")
    assert_same_night(story.shop, shop, 1002, theirs_number=1)


def test_what_is_delivered_to_s3_is_whole(story: Story, shop: Shop) -> None:
    """The receivers get what they would get on a disk."""
    [file] = (name for name in files_below(f"{AWAY}/exports/service_desk/{SECOND}") if name.endswith(".csv"))
    store, within = store_of(f"{AWAY}/exports/service_desk/{SECOND}/{file}")
    with store.open_input_stream(within) as stream:
        lines = stream.read().decode().splitlines()
    [here] = (shop.folder / "exports/service_desk" / f"{SECOND}").glob("*.csv")
    assert sorted(lines) == sorted(here.read_text().splitlines()) and len(lines) > 1
    assert "whole" in story.shop.told("export", "--verify", f"{AWAY}/exports/service_desk/{SECOND}")


def test_of_two_runs_at_once_the_second_is_told_of_the_first(story: Story) -> None:
    assert f"{PLACE}: run {FIRST:%Y%m%d}-" in story.second and "holds the lakehouse" in story.second
    assert note_of(PLACE).read() == {}  # nobody, now


def test_a_killed_night_goes_on_after_its_last_stage(story: Story) -> None:
    first = story.restored.versions
    assert story.halfway["identity/record"] == first["identity/record"] + 1
    assert story.halfway["gold/customer_profile"] == first["gold/customer_profile"]
    assert "goes on after identity" in story.resumed


def test_nights_are_looked_at(story: Story) -> None:
    """As their nights left them: by status, show, query, quarantine; and the pages lie beside the tables."""
    assert "release 1003" in story.shop.told("status")
    assert "Leipzig" in story.shop.told("show", "email:bruno.costa@example.com")
    counted = story.shop.told("query", "select count(*) as n from customer_profile", "--json")
    assert json.loads(counted[: counted.rindex("}") + 1])["rows"] == [[16]] or '"n": 16' in counted
    refused = [line.split() for line in story.shop.told("quarantine", "list").splitlines()]
    assert [f"{SECOND}", "orders", "no_ordered_at"] in [words[:3] for words in refused]
    pages = files_below(f"{PLACE}/ops/reports")
    assert {f"{SECOND}.html", f"{SECOND}_checks/index.html"} <= pages
    assert not exists(f"{PLACE}/_landing/contacts")


def test_a_person_is_given_the_same_as_on_a_disk(story: Story, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = (all_told(one, monkeypatch) for one in (story.shop, shop))
    assert ours == theirs and "Alma Berg" in ours and "A1016" in ours  # the second day's order


def all_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> str:
    """`portrait access`, without what tells of the run and of where its files lie."""
    told = json.dumps(held_on(loaded(shop, monkeypatch), PERSON), default=str, indent=1)
    of_the_run = re.compile(r'(?<=")[^"]*(?=/extracts/)|\d{8}-[0-9a-f]{8}|(?<="release": )\d+')
    return of_the_run.sub("RUN", told)


def test_an_earlier_release_becomes_the_newest(story: Story, shop: Shop) -> None:
    """The tables hold the first night again."""
    first, _, second = all_releases(story.shop.lakehouse)[:3]
    story.shop.told("restore", "--to", first.run_id)
    restored = story.shop.release
    assert (restored.release, restored.date, restored.cause) == (1004, FIRST, "restore")
    assert_same_night(story.shop, shop, restored.release, theirs_number=1)
    assert {name: story.shop.lakehouse.version(name) for name in restored.versions} == restored.versions
    assert restored.versions["silver/contact"] > second.versions["silver/contact"] > first.versions["silver/contact"]


def test_a_person_is_forgotten_as_on_a_disk_and_no_byte_is_left(
    story: Story, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last of the story. It dies when the tables are written anew. What is left is looked for in what AWS's own client
    finds in the bucket, by pandas and by the bytes."""
    here = Shop(shop.copy(tmp_path / "here").folder)
    conf = loaded(here, monkeypatch)
    restore_release(conf, all_releases(here.lakehouse)[0].run_id, screen=QUIET)
    forget(conf, PERSON, screen=QUIET)
    secrets, conf = ["alma.berg@example.com", "+493023125001", "Alma Berg"], loaded(story.shop, monkeypatch)
    assert secrets[0] in found_in_bucket(story.shop, tmp_path / "before")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(forgetting, "_publish", interrupted)
        forget(conf, PERSON, screen=QUIET)
    told = forget(conf, PERSON, screen=QUIET)
    assert_same_night(story.shop, here, told.release.release, theirs_number=here.release.release)
    assert (told.erasure.release, told.release.cause) == (None, "erasure") and told.rows["bronze/contacts"] >= 1
    done = maintain(conf, screen=QUIET, prove_now=True)
    assert (done.left, done.proven, done.kept_by_store) == ({}, [told.erasure.erasure], None)
    text = found_in_bucket(story.shop, tmp_path / "after")
    assert "bruno.costa@example.com" in text and [secret for secret in secrets if secret in text] == []


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def found_in_bucket(shop: Shop, folder: Path) -> str:
    """All that the lakehouse's objects hold."""
    bucket, _, prefix = PLACE.removeprefix("s3a://").partition("/")
    aws = client(shop.store)
    for page in aws.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for key in (found["Key"] for found in page["Contents"] if found["Size"]):  # some stand for folders
            target = folder / key
            target.parent.mkdir(parents=True, exist_ok=True)
            aws.download_file(bucket, key, str(target))
    return "".join(text for _, text in contents(folder))


# -- two writers


def test_of_two_who_take_the_lease_in_one_moment_one_gets_it(
    s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later one has seen that nobody holds it, and then the earlier one takes it."""
    early, late = (Lease("s3a://portrait/raced", name) for name in ("early", "late"))
    seen = late.note.read

    def slow() -> dict[str, Any]:
        monkeypatch.setattr(late.note, "read", seen)
        held = seen()
        early.take()
        return held

    monkeypatch.setattr(late.note, "read", slow)
    with pytest.raises(LockedError, match="s3a://portrait/raced: run early holds the lakehouse"):
        late.take()
    early.check()


def test_a_lease_that_another_took_is_neither_renewed_nor_given_back(s3: dict[str, str]) -> None:
    ours, theirs = note_of("s3a://portrait/lost"), note_of("s3a://portrait/lost")
    ours.write({"run_id": "ours"})
    assert theirs.read() == {"run_id": "ours"}
    theirs.write({"run_id": "theirs"})
    with pytest.raises(OvertakenError):
        ours.write({"run_id": "ours"})
    theirs.write({"run_id": "theirs again"})
    ours.remove()
    assert theirs.read() == {"run_id": "theirs again"}


def test_no_commit_takes_the_place_of_another(s3: dict[str, str]) -> None:
    def append(writer: int) -> list[int | None]:
        lakehouse = Lakehouse("s3a://portrait/raced")
        rows = [{"run_id": f"{writer}-{number}", "at": datetime(2026, 1, 1, tzinfo=UTC)} for number in range(5)]
        return [lakehouse.append(OPS_RUN, [row]) for row in rows]

    Lakehouse("s3a://portrait/raced").append(OPS_RUN, [{"run_id": "first"}])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(append, range(3)))
    found = Lakehouse("s3a://portrait/raced")
    assert found.version(OPS_RUN.name) == 15
    assert sorted(row["run_id"] for row in found.rows(OPS_RUN)) == sorted(
        ["first", *(f"{writer}-{number}" for writer in range(3) for number in range(5))]
    )


# -- what is refused


@pytest.fixture
def far(s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    shop = new_shop(tmp_path / "far", {**s3, "LAKEHOUSE": "s3a://portrait/refusing"})
    return loaded(shop, monkeypatch)


def test_a_bucket_that_is_not_there_is_told_in_a_line(s3: dict[str, str]) -> None:
    with pytest.raises(PortraitError, match=r"^s3a://none-such/x: the lakehouse cannot be written \(NoSuchBucket\); "):
        Lease("s3a://none-such/x", "one").take()
    with pytest.raises(PortraitError, match=r"^s3a://none-such/x/ops/release: the store cannot be read: NoSuchBucket$"):
        all_releases(Lakehouse("s3://none-such/x"))


@pytest.mark.parametrize("place", ["gs://bucket/lake", "hdfs://name/lake", "s3a://", "s3a:///lake"])
def test_a_store_that_is_not_known_is_refused(place: str, far: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE", place)
    with pytest.raises(DefinitionError, match=f"^conf/pipeline.yml: lakehouse: {place}: a lakehouse is a folder of"):
        load_configuration(far.root / "conf")
