"""`portrait export`: deliveries once more, of earlier releases, in bad weather, and proved without a JVM."""

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.changes import deliver
from jobs.changes.deliver import deliver_again
from jobs.engines import delivery
from jobs.engines.delivery import verify
from jobs.engines.folders import open_folder
from jobs.runtime.configuration import load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from tests.stages.delivering import House, asked, people
from transforms.contracts import Contract
from transforms.errors import DefinitionError, PortraitError
from transforms.profile import PROFILE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def house(tmp_path: Path, spark: SparkSession) -> House:
    return House(tmp_path, spark)


def again(house: House, name: str | None = None, release: int | None = None) -> None:
    deliver_again(house.conf, name, release, screen=Screen(as_json=True), session=house.spark)


def test_a_delivery_is_made_again_and_an_earlier_release_too(house: House, capsys: pytest.CaptureFixture[str]):
    house.wants("x", columns=["spend"], mode="changes", to={"format": "parquet"})
    for day, spend in enumerate((1, 2, 3)):
        house.release(people(a=spend, b=1), day=day)
        house.deliver()
    (house.out(day=1) / "export-00000.parquet").write_bytes(b"lost")
    shutil.rmtree(house.out(day=2))
    again(house)
    again(house, "x", 2)
    told = json.loads(capsys.readouterr().out.split("\n}\n{")[0] + "\n}")
    assert told["delivered"]["x"] == {
        "rows": 1, "mode": "changes", "added": 0, "changed": 1, "removed": 0, "merged": 0,
    }  # fmt: skip
    for day in (1, 2):
        manifest = house.manifest(day=day)
        assert (manifest["release"], manifest["since"]["release"], manifest["rows"]) == (day + 1, day, 1)
        assert verify(str(house.out(day=day))) == []
    # the next night goes on from the newest release that was delivered, not from the one that was delivered last
    house.release(people(a=3, b=4), day=3)
    house.deliver()
    assert (house.manifest(day=3)["since"]["release"], house.manifest(day=3)["rows"]) == (3, 1)
    with pytest.raises(DefinitionError, match=r"^--release 9: no such release; there are 1 to 4"):
        again(house, "x", 9)
    with pytest.raises(DefinitionError, match=r"^export y: no such export in conf/exports"):
        again(house, "y")
    for file in DeltaTable(house.lakehouse.path(PROFILE), version=0).file_uris():
        Path(file).unlink()  # as VACUUM does
    with pytest.raises(PortraitError, match=r"^export x: .*gold/customer_profile: its version 0 can no longer be read"):
        again(house, "x", 1)


def test_what_is_released_while_it_waits_for_the_lease_is_delivered(house: House, monkeypatch: pytest.MonkeyPatch):
    """A person forgotten meanwhile is in the release before."""
    house.wants("x", columns=["spend"])
    house.release(people(a=1, b=1))

    class Waited(Lease):
        def __enter__(self) -> Lease:
            house.release(people(a=1), day=1)
            return super().__enter__()

    monkeypatch.setattr(deliver, "Lease", Waited)
    again(house)
    assert (house.manifest(day=1)["release"], house.manifest(day=1)["rows"]) == (2, 1) and not house.out().exists()


def test_an_earlier_release_that_holds_who_refused_since_is_not_delivered(house: House):
    house.wants("reach", audience="vip", columns=["spend"])
    house.wants("all", columns=["spend"], purpose="service")
    house.release(asked(a=True, b=True, c=True))
    house.release(asked(a=True, c=True), day=1, merges={"a": ["b"]})
    again(house, "reach", 1)  # b is a part of a, who consents
    house.release(asked(a=False, c=True), day=2)
    refused = r"^export reach: release 1 of 2026-03-01 holds 2 customers who may not be used .* deliver release 3$"
    with pytest.raises(DefinitionError, match=refused):
        again(house, "reach", 1)
    again(house, "all", 1)
    again(house, "reach")


def test_a_broken_promise_is_refused_and_the_other_exports_go_on(house: House):
    def wants(columns: list[str], version: str, email: str = "sha256") -> None:
        house.wants("x", columns=columns, identifiers={"email": email}, contract=Contract(version=version))

    house.wants("other", columns=["spend"])
    wants(["spend", "note"], "1.0.0")
    house.release(people(a=1))
    house.deliver()
    house.release(people(a=1), day=1)
    for columns, version, email, why in (
        (["spend"], "1.4.0", "sha256", "'note' is gone: that breaks 1.0.0, which was delivered; make it 2.0.0"),
        (["spend", "note"], "1.0.0", "masked", "'email' is masked instead of sha256"),
        (["spend", "note", "seen"], "1.0.0", "sha256", "'seen' is new since 1.0.0, which was delivered; make it 1.1.0"),
    ):
        wants(columns, version, email)
        with pytest.raises(PortraitError) as error:
            house.deliver()
        assert str(error.value).startswith(f"export x: conf/exports/x.yml: contract.version: {why}")
    assert not house.out(day=1).exists() and verify(str(house.out("other", 1))) == []
    wants(["spend"], "2.0.0")
    house.deliver()
    assert house.manifest(day=1)["contract"]["version"] == "2.0.0"
    assert "version: 2.0.0" in (house.out(day=1) / "contract.odcs.yaml").read_text()


