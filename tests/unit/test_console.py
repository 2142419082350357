"""What a terminal shows is what the sources hold, in any encoding, and nothing fails for who reads it or does not."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from jobs.commands.options import told
from jobs.lookups.query import _write_csv
from jobs.runtime.console import Screen, in_any_locale
from transforms.errors import PortraitError


def test_a_table_shows_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """`[sale]` and `[/x]` are no styles, `:key:` is no smiley, and what would clear the screen is told of."""
    values = ["/shop[sale]", "a [/x] b", "1:key:2", "Ann\x1b[2J\x9b1A", "北京　朝阳"]
    Screen().table("[red]", ["orders[sale]"], [[value] for value in values])
    Screen().say("[bold] :key: \x07")
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "[red]", "orders[sale]", "/shop[sale]", "a [/x] b", "1:key:2", r"Ann\x1b[2J\x9b1A", "北京　朝阳", "",
        r"[bold] :key: \x07",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gb18030", "utf-8"])
def test_json_says_the_same_in_any_locale(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    Screen(as_json=True).result({"city": "北京 · Köln"})
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode(encoding)) == {"city": "北京 · Köln"}


def test_a_terminal_that_knows_few_signs_shows_those(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "latin-1"))
    in_any_locale()
    Screen().say("Köln 北京")
    assert written.getvalue() == "Köln ??\n".encode("latin-1")


def test_csv_loses_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "latin-1"))
    in_any_locale()
    _write_csv(["city"], [("北京",)])
    sys.stdout.flush()
    assert written.getvalue().decode() == "city\n北京\n"


def test_a_night_goes_on_when_nobody_reads_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w", buffering=1) as broken:
        monkeypatch.setattr(sys, "stderr", broken)
        screen = Screen()
        screen.progress("bronze")
        screen.warn("silver")


def test_whoever_has_read_enough_ends_a_command_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.close(reads)

    @told
    def command() -> None:
        Screen().say("one line")

    with os.fdopen(writes, "w", buffering=1) as broken:
        monkeypatch.setattr(sys, "stdout", broken)
        command()
        assert Path(f"/proc/self/fd/{broken.fileno()}").readlink() == Path(os.devnull)


class Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("as_json", [True, False])
def test_what_is_told_where_nothing_can_be_written(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @told
    def command(as_json: bool) -> None:
        Screen(as_json=as_json).say("a line")
        raise PortraitError("what went wrong")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(typer.Exit) as ended:
        command(as_json=as_json)
    assert ended.value.exit_code == 1
    assert ("what went wrong" if as_json else "No space left on device") in capsys.readouterr().err


_INTERRUPTED = """
import os, signal, threading
import typer
from jobs.commands.options import told
from jobs.runtime.duck import connect

@told
def command():
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    connect().sql("select count(*) from range(99999) a(x), range(99999) b(y) where x::text like '%' || y::text").show()

try:
    command()
except typer.Exit as ended:
    raise SystemExit(ended.exit_code)
"""


def test_whatever_duckdb_computes_ends_at_ctrl_c_and_is_told_in_a_line() -> None:
    """In a process of its own: Spark watches for signals itself. Left alone, DuckDB ends this query first."""
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stderr == "interrupted; run the same command again to go on\n"
    assert ended.returncode == PortraitError.exit_status


def test_what_duckdb_makes_of_an_interrupt_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Where DuckDB looks for signals itself it raises an error of its own."""

    @told
    def command() -> None:
        raise RuntimeError("Query interrupted")

    with pytest.raises(typer.Exit):
        command()
    assert capsys.readouterr().err == "interrupted; run the same command again to go on\n"
