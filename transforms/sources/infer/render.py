"""The proposal as the YAML of conf/sources/<name>.yml, with a `# ?` comment wherever the sample does not settle it."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from transforms.sources.infer.lines import Known, Line
from transforms.sources.infer.paths import Place
from transforms.sources.infer.proposal import Proposal
from transforms.sources.infer.sample import Sample

_WIDEST = 110


def rendered(proposal: Proposal, *, name: str, place: Place, told: str, known: Known) -> str:
    """The file's text. `told`: what the sample was, for the head."""
    parts = [
        *_comment(f"Proposed from {told}."),
        "# Where a comment begins with ?, the sample does not settle it.",
        f"source: {name}",
        *_keyed("entity", proposal.entity.name, proposal.entity_doubt),
        "# owner:                         # who answers for what it delivers",
        *_timezone(proposal, known),
        *_country(proposal),
        "read:",
        *_read(proposal, place),
        *_keyed("extract", proposal.extract, proposal.extract_doubt),
        *(["when_missing: keep"] if proposal.extract == "snapshot" and not proposal.entity.person else []),
        *_keyed("duplicates", "drop", _equal_rows(proposal.sample)),
        *_lines("columns", proposal.columns),
        *(f"  # {note}" for note in proposal.notes),
        *_lines("ids", proposal.ids),
        *_no_ids(proposal),
        *(_keyed("where", proposal.sample.where) if proposal.sample.where else []),
        *_unused(proposal),
    ]
    return "\n".join(parts) + "\n"


def scalar(value: Any) -> str:
    """A value as YAML writes it on one line."""
    dumped = yaml.safe_dump(value, allow_unicode=True, width=10**9, default_flow_style=True)
    line = str(dumped).removesuffix("...\n").strip()
    texts = isinstance(value, str) and line.startswith("'") and not set(value) & set('"\\')
    return f'"{value}"' if texts else line


def _keyed(key: str, value: Any, doubt: str = "", indent: str = "") -> Iterator[str]:
    """`key: value`, with its doubt behind it, or above where that would be too long."""
    line = f"{indent}{key}: {scalar(value)}"
    comment = f"# ? {_plain(doubt)}" if doubt else ""
    if comment and len(line) + len(comment) + 3 > _WIDEST:
        yield from textwrap.wrap(
            comment, _WIDEST, initial_indent=indent, subsequent_indent=f"{indent}#   ", break_long_words=False
        )
        comment = ""
    yield f"{line}   {comment}".rstrip()


def _plain(text: str) -> str:
    """A comment's text: one line, and nothing that the configuration would take for a variable."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(printable.replace("${", "$ {").split())


def _comment(text: str, indent: str = "") -> Iterator[str]:
    yield from textwrap.wrap(
        _plain(text), _WIDEST, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ", break_long_words=False
    )


def _timezone(proposal: Proposal, known: Known) -> Iterator[str]:
    if proposal.local_times:
        doubt = f"{', '.join(proposal.local_times)}: without an offset; where do the clocks stand?"
        yield from _keyed("timezone", known.timezone or ("Asia/Shanghai" if proposal.is_chinese else "UTC"), doubt)
    elif proposal.told_times:
        yield "timezone: UTC                    # not needed: every time tells its offset"


def _country(proposal: Proposal) -> Iterator[str]:
    names = {line.name for line in (*proposal.columns, *proposal.ids)}
    if "phone" in names and "country" not in names:
        doubt = "phones without + are read by this country's rules: say which"
        yield from _keyed(
            "country" if proposal.is_chinese else "# country", "CN" if proposal.is_chinese else "DE", doubt
        )


def _read(proposal: Proposal, place: Place) -> Iterator[str]:
    sample = proposal.sample
    yield from _keyed("format", sample.format, sample.doubts.get("format", ""), "  ")
    yield from _keyed("path", place.pattern, place.doubt, "  ")
    if sample.options:
        doubts = "; ".join(doubt for key, doubt in sample.doubts.items() if key != "format")
        yield from _keyed("options", sample.options, doubts, "  ")
    if proposal.extract != "snapshot":
        yield "  lookback: 7d                   # files that come late are taken for so long"


def _lines(key: str, lines: Sequence[Line]) -> Iterator[str]:
    if lines:
        yield f"{key}:"
    for line in lines:
        yield from _keyed(line.name, line.expression, line.doubt, "  ")


def _equal_rows(sample: Sample) -> str:
    equal = sample.rows - len(sample.distinct_rows)
    if not equal:
        return ""
    return f"{equal} of {sample.rows} rows are equal to an earlier one: drop counts them once, keep each time"


def _no_ids(proposal: Proposal) -> Iterator[str]:
    of_things = proposal.entity.name in ("product", "campaign")
    automatic = any(
        column in {line.name for line in proposal.columns} for column in proposal.entity.automatic_ids.values()
    )
    if not proposal.ids and not automatic and not of_things:
        yield "# ids:                           # ? no identifier found: without one its records belong to nobody"


def _unused(proposal: Proposal) -> Iterator[str]:
    if proposal.unused:
        yield from _comment(f"Not used: {', '.join(proposal.unused)}")
