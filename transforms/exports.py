"""conf/exports/<export>.yml: what is delivered where. The definition and its checks; `export_rows` makes the rows."""

import hmac
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr, field_validator

from transforms.audiences import Audience, cut_by, fingerprint, misuse, not_meant_for
from transforms.contracts import Contract
from transforms.definitions import Definition, nearest, parse, parse_yaml, with_dates
from transforms.destinations import JDBC, Destination
from transforms.errors import DefinitionError
from transforms.privacy import NO_ROLE, SHORTEST_KEY, Privacy, Role
from transforms.profile import NOT_TAGS, tag_of_column
from transforms.roles import masked
from transforms.schemas import GOLDEN_FIELDS, Column, Table

if TYPE_CHECKING:
    from transforms.tags.definition import Tag

KEY = "customer_id"
CHANGE, MERGED_INTO = "change", "merged_into"
Form = Literal["clear", "sha256", "sha256_meta", "hmac", "masked"]
_ALL = "*"
_FIELDS = {field.name: field for field in GOLDEN_FIELDS if field.type == "string"}
# By whoever has a list of addresses a plain hash is found again by trial; a keyed one and a mask are not.
_TELLING: tuple[Form, ...] = ("clear", "sha256", "sha256_meta")


class Export(Definition):
    """One export. `columns: all` are all tags of the profile that its role and purpose allow.

    Without an `audience` it holds every known customer that may be used for its `purpose`.
    `key`: the secrets of this destination. `hmac` signs with the first; the others are those that it signed with
    before, by which a delivery that was signed so is known again.
    """

    place: str = ""
    export: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: dict[str, str] = {}
    description: str = ""
    owner: str = ""
    audience: str | None = None
    purpose: str | None = None
    columns: list[str] = []
    identifiers: dict[str, Form] = {}
    key: list[SecretStr] = []
    to: Destination
    mode: Literal["full", "changes"] = "full"
    contract: Contract | None = None
    role: str | None = None

    @field_validator("key", mode="before")
    @classmethod
    def _long_enough(cls, value: object) -> object:
        # whatever is wrong with it, the value itself must not be shown
        keys = value if isinstance(value, list) else [value]
        if keys and all(isinstance(key, str) and len(key) >= SHORTEST_KEY for key in keys):
            return keys
        raise ValueError(f"a key is a text of at least {SHORTEST_KEY} characters; make one with: openssl rand -hex 32")

    @field_validator("columns", mode="before")
    @classmethod
    def _or_all(cls, value: object) -> object:
        return [_ALL] if value == "all" else value

    @property
    def holds_all(self) -> bool:
        """Does it hold whatever the profile has, and so change without being edited?"""
        return self.columns == [_ALL]

    @property
    def named(self) -> list[str]:
        """The profile's columns that it asks for by name; none where it asks for all."""
        return [] if self.holds_all else self.columns

    @property
    def form_of_key(self) -> Form:
        return self.identifiers.get(KEY, "clear")

    @property
    def fields(self) -> list[str]:
        """The golden record's fields that it holds."""
        return [name for name in self.identifiers if name != KEY]

    @property
    def signing_key(self) -> str | None:
        return self.key[0].get_secret_value() if self.key else None

    @property
    def tells_changes(self) -> bool:
        """Do its rows say what changed? A table that is kept up to date holds what there is."""
        return self.mode == "changes" and not self.to.kept

    def definition_hash(self, columns: list[str], *, consent: str | None = None) -> str:
        """Changes with whatever makes rows comparable with those delivered before; `columns` are the resolved ones.

        `consent`: see `consent_asked`. Under another rule other customers are chosen, of the last release too.
        A new key makes new identifiers, so a keyed digest of nothing stands in for it; it tells nothing of the key.
        """
        return self._hash(columns, self.signing_key, consent)

    def earlier_hashes(self, columns: list[str], *, consent: str | None = None) -> list[str]:
        """`definition_hash` as it was under each key that was signed with before."""
        return [self._hash(columns, key.get_secret_value(), consent) for key in self.key[1:]]

    def _hash(self, columns: list[str], key: str | None, consent: str | None) -> str:
        shape = self.model_dump(include={"export", "audience", "purpose", "identifiers", "to", "mode"})
        signed = hmac.digest(key.encode(), b"", "sha256").hex() if key else ""
        return fingerprint([shape, columns, signed, *([consent] if consent else [])])


