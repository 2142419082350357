"""`portrait sources infer`: a file that nobody has described yet -> the YAML that reads it."""

import re
from pathlib import Path
from typing import Any

import yaml

from jobs.project.samples.reading import read_sample
from jobs.runtime.console import Screen
from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.schemas import ENTITIES
from transforms.sources.definition import compile_source, parse_source
from transforms.sources.infer import Known, Sample, propose
from transforms.sources.infer.paths import Place, place_of, source_name
from transforms.sources.infer.render import rendered


def infer_source(path: Path, conf: Path, *, entity: str | None, name: str | None, write: bool, screen: Screen) -> None:
    """Show the proposed YAML on standard output, or write it to conf/sources. A file that is there is kept.

    Raises DefinitionError for an argument that is wrong, DataError for a file that tells nothing.
    """
    if entity and entity not in ENTITIES:
        raise DefinitionError(
            f"--entity {entity}: no such entity{nearest(entity, ENTITIES)} (one of {', '.join(ENTITIES)})"
        )
    if name and not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise DefinitionError(f"--name {name}: write it in lower case letters, digits and _, beginning with a letter")
    chosen = name or source_name(str(path.absolute()))
    file = conf / "sources" / f"{chosen}.yml"
    if write and file.exists():
        raise DefinitionError(f"{file}: is there already; choose another --name, or remove it first")
    text = proposed_yaml(path, conf, entity=entity, name=chosen)
    if write:
        if not file.parent.is_dir():
            raise DefinitionError(f"{file.parent}: no such folder; --conf names the folder that holds pipeline.yml")
        file.write_text(text, encoding="utf-8")
        screen.say(f"written: {file}; next: portrait validate --sample {chosen}")
    elif not screen.as_json:
        screen.out.out(text, end="")
    doubts = [line.strip() for line in text.splitlines() if "# ?" in line]
    screen.result({"source": chosen, "yaml": text, "unsure": doubts, "file": file if write else None})


def proposed_yaml(path: Path, conf: Path, *, entity: str | None = None, name: str) -> str:
    """The YAML for a file. What it says is checked as `validate` checks it, against the sample's columns too."""
    sample = read_sample(path)
    place = place_of(_from_root(path, conf), name)
    known = _known(conf, place)
    proposal = propose(sample, known, entity, name=name)
    told = f"{path.name}, {'all' if sample.whole else 'the first'} {sample.rows:,} rows of it"
    text = rendered(proposal, name=name, place=place, told=told, known=known)
    _check(text, sample, name)
    return text


def _check(text: str, sample: Sample, name: str) -> None:
    source = parse_source(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text), place=f"conf/sources/{name}.yml")
    compile_source(source, dict.fromkeys(sample.columns, "string"))


def _from_root(path: Path, conf: Path) -> str:
    """A path as the configuration writes it: from the project's root where it lies below, else absolute."""
    root, absolute = conf.absolute().parent, path.absolute()
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else str(absolute)


def _known(conf: Path, place: Place) -> Known:
    """What the project says already; nothing of it is needed."""

    def read(file: str) -> dict[str, Any]:
        try:
            data = yaml.safe_load((conf / file).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return {}
        return data if isinstance(data, dict) else {}

    pipeline, identity = read("pipeline.yml"), read("identity.yml")
    identifiers = identity.get("identifiers")
    zone, currency = pipeline.get("timezone"), pipeline.get("base_currency")
    return Known(
        timezone=zone if isinstance(zone, str) and "$" not in zone else None,
        currency=currency if isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency) else None,
        identifiers=tuple(map(str, identifiers)) if isinstance(identifiers, dict) else (),
        day=place.day,
    )
