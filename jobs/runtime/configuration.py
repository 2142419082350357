"""The configuration: every YAML file read, environment variables filled in, and all mistakes found at once."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from jobs.runtime.stores import named
from transforms.audiences import Audience, check_audiences, parse_audience
from transforms.definitions import Definition, nearest, parse, parse_yaml
from transforms.errors import DefinitionError, PortraitError
from transforms.exports import Export, check_exports, parse_export
from transforms.identity.definition import Identity, check_identity
from transforms.identity.manual import Decision, Decisions, check_decisions, parse_decisions
from transforms.privacy import Privacy, Role
from transforms.profile import profile_table
from transforms.recommendations import Recommendations, parse_recommendations
from transforms.retention import check_retention
from transforms.roles import check_roles
from transforms.sources.checks import check_known, id_types_of
from transforms.sources.database import PASSWORD
from transforms.sources.definition import Source, known_zone, parse_source
from transforms.sources.standard.divisions import Divisions, parse_divisions
from transforms.sources.standard.rates import Rate, parse_rates
from transforms.tags.definition import Tag, check_purposes, parse_tags
from transforms.tags.imports import Line, lists_of, parse_import
from transforms.tags.life_cycle import deleted_but_used

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
# In a YAML of many (sources, exports) a password is not filled in: its definition holds the variable's name.
_PASSWORD = re.compile(rf"""(?P<key>\bpassword\s*:\s*)(?P<quote>["']?)(?P<kept>{PASSWORD.pattern})(?P=quote)""")
_IN_TEXT = re.compile(f"{_PASSWORD.pattern}|{_VARIABLE.pattern}")
_QUOTES = re.compile(r"""^(["'])(.*)\1$""")
_ON_S3 = re.compile(r"s3a?://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?")
_ODD = frozenset("[]{}*?^|%\\")  # patterns to Spark, or no part of the web address that `deltalake` makes of a path
_SECRET = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|WEBHOOK", re.IGNORECASE)
T = TypeVar("T")


class Hook(Definition):
    """Whom to tell how a night went: a URL that takes JSON, or a command that reads it from standard input."""

    on: list[Literal["success", "warnings", "failure"]] = Field(["failure"], min_length=1)
    webhook: str | None = Field(None, repr=False)
    command: list[str] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _tells_one(self) -> "Hook":
        if (self.webhook is None) == (self.command is None):
            raise ValueError("give either a webhook or a command")
        return self

    @field_validator("webhook")
    @classmethod
    def _over_http(cls, value: str | None) -> str | None:
        # the address itself is a secret: not in the message
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("a webhook begins with https:// or http://")
        return value


class Watch(Definition):
    """What watches the nights. `metrics`: a file in Prometheus' text format, written anew after every run."""

    metrics: str | None = None
    hooks: list[Hook] = []


class Pipeline(Definition):
    """conf/pipeline.yml."""

    lakehouse: str = "lakehouse"
    definitions: str = "tag_definitions"
    timezone: str = "UTC"
    base_currency: str = Field("EUR", pattern="^[A-Z]{3}$")
    currency_rates: str | None = None
    divisions: str | None = None
    spark: dict[str, str] = {}
    mlflow: str | None = None
    env_file: str = ".env"
    watch: Watch = Watch()

    @field_validator("lakehouse")
    @classmethod
    def _of_a_known_store(cls, value: str) -> str:
        if "://" in value and not _ON_S3.fullmatch(value):
            raise ValueError(f"{value}: a lakehouse is a folder of this machine or s3a://BUCKET/FOLDER")
        return value

    @field_validator("timezone")
    @classmethod
    def _a_zone(cls, value: str) -> str:
        return known_zone(value)

    @field_validator("spark", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return {key: str(item) for key, item in value.items()} if isinstance(value, dict) else value


class _Roles(Definition):
    """What of conf/privacy.yml holds no secret."""

    roles: dict[str, Role] = {}


@dataclass(frozen=True)
class Configuration:
    """All that a user wrote. `hash` changes with any of it; secrets are not in it.

    `secrets`: environment variable -> value, of those that a `password` names. `imports`: tag -> the lines of its list.
    """

    root: Path
    pipeline: Pipeline
    privacy: Privacy
    sources: dict[str, Source]
    identity: Identity
    tags: dict[str, Tag]
    audiences: dict[str, Audience]
    exports: dict[str, Export]
    hash: str
    warnings: tuple[str, ...] = field(default=())
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    rates: tuple[Rate, ...] = ()
    divisions: Divisions | None = None
    decisions: Decisions = field(default_factory=Decisions)
    imports: Mapping[str, tuple[Line, ...]] = field(default_factory=dict, repr=False)
    recommendations: Recommendations | None = None

    @property
    def lakehouse(self) -> str:
        """The lakehouse's URI or absolute path."""
        return self.resolve(self.pipeline.lakehouse)

    @property
    def places(self) -> list[str]:
        """Where its nights read and write: the lakehouse, the extracts, the deliveries."""
        paths = [source.read.path for source in self.sources.values() if source.read.path]
        paths += [export.to.path for export in self.exports.values() if export.to.path]
        return [self.lakehouse, *map(self.resolve, paths)]

    def resolve(self, path: str) -> str:
        """A path of the configuration: relative ones start at the project's root."""
        return located(self.root, path)

    def of_entity(self, entity: str) -> list[Source]:
        return [source for source in self.sources.values() if source.entity == entity]


def load_configuration(conf: Path, environment: str | None = None, *, definitions: bool = True) -> Configuration:
    """Read and check everything under `conf`.

    `definitions`: False leaves out tags, audiences and exports, which who looks at a release does not need.
    Raises DefinitionError holding one line for each mistake of any file.
    """
    return _loader(conf, environment).load(definitions=definitions)


def load_pipeline(conf: Path, environment: str | None = None) -> tuple[Pipeline, str]:
    """conf/pipeline.yml alone, and where its lakehouse is. Raises DefinitionError."""
    loader = _loader(conf, environment)
    pipeline = loader.attempt(loader._pipeline)
    loader.stop_on_problems()
    assert pipeline is not None  # noqa: S101  (no problems: it is there)
    return pipeline, located(loader.root, pipeline.lakehouse)


def load_roles(conf: Path, environment: str | None = None) -> dict[str, Role]:
    """The roles of conf/privacy.yml alone: who reads under one need not have the keys. Raises DefinitionError."""
    loader = _loader(conf, environment)
    file = loader.conf / "privacy.yml"
    data = parse_yaml(loader._read(file), place=loader._place(file))
    return parse(_Roles, {"roles": data.get("roles") or {}}, place=loader._place(file)).roles


def _loader(conf: Path, environment: str | None) -> "_Loader":
    conf = conf.absolute()
    if not (conf / "pipeline.yml").is_file():
        raise DefinitionError(f"{conf / 'pipeline.yml'}: no such file; --conf names the folder that holds pipeline.yml")
    return _Loader(conf, environment)


def located(root: Path, path: str) -> str:
    """A path of the configuration: relative ones start at the project's root."""
    return named(path) if "://" in path or path.startswith("/") else str(root / path)


class _Loader:
    """Reads the files of one project, collecting mistakes so that all of them are told at once."""

    def __init__(self, conf: Path, environment: str | None) -> None:
        self.conf = conf
        self.root = conf.parent
        self.environment = environment
        self.problems: list[str] = []
        self.digest = hashlib.sha256()
        self.variables: Mapping[str, str] = os.environ
        self.secrets: dict[str, str] = {}

    def load(self, *, definitions: bool = True) -> Configuration:
        pipeline = self.attempt(self._pipeline)
        self.stop_on_problems()
        assert pipeline is not None  # noqa: S101  (no problems: it is there)
        privacy = self.attempt(lambda: self._one("privacy.yml", Privacy))
        identity = self.attempt(lambda: self._one("identity.yml", Identity))
        sources = self._named("sources", parse_source, lambda source: source.source)
        tags, audiences, exports = self._definitions(pipeline) if definitions else ({}, {}, {})
        self._look_for_deleted(pipeline)
        self.stop_on_problems()
        assert privacy is not None and identity is not None  # noqa: S101
        warnings = self.attempt(lambda: check_identity(identity, id_types(sources), set(sources))) or []
        decisions = self.attempt(lambda: self._decisions(identity, sources)) or Decisions()
        imports = {tag.tag: self.attempt(partial(self._list, tag, identity, sources)) or () for tag in lists_of(tags)}
        self.attempt(lambda: check_known(sources))
        recommendations = self.attempt(lambda: self._recommendations(pipeline.timezone))
        profile = profile_table(tags)
        self.attempt(lambda: check_purposes(tags, privacy.purposes))
        self.attempt(lambda: check_retention(privacy, tags, sources))
        if definitions:
            self.attempt(lambda: check_roles(privacy.roles, profile))
        self.attempt(lambda: check_audiences(audiences, tags, profile, privacy, pipeline.timezone))
        self.attempt(lambda: check_exports(exports, audiences, tags, profile, privacy))
        self._look_for_deleted(pipeline)
        rates, divisions = self.attempt(lambda: self._rates(pipeline)), self.attempt(lambda: self._divisions(pipeline))
        self.stop_on_problems()
        return Configuration(
            root=self.root, pipeline=pipeline, privacy=privacy, sources=sources, identity=identity, tags=tags,
            audiences=audiences, exports=exports, hash=self.digest.hexdigest()[:16], warnings=tuple(warnings),
            secrets=self.secrets,
            rates=rates or (), divisions=divisions, decisions=decisions, imports=imports,
            recommendations=recommendations,
        )  # fmt: skip

    def _definitions(self, pipeline: Pipeline) -> tuple[dict[str, Tag], dict[str, Audience], dict[str, Export]]:
        return (
            self.attempt(lambda: parse_tags(self._texts(Path(self._path(pipeline.definitions)), deep=True))) or {},
            self._named("audiences", parse_audience, lambda audience: audience.audience),
            self._named("exports", parse_export, lambda export: export.export),
        )

    def _look_for_deleted(self, pipeline: Pipeline) -> None:
        """Where something is wrong: it may be that a tag was deleted which the last release had."""
        if not self.problems:
            return
        from jobs.runtime.catalog import newest_catalog

        try:
            released = newest_catalog(located(self.root, pipeline.lakehouse))
        except PortraitError:  # a store that is away is no reason to keep back what is wrong here
            return
        folders = (Path(self._path(pipeline.definitions)), self.conf / "audiences", self.conf / "exports")
        files = [file for folder in folders for file in sorted(folder.rglob("*.yml"))]
        texts = {self._place(file): file.read_text(encoding="utf-8", errors="replace") for file in files}
        self.problems[:0] = [line for line in deleted_but_used(texts, released) if line not in self.problems]

    def attempt(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except DefinitionError as error:
            self.problems.extend(error.lines)
            return None

    def stop_on_problems(self) -> None:
        if self.problems:
            raise DefinitionError(*dict.fromkeys(self.problems))

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else str(self.root / path)

    def _place(self, file: Path) -> str:
        return str(file.relative_to(self.root)) if file.is_relative_to(self.root) else str(file)

    def _pipeline(self) -> Pipeline:
        file = self.conf / "pipeline.yml"
        data = parse_yaml(self._read(file), place=self._place(file))
        if self.environment:
            overlay = self.conf / "env" / f"{self.environment}.yml"
            if not overlay.is_file():
                known = [path.stem for path in (self.conf / "env").glob("*.yml")]
                raise DefinitionError(
                    f"--env {self.environment}: no file {self._place(overlay)}{nearest(self.environment, known)}"
                )
            data = _overlaid(data, parse_yaml(self._read(overlay), place=self._place(overlay)))
        env_file = Path(self._path(str(data.get("env_file", ".env"))))
        self.variables = {**(read_env(self._read(env_file, told=False)) if env_file.is_file() else {}), **os.environ}
        pipeline = parse(Pipeline, self._filled(data, self._place(file)), place=self._place(file))
        path = located(self.root, pipeline.lakehouse)
        if odd := sorted(set(path) & _ODD):
            raise DefinitionError(
                f"{self._place(file)}: lakehouse: {path}: the path has {' '.join(odd)} in it, and Spark or Delta would "
                f"look elsewhere; move the project, or name a folder that has none of {' '.join(sorted(_ODD))} in it"
            )
        return pipeline

    def _rates(self, pipeline: Pipeline) -> tuple[Rate, ...]:
        if pipeline.currency_rates is None:
            return ()
        file = Path(self._path(pipeline.currency_rates))
        return parse_rates(self._read(file), place=self._place(file), base_currency=pipeline.base_currency)

    def _divisions(self, pipeline: Pipeline) -> Divisions | None:
        if pipeline.divisions is None:
            return None
        file = Path(self._path(pipeline.divisions))
        return parse_divisions(self._read(file), place=self._place(file))

    def _recommendations(self, timezone: str) -> Recommendations | None:
        file = self.conf / "recommendations.yml"
        if not file.is_file():
            return None
        place = self._place(file)
        return parse_recommendations(self._filled_text(self._read(file), place), place=place, timezone=timezone)

    def _decisions(self, identity: Identity, sources: Mapping[str, Source]) -> Decisions:
        """The decisions by hand on who is who."""

        def read(key: str, path: str | None) -> tuple[Decision, ...]:
            if path is None:
                return ()
            file = Path(self._path(path))
            if not file.is_file():
                raise DefinitionError(f"conf/identity.yml: manual.{key}: no file {self._place(file)}")
            countries = [source.country for source in sources.values()]
            return parse_decisions(
                self._read(file), place=self._place(file), types=identity.identifiers, countries=countries
            )

        manual = identity.manual
        both = [self.attempt(partial(read, key, getattr(manual, key))) or () for key in ("same", "different")]
        decisions = Decisions(*both)
        check_decisions(decisions)
        return decisions

    def _list(self, tag: Tag, identity: Identity, sources: Mapping[str, Source]) -> tuple[Line, ...]:
        """A list from outside that gives a tag."""
        files = sorted(self.root.glob(str(tag.import_))) if not str(tag.import_).startswith("/") else []
        files = files or [file for file in [Path(str(tag.import_))] if file.is_absolute() and file.is_file()]
        if not files:
            raise DefinitionError(f"{tag.place}: import: no file {tag.import_}; it starts at the project's root")
        countries = [source.country for source in sources.values()]
        texts = {self._place(file): self._read(file) for file in files}
        return parse_import(texts, tag, types=identity.identifiers, countries=countries)

    def _one(self, name: str, model: type[Any]) -> Any:
        file = self.conf / name
        place = self._place(file)
        if not file.is_file():
            raise DefinitionError(f"{place}: no such file; every project has one")
        return parse(model, self._filled(parse_yaml(self._read(file), place=place), place), place=place)

    def _named(self, folder: str, read: Callable[..., T], name: Callable[[T], str]) -> dict[str, T]:
        found: dict[str, T] = {}
        for place, text in self._texts(self.conf / folder).items():
            item = self.attempt(partial(read, self._filled_text(text, place), place=place))
            if item is None:
                continue
            key = name(item)
            if key in found:
                self.problems.append(f"{place}: the name '{key}' is taken by another file of {folder}")
            if key != Path(place).stem:
                self.problems.append(f"{place}: the name '{key}' and the file's name differ; make them the same")
            found[key] = item
        return found

    def _texts(self, folder: Path, *, deep: bool = False) -> dict[str, str]:
        files = sorted(folder.rglob("*.yml") if deep else folder.glob("*.yml"))
        stray = sorted(folder.rglob("*.yaml"))
        self.problems.extend(f"{self._place(file)}: name it .yml; .yaml files are not read" for file in stray)
        return {self._place(file): self._read(file) for file in files}

    def _read(self, file: Path, *, told: bool = True) -> str:
        """A file's text. `told`: it is a part of what the configuration's hash is of."""
        try:
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DefinitionError(f"{self._place(file)}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
        except OSError as error:
            raise DefinitionError(f"{self._place(file)}: cannot be read: {error.strerror}") from None
        if told:
            self.digest.update(json.dumps([self._place(file), text]).encode())
        return text

    def _filled_text(self, text: str, place: str) -> str:
        def filled(match: re.Match[str]) -> str:
            if match["kept"]:
                return f"{match['key']}'{self._secret(match['kept'], place)}'"
            plain = _VARIABLE.fullmatch(match[0])
            assert plain is not None  # noqa: S101  (the other half of the pattern)
            return self._variable(plain, place, "")

        return _IN_TEXT.sub(filled, text)

    def _secret(self, reference: str, place: str) -> str:
        """A password's `${NAME}`, unfilled; its value goes where nothing is shown or hashed."""
        name = PASSWORD.fullmatch(reference)[1]  # type: ignore[index]
        if self.variables.get(name):
            self.secrets[name] = self.variables[name]
        else:
            self.problems.append(
                f"{place}: password: the environment variable {name} is not set; set it, or put it into .env"
            )
        return reference

    def _filled(self, data: Any, place: str, key: str = "") -> Any:
        if isinstance(data, dict):
            return {name: self._filled(value, place, f"{key}.{name}".lstrip(".")) for name, value in data.items()}
        if isinstance(data, list):
            return [self._filled(value, place, key) for value in data]
        if isinstance(data, str):
            return _VARIABLE.sub(lambda match: self._variable(match, place, key), data)
        return data

    def _variable(self, match: re.Match[str], place: str, key: str) -> str:
        name, default = match[1], match[2]
        value = self.variables.get(name) or default
        if value is None:
            where = f"{place}: {key}" if key else place
            self.problems.append(f"{where}: the environment variable {name} is not set; set it, or put it into .env")
            return "0" * 64  # keeps the other checks going; the problem stops the load
        if not _SECRET.search(name):
            self.digest.update(json.dumps([name, value]).encode())
        return value


def _overlaid(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: mappings merge key by key, anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _overlaid(merged[key], value) if both else value
    return merged


def read_env(text: str) -> dict[str, str]:
    """The NAME=value lines of a text. A pair of quotes around a value is taken off."""
    lines = map(str.strip, text.splitlines())
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): _QUOTES.sub(r"\2", value.strip()) for name, value in pairs}


def id_types(sources: Mapping[str, Source]) -> dict[str, set[str]]:
    """Identifier type -> the sources that give it, by `ids` or by themselves."""

    types: dict[str, set[str]] = {}
    for name, source in sources.items():
        for id_type in id_types_of(source):
            types.setdefault(id_type, set()).add(name)
    return types