def parse_export(text: str, *, place: str) -> Export:
    """An export's YAML. Raises DefinitionError with a line for each mistake that shows in this file alone."""
    return parse(Export, {**parse_yaml(with_dates(text), place=place), "place": place}, place=place)


def purpose_of(export: Export, audiences: Mapping[str, Audience]) -> str | None:
    """What the export's data may be used for: its audience's purpose, or its own where it has no audience."""
    audience = audiences.get(export.audience or "")
    return audience.purpose if audience else export.purpose


def consent_asked(export: Export, privacy: Privacy) -> str | None:
    """The consent that its rows are chosen by; None where an audience has looked at it, or none is needed."""
    if export.audience is not None or export.purpose is None:
        return None
    consent = privacy.purposes[export.purpose].consent
    return None if consent == "none" else consent


def reader_of(export: Export, privacy: Privacy) -> Role:
    """Whose view it is. An export without a role holds nothing personal."""
    return privacy.roles.get(export.role or "", NO_ROLE)


def columns_of(
    export: Export, audiences: Mapping[str, Audience], tags: Mapping[str, "Tag"], profile: Table, privacy: Privacy
) -> list[str]:
    """The profile's columns that it holds, in their order."""
    if not export.holds_all:
        return export.named
    role, purpose, given_by = reader_of(export, privacy), purpose_of(export, audiences), tag_of_column(tags)
    return [
        column.name
        for column in profile.columns
        if column.name not in NOT_TAGS
        and role.shows(column.name, column.sensitivity) != "deny"
        and not (purpose and not_meant_for(given_by[column.name], purpose))
    ]


def masked_columns(export: Export, columns: Sequence[str], profile: Table, privacy: Privacy) -> list[str]:
    """Those of its columns that its role sees masked."""
    held = (column for column in profile.columns if column.name in columns)
    return masked(reader_of(export, privacy), held)


def as_shown(columns: Sequence[str], hidden: Collection[str]) -> list[str]:
    """The columns as the definition's hash tells them: rows with a masked one compare with none that show it."""
    return [f"{name} masked" if name in hidden else name for name in columns]


def delivered_columns(export: Export, columns: list[str], profile: Table) -> list[Column]:
    """What a delivery's columns are, in their order: meaning, unit, sensitivity."""
    described = {column.name: column for column in profile.columns}
    fields = [described[KEY], *(_FIELDS[name] for name in export.fields)]
    moved = (
        Column(CHANGE, "string", "added, changed, removed or merged since the last delivery", "none", True),
        Column(MERGED_INTO, "string", "of a merged row: the customer that it became a part of", "normal"),
    )
    first, *others = fields
    return [first, *(moved if export.tells_changes else ()), *others, *(described[name] for name in columns)]


def check_exports(
    exports: Mapping[str, Export],
    audiences: Mapping[str, Audience],
    tags: Mapping[str, "Tag"],
    profile: Table,
    privacy: Privacy,
) -> None:
    """Raise DefinitionError with a line for each mistake of any export.

    Looked for: an audience, purpose, role, column or identifier that is not there; no purpose at all; what the role
    may not hold, or could tell from who is in the audience; a tag that is not meant for the purpose; hmac without a
    key; two exports in one folder.
    """
    problems = [
        f"{export.place}: {line}"
        for export in exports.values()
        for lines in (
            _dangling(export, audiences, privacy),
            _unknown_columns(export, profile),
            _kept_back(export, profile, privacy),
            _given_away(export, audiences, profile, privacy),
            _misused(export, audiences, tags),
            _keys(export),
            _changes(export),
            _of_meta(export),
        )
        for line in lines
    ]
    problems += _shared_folders(exports)
    if problems:
        raise DefinitionError(*problems)


def _dangling(export: Export, audiences: Mapping[str, Audience], privacy: Privacy) -> Iterator[str]:
    named = (
        ("audience", export.audience, audiences, "audience"),
        ("purpose", export.purpose, privacy.purposes, "purpose in conf/privacy.yml"),
        ("role", export.role, privacy.roles, "role in conf/privacy.yml"),
    )
    for key, name, known, what in named:
        if name is not None and name not in known:
            yield f"{key}: no {what} is called '{name}'{nearest(name, known)}"
    if export.audience is None and export.purpose is None:
        purposes = ", ".join(privacy.purposes)
        yield f"purpose: say what it is used for (conf/privacy.yml knows: {purposes}), or name an audience, which does"
    audience = audiences.get(export.audience or "")
    if audience and export.purpose not in (None, audience.purpose):
        yield f"purpose: '{export.purpose}', but its audience '{audience.audience}' is for {audience.purpose}; say one"


