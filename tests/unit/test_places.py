"""Where a project may lie, and what its `.env` may hold."""

import locale
import os
import shlex
from pathlib import Path

import pytest

from jobs.runtime.configuration import load_pipeline
from jobs.runtime.session import _java_options, _name_files_in_utf8
from transforms.errors import DefinitionError


def project(folder: Path, *, env: bytes = b"") -> Path:
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "pipeline.yml").write_text("lakehouse: ${PLACE:-lakehouse}\n")
    (folder / ".env").write_bytes(env)
    return folder / "conf"


@pytest.mark.parametrize("name", ["shop [test]", "a{b}", "50%20off", "what?", "a*", "a^b", "a|b", "a\\b"])
def test_a_path_that_would_be_read_as_another_is_refused_with_the_remedy(name: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as raised:
        load_pipeline(project(tmp_path / name))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"conf/pipeline.yml: lakehouse: {tmp_path / name}/lakehouse: the path has ")
    assert "; move the project, or name a folder that has none of % * ? [ \\ ] ^ { | } in it" in line


@pytest.mark.parametrize("name", ["Mein Projekt", "Büro", "北京", "a, b", "#1", "O'Neill", "a:b", "=@~(1)"])
def test_a_path_that_people_give_is_taken(name: str, tmp_path: Path) -> None:
    assert load_pipeline(project(tmp_path / name))[1] == f"{tmp_path / name}/lakehouse"


def test_a_blank_in_the_path_does_not_part_what_the_jvm_is_told() -> None:
    options = shlex.split(_java_options(Path("/shops/Mein Projekt/logs/O'Neill.log"), "-Da=b", "", light=True))
    assert "-Dportrait.log=/shops/Mein Projekt/logs/O'Neill.log" in options
    assert all(option.startswith("-") for option in options)


@pytest.mark.parametrize(("encoding", "told"), [("ANSI_X3.4-1968", "C.UTF-8"), ("UTF-8", "de_DE.UTF-8")])
def test_the_jvm_names_files_in_utf_8_whatever_the_locale(
    encoding: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setattr(locale, "nl_langinfo", lambda _: encoding)
    _name_files_in_utf8()
    assert os.environ["LC_ALL"] == told


def test_an_env_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"^\.env: not UTF-8 \(byte 7\); save it as UTF-8$"):
        load_pipeline(project(tmp_path, env="PLACE=/ä".encode("latin-1")))


def test_an_env_file_of_a_windows_editor_is_read_from_its_first_line_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(os.environ, "PLACE", raising=False)
    assert load_pipeline(project(tmp_path, env=b"\xef\xbb\xbfPLACE=/lakes/shop\r\n"))[1] == "/lakes/shop"