class Failing:
    """A file system whose disk is full at its n-th move, or on which a folder is gone after it."""

    def __init__(self, system: Any, moves: int, vanishes: Path | None) -> None:
        self._system, self._moves, self._vanishes = system, moves, vanishes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)

    def move(self, *args: Any) -> None:
        self._moves -= 1
        if self._moves == 0 and not self._vanishes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._system.move(*args)
        if self._moves == 0 and self._vanishes:
            shutil.rmtree(self._vanishes)


@pytest.mark.parametrize(
    ("what", "moves"), [("full", 1), ("full", 4), ("vanishes", 1), ("vanishes", 2), ("vanishes", 3)]
)
def test_a_place_that_fills_up_or_vanishes_half_way_gets_no_manifest(
    house: House, monkeypatch: pytest.MonkeyPatch, what: str, moves: int
):
    """Two data files, the contract and the manifest are moved into place."""
    house.wants("x", columns=["spend"], to={"files": 2}, contract=Contract(version="1.0.0"))
    house.release(people(a=1, b=2, c=3))
    folder = house.out()

    def failing(uri: str) -> Any:
        real = open_folder(uri)
        return replace(real, system=Failing(real.system, moves, folder if what == "vanishes" else None))

    with monkeypatch.context() as patch, pytest.raises(PortraitError) as error:
        patch.setattr(delivery, "open_folder", lambda uri: failing(uri) if uri == str(folder) else open_folder(uri))
        house.deliver()
    assert str(error.value).startswith(f"export x: {folder}: ") and "\n" not in str(error.value)
    assert ("No space left on device" in str(error.value)) == (what == "full")
    assert not (folder / "manifest.json").exists()
    house.deliver()
    assert verify(str(folder)) == [] and len(house.noted()) == 1


def test_a_delivery_is_proved_without_a_jvm_and_each_flaw_is_told_by_file(house: House):
    house.wants("x", columns=["spend"], to={"compression": "gzip", "files": 2}, contract=Contract(version="1.0.0"))
    house.release(people(**{f"c{number}": number for number in range(40)}))
    house.deliver()
    folder = house.out()

    def proved() -> tuple[int, str]:
        command = [sys.executable, "-m", "jobs.cli", "export", "--verify", str(folder)]
        environment = {**os.environ, "JAVA_HOME": "/no/java/here", "NO_COLOR": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
        return done.returncode, done.stdout + done.stderr

    status, said = proved()
    assert status == 0 and f"{folder}: whole: 40 rows, 3 files; release 1 of 2026-03-01, full" in said
    one, other, contract = (
        folder / name for name in ("export-00000.csv.gz", "export-00001.csv.gz", "contract.odcs.yaml")
    )
    whole = one.read_bytes()
    one.write_bytes(whole[:-20])
    contract.write_text(contract.read_text().replace("1.0.0", "1.0.1"))
    other.rename(folder / "export-00007.csv.gz")
    status, said = proved()
    assert status == 1 and "Traceback" not in said
    assert f"{one}: {len(whole) - 20} bytes, {len(whole)} in the manifest" in said
    assert f"{one}: cannot be read as csv" in said
    assert f"{contract}: its checksum is not the manifest's" in said
    assert f"{other}: missing" in said and f"{folder}/export-00007.csv.gz: not in the manifest" in said
    (folder / "manifest.json").unlink()
    assert proved() == (1, f"{folder}: no manifest.json that can be read: the delivery is not complete\n")


def test_a_key_that_is_not_in_the_environment_is_told_before_anything_runs(tmp_path: Path):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copytree(ROOT / "tag_definitions", tmp_path / "tag_definitions")
    (tmp_path / ".env").write_text(f"PORTRAIT_CUSTOMER_KEY={'c' * 40}\nPORTRAIT_ERASURE_KEY={'e' * 40}\n")
    export = tmp_path / "conf" / "exports" / "crm.yml"
    export.write_text(
        "export: crm\nidentifiers: {customer_id: hmac}\nkey: ['${CRM_KEY}', '${CRM_KEY_BEFORE}']\n"
        "to: {format: jdbc, url: 'jdbc:postgresql://db/crm', table: customers, user: crm, password: ${CRM_PASSWORD}}\n"
    )
    with pytest.raises(DefinitionError) as error:
        load_configuration(tmp_path / "conf")
    assert error.value.lines == tuple(
        f"conf/exports/crm.yml: {key}the environment variable {name} is not set; set it, or put it into .env"
        for key, name in (("", "CRM_KEY"), ("", "CRM_KEY_BEFORE"), ("password: ", "CRM_PASSWORD"))
    )