def _unknown_columns(export: Export, profile: Table) -> Iterator[str]:
    for name in export.named:
        if name not in profile.names:
            yield f"columns: no column '{name}' in the profile{nearest(name, profile.names)}"
    for name in export.identifiers:
        if name != KEY and name not in _FIELDS:
            hint = nearest(name, [KEY, *_FIELDS]) or f" (one of {KEY}, {', '.join(_FIELDS)})"
            yield f"identifiers: no identifier '{name}'{hint}"
    for name, times in Counter([KEY, *export.fields, *export.named]).items():
        if times > 1:
            yield f"columns: '{name}' would stand in a row twice; customer_id is there by itself, name the others once"


def _who(export: Export) -> str:
    return f"the role '{export.role}'" if export.role else "an export without a role"


def _kept_back(export: Export, profile: Table, privacy: Privacy) -> Iterator[str]:
    role, who = reader_of(export, privacy), _who(export)
    described = {column.name: column for column in profile.columns}
    for name in export.named:
        if name in described and role.shows(name, described[name].sensitivity) == "deny":
            what = f"'{name}' ({described[name].sensitivity})"
            yield f"columns: {who} may not hold {what}; leave it out, or name a role that may"
    for name, form in export.identifiers.items():
        if name in _FIELDS and form in _TELLING and role.shows(name, _FIELDS[name].sensitivity) != "allow":
            yield (
                f"identifiers.{name}: {who} may not hold it as {form} ({_FIELDS[name].sensitivity}); "
                "make it hmac or masked, or name a role that may"
            )


def _given_away(export: Export, audiences: Mapping[str, Audience], profile: Table, privacy: Privacy) -> Iterator[str]:
    """Whoever receives an audience knows of all in it that they fulfil its rule, or that of one it is built on."""
    role, described = reader_of(export, privacy), {column.name: column for column in profile.columns}
    one = audiences.get(export.audience or "")
    for name, columns in cut_by(one.audience, audiences, described).items() if one else ():
        where = "it" if name == export.audience else f"'{name}', which it is built on,"
        for column in columns:
            if role.shows(column, described[column].sensitivity) != "allow":
                yield (
                    f"audience: {where} is cut by '{column}' ({described[column].sensitivity}), so that {_who(export)} "
                    "would know it of each customer; cut it by something else, or name a role that may"
                )


def _misused(export: Export, audiences: Mapping[str, Audience], tags: Mapping[str, "Tag"]) -> Iterator[str]:
    purpose, given_by = purpose_of(export, audiences), tag_of_column(tags)
    for tag in sorted({given_by[name].tag for name in export.named if name in given_by}):
        if purpose and not_meant_for(tags[tag], purpose):
            yield f"columns: {misuse(tags[tag], purpose)}"


def _keys(export: Export) -> Iterator[str]:
    signed = [name for name, form in export.identifiers.items() if form == "hmac"]
    if signed and not export.key:
        name = f"{export.export.upper()}_KEY"
        yield f"identifiers.{signed[0]}: hmac needs a key of this destination; add key: ${{{name}}}"


def _changes(export: Export) -> Iterator[str]:
    if export.form_of_key == "masked" and (export.mode == "changes" or export.to.format == JDBC):
        yield f"identifiers.{KEY}: masked ids cannot say which row is whose; use clear, sha256 or hmac"
    if export.mode != "changes":
        return
    if not export.to.kept and "{date}" not in export.to.path:
        yield "to.path: each delivery of changes needs a folder of its own; put {date} into the path"
    for name in sorted({*export.named, *export.fields} & {"as_of", "run_id", CHANGE, MERGED_INTO}):
        yield f"columns: '{name}' cannot be in an export of changes: it is new every night, or the export's own"


def _of_meta(export: Export) -> Iterator[str]:
    for name, form in export.identifiers.items():
        if form == "sha256_meta" and name not in ("email", "phone"):
            yield f"identifiers.{name}: sha256_meta is of email and phone alone; use sha256"


def _shared_folders(exports: Mapping[str, Export]) -> Iterator[str]:
    first: dict[str, str] = {}
    for export in exports.values():
        key = "table" if export.to.format == JDBC else "path"
        other = first.setdefault(export.to.place, export.export)
        if other != export.export:
            yield f"{export.place}: to.{key}: the export '{other}' delivers there too; give each a place of its own"
