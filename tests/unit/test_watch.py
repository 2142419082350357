"""What watches the nights is told of each, and can fail none."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from jobs.runtime.configuration import Hook, Pipeline, Watch
from tests.unit.house import House
from transforms.definitions import parse, parse_yaml
from transforms.errors import DefinitionError, PortraitError

Messages = list[dict[str, Any]]


class Receiver(HTTPServer):
    """Takes messages at /taken; refuses those to any other path."""

    messages: Messages


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.messages.append(body)
        self.send_response(200 if self.path == "/taken" else 500)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), _Handler)
    server.messages = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def watches(house: House, *hooks: Hook, metrics: str | None = None) -> None:
    pipeline = house.conf.pipeline.model_copy(update={"watch": Watch(metrics=metrics, hooks=list(hooks))})
    house.conf = replace(house.conf, pipeline=pipeline)


def url(receiver: Receiver, path: str = "taken") -> str:
    return f"http://127.0.0.1:{receiver.server_port}/{path}"


def samples(text: str) -> dict[str, float]:
    """Every sample of Prometheus' text format; any other line must be a comment on one."""
    found = {}
    for line in text.splitlines():
        if not re.match(r"# (HELP|TYPE) portrait_[a-z_]+ ", line):
            name, value = line.rsplit(" ", 1)
            assert re.fullmatch(r'portrait_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})?', name), line
            found[name] = float(value)
    return found


def test_a_failed_night_and_its_success_are_told_once_each(house: House, receiver: Receiver) -> None:
    watches(
        house,
        Hook(on=["failure"], webhook=url(receiver)),
        Hook(on=["success"], webhook=url(receiver)),
        metrics="m.prom",
    )
    file = house.conf.root / "m.prom"
    house.dies_in("tags")
    first = receiver.messages[0]
    assert (first["event"], first["error"], first["release"]) == ("failure", "tags failed", None)
    assert first["stages"]["tags"]["status"] == "failed" and first["stages"]["silver"]["status"] == "done"
    assert first["text"] == "Portrait: night of 2026-03-02 failed: tags failed"
    assert samples(file.read_text())["portrait_run_failed"] == 1
    house.night(until="audiences")  # not the night's end: nobody is told
    house.night()
    assert [told["event"] for told in receiver.messages] == ["failure", "success"]
    assert receiver.messages[1]["release"] == 1 and receiver.messages[1]["error"] is None
    figures = samples(file.read_text())
    assert figures["portrait_run_failed"] == 0 and figures["portrait_release"] == 1
    assert figures["portrait_release_date_timestamp_seconds"] == 1772409600  # 2026-03-02T00:00Z
    assert 'portrait_stage_seconds{stage="bronze"}' in figures
    assert not list(house.conf.root.glob("*.draft"))


def test_a_command_reads_the_message(house: House, tmp_path: Path) -> None:
    watches(house, Hook(on=["success"], command=["sh", "-c", "cat > told.json"]))
    house.night()
    assert json.loads((house.conf.root / "told.json").read_text())["date"] == "2026-03-02"


def test_who_cannot_be_told_does_not_fail_the_night(
    house: House,
    receiver: Receiver,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hooks = [
        Hook(on=["success"], webhook=url(receiver, "secret-token")), Hook(on=["success"], command=["no-such-command"]),
        Hook(on=["success"], webhook="http://127.0.0.1:1/secret-token"), Hook(on=["success"], command=["false"]),
        Hook(on=["success"], webhook="http://127.0.0.1:1/secret-token with a blank"),
    ]  # fmt: skip
    watches(house, *hooks, metrics="conf/pipeline.yml/below-a-file.prom")
    house.night()
    told = capsys.readouterr().err
    assert "hook 1 (webhook): HTTPError 500" in told and "hook 2 (command): FileNotFoundError" in told
    assert "hook 3 (webhook): URLError" in told and "hook 4 (command): false ended with status 1" in told
    assert "hook 5 (webhook): InvalidURL" in told
    assert "watch.metrics: conf/pipeline.yml/below-a-file.prom cannot be written" in told
    assert "secret-token" not in told  # the address is a secret


def test_a_run_that_may_not_begin_is_told(house: House, receiver: Receiver) -> None:
    watches(house, Hook(on=["failure"], webhook=url(receiver)))
    house.night()
    with pytest.raises(DefinitionError, match="released already"):
        house.night()
    (told,) = receiver.messages
    assert "released already" in told["error"] and told["run_id"] is None and told["release"] == 1


def test_that_the_lakehouse_cannot_be_read_is_told(house: House, receiver: Receiver) -> None:
    """What went wrong is told also where ops, which tells how runs went, is what is damaged."""
    watches(house, Hook(on=["failure"], webhook=url(receiver)), metrics="m.prom")
    house.night()
    for entry in Path(house.lakehouse.path("ops/run"), "_delta_log").iterdir():
        entry.write_text("{")
    with pytest.raises(PortraitError, match="ops/run: cannot be read") as raised:
        house.night()
    (told,) = receiver.messages
    assert (told["event"], told["error"], told["stages"]) == ("failure", str(raised.value), {})
    assert samples((house.conf.root / "m.prom").read_text())["portrait_run_failed"] == 1


def test_an_error_of_no_kind_of_ours_is_told_without_what_is_personal(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OSError("ann@example.org: no such host")

    watches(house, Hook(on=["failure"], webhook=url(receiver)))
    monkeypatch.setattr("jobs.pipeline.begin", away)
    with pytest.raises(OSError, match="no such host"):
        house.night()
    assert [told["error"] for told in receiver.messages] == ["OSError: …: no such host"]


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        (
            "hooks: [{webhook: ftp://secret}]",
            "conf/pipeline.yml: watch.hooks.0.webhook: a webhook begins with https://",
        ),
        ("hooks: [{on: [failure]}]", "conf/pipeline.yml: watch.hooks.0: give either a webhook or a command"),
        ("hooks: [{on: [fail], command: [x]}]", "conf/pipeline.yml: watch.hooks.0.on.0: "),
        ("metric: x", "conf/pipeline.yml: unknown key 'watch.metric'; did you mean 'metrics'?"),
    ],
)
def test_a_mistake_is_named_and_no_secret_shown(yaml: str, line: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        parse(Pipeline, parse_yaml(f"watch:\n  {yaml}\n", place="conf/pipeline.yml"), place="conf/pipeline.yml")
    assert line in str(raised.value) and "secret" not in str(raised.value)
