"""What the guides tell people to write and to type is taken as it stands."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from jobs.cli import app
from jobs.runtime.configuration import Pipeline
from transforms.audiences import parse_audience
from transforms.definitions import parse, parse_yaml
from transforms.exports import parse_export
from transforms.privacy import Privacy
from transforms.recommendations import parse_recommendations
from transforms.sources.definition import parse_source
from transforms.tags.definition import parse_tags

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
_HEAD = "title: {en: A title}\ndescription: What it says.\nowner: crm\nversion: 1\nstatus: draft\npurposes: [service]\n"
_COLUMNS = "columns: {order_id: a, ordered_at: b, quantity: c, amount_local: d, currency: e}"
_KINDS = {"sequence": "boolean", "sql": "number"}  # the type of a tag whose example leaves it out


def examples() -> Iterator[tuple[str, str]]:
    """Where each YAML example stands, and its text with variables filled in."""
    for page in PAGES:
        text = page.read_text()
        for found in re.finditer(r"```yaml\n(.*?)```", text, re.DOTALL):
            filled = re.sub(r"\$\{(?!\w+PASSWORD)\w+\}", "https://x.org/" + "0" * 40, found[1])
            yield f"{page.name}:{text[: found.start()].count(chr(10)) + 1}", filled


def check_tag(name: str, text: str) -> None:
    """Beside the demo's tags, which it may use; it takes the place of one of its name."""
    others = [file for file in (ROOT / "tag_definitions").rglob("*.yml") if file.stem != name]
    files = {str(file.relative_to(ROOT)): file.read_text() for file in others}
    parse_tags({f"tag_definitions/{name}.yml": text, **files})


@pytest.mark.parametrize(("place", "text"), [pytest.param(*one, id=one[0]) for one in examples()])
def test_an_example_is_what_validate_takes(place: str, text: str) -> None:
    first = next(line for line in text.splitlines() if line and not line.startswith("#"))
    match first.partition(":")[0]:
        case "source":
            parse_source(text.replace("columns: …", _COLUMNS), place=place)
        case "export":
            parse_export(text, place=place)
        case "audience":
            parse_audience(text, place=place)
        case "purposes":
            parse(Privacy, parse_yaml(text, place=place), place=place)
        case "refit":
            parse_recommendations(text, place=place, timezone="UTC")
        case "tag":
            check_tag(first.split()[1], text if "title:" in text else f"{_HEAD}{text}")
        case "model" | "sequence" | "sql" | "import" as kind:
            typed = f"type: {_KINDS[kind]}\n" if kind in _KINDS else ""
            check_tag("churn", f"tag: churn\n{_HEAD}{typed}{text}")
        case "lakehouse" | "watch" | "currency_rates":
            parse(Pipeline, parse_yaml(text, place=place), place=place)
        case _:  # a part of a file: its keys are there, each once
            assert yaml.safe_load(text)


def test_every_command_that_is_told_is_there_with_its_options() -> None:
    told = [
        (page.name, found[1])
        for page in PAGES
        for found in re.finditer(r"(?:^ {4}(?:\$ )?|^|`)portrait ([a-z]+[^`|#\n]*)", page.read_text(), re.MULTILINE)
    ]
    assert len(told) > 100
    for page, line in told:
        command, words = get_command(app), line.split()
        while hasattr(command, "commands") and words:
            assert words[0] in command.commands, f"{page}: portrait {line}"
            command, words = command.commands[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)) <= known, f"{page}: portrait {line}"
