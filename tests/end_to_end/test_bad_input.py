"""What a user does wrong gives one clear line, the right exit status, and changes nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from tests.end_to_end.project import KEYS, ROOT


@pytest.fixture
def portrait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs a command on a copy of the configuration, without extracts; gives exit status and what it said."""
    for name in ("conf", "tag_definitions"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name, value in {**KEYS, **{n.upper(): str(tmp_path / n) for n in ("extracts", "lakehouse", "exports")}}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*arguments, "--conf", str(tmp_path / "conf")])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, " ".join(done.output.split())

    return run


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_valid_as_it_is(portrait: Callable[..., tuple[int, str]]) -> None:
    status, said = portrait("validate")
    assert (status, said[:6]) == (0, "valid:")


@pytest.mark.parametrize("text", ["2017-13-01", "28.12.2017", "yesterday", "20171228"])
def test_a_date_in_the_wrong_form(portrait: Callable[..., tuple[int, str]], text: str) -> None:
    status, said = portrait("run", "--date", text)
    assert status == 2
    assert f"--date {text}: not a date; write it as 2026-01-31" in said


def test_a_missing_environment_variable(
    portrait: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORTRAIT_CUSTOMER_KEY")
    status, said = portrait("validate")
    assert status == 2
    assert "conf/privacy.yml: keys.customer: the environment variable PORTRAIT_CUSTOMER_KEY is not set" in said


def test_a_short_key_is_refused_without_showing_it(
    portrait: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTRAIT_CUSTOMER_KEY", "tooshort")
    status, said = portrait("validate")
    assert status == 2
    assert "at least 32 characters" in said
    assert "tooshort" not in said


def test_a_missing_required_extract(portrait: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    status, said = portrait("run", "--date", "2017-12-28")
    assert status == 1
    assert "no extract for 2017-12-28" in said
    assert not (tmp_path / "lakehouse" / "ops" / "release").exists()


@pytest.mark.parametrize(
    ("file", "key", "written"),
    [
        ("conf/pipeline.yml", "timezone", "timezome"),
        ("conf/privacy.yml", "purposes", "purpose"),
        ("conf/identity.yml", "known_by", "know_by"),
        ("conf/sources/pos.yml", "entity", "entitiy"),
        ("conf/audiences/slipping_regulars.yml", "where", "wher"),
        ("conf/exports/warehouse.yml", "columns", "colums"),
        ("tag_definitions/basic/city.yml", "description", "descripton"),
    ],
)
def test_an_unknown_key_in_each_kind_of_file(
    portrait: Callable[..., tuple[int, str]], tmp_path: Path, file: str, key: str, written: str
) -> None:
    edit(tmp_path / file, f"{key}:", f"{written}:")
    status, said = portrait("validate")
    assert status == 2
    assert f"{file}: unknown key '{written}'; did you mean '{key}'?" in said


def test_all_mistakes_are_told_at_once(portrait: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    edit(tmp_path / "conf" / "sources" / "pos.yml", "entity: transaction", "entity: transactoin")
    edit(tmp_path / "conf" / "identity.yml", "known_by:", "know_by:")
    status, said = portrait("validate")
    assert status == 2
    assert "conf/sources/pos.yml: entity: no entity 'transactoin'" in said
    assert "conf/identity.yml: unknown key 'know_by'; did you mean 'known_by'?" in said


def test_a_purpose_that_privacy_does_not_have(portrait: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    edit(
        tmp_path / "tag_definitions" / "basic" / "city.yml", "purposes: [marketing, service]", "purposes: [marketting]"
    )
    status, said = portrait("validate")
    assert status == 2
    assert "basic/city.yml: purposes: no purpose 'marketting' in conf/privacy.yml; did you mean 'marketing'?" in said


def test_a_lakehouse_that_is_not_writable(
    portrait: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("LAKEHOUSE", str(tmp_path / "file" / "lakehouse"))
    status, said = portrait("run", "--date", "2017-12-28")
    assert status == 1
    assert "the lakehouse cannot be written" in said


def test_a_disk_that_is_nearly_full(
    portrait: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**12, used=10**12, free=5_000_000))
    status, said = portrait("run", "--date", "2017-12-28")
    assert status == 1
    assert "only 5 MB free" in said
    assert not (tmp_path / "lakehouse" / "bronze").exists()
    assert not (tmp_path / "lakehouse" / "ops" / "release").exists()


@pytest.mark.parametrize("told", ['openjdk version "11.0.2" 2019-01-15', "nothing"])
def test_java_of_another_version(
    portrait: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    from jobs.runtime.session import check_java
    from transforms.errors import DefinitionError

    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    with pytest.raises(DefinitionError, match="install a JDK 17 and point JAVA_HOME at it"):
        check_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(DefinitionError, match="Java: none found"):
        check_java()


def test_unknown_stage_run_and_environment(portrait: Callable[..., tuple[int, str]]) -> None:
    assert portrait("run", "--date", "2017-12-28", "--only", "gold")[0] == 2
    assert portrait("restore", "--to", "nothing")[0] == 2
    assert portrait("validate", "--env", "prod")[0] == 2
    assert portrait("show", "email:nobody@example.org")[0] == 2
