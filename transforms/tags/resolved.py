"""One tag checked against what it is built on: its expressions, type, values, purposes and sensitivity."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.expressions import Expression, compile_expression, told_in, told_in_query
from transforms.sql import types
from transforms.tags.across import kind_of, query_of
from transforms.tags.examples import misfit
from transforms.tags.foretold import CLASSIFIERS, PREDICTIONS
from transforms.tags.formulas import eligible_of, formula_of, label_of, rfm_segment
from transforms.tags.imports import IMPORTED
from transforms.tags.items import Item, Pick, Ranking, Statistic, columns_of, items_of
from transforms.tags.lifecycle import stages_of
from transforms.tags.sequences import happening_of
from transforms.tags.tag import ACROSS, COLUMN_TYPES, CUSTOMER, SENSITIVITIES, SEVERAL, Example, Tag, Type

_OWN_TYPE: dict[str, Type] = {
    "string": "text", "boolean": "boolean", "date": "date", "timestamp": "timestamp", "array<string>": "list",
}  # fmt: skip
# A personal column shows through in these; elsewhere where its text or digits do: a count of it or an age band says
# nothing of one person.
_SHOWS_THROUGH = ("text", "list", "date", "timestamp")


def resolved(tag: Tag, needs: Sequence[Tag], columns: Mapping[str, str]) -> Tag:
    """`tag` with type, purposes, sensitivity and dependencies filled in.

    `needs`: the tags that it is built on, resolved; `columns`: the columns of all tags so far -> Spark type.
    Raises DefinitionError with a line for each mistake.
    """
    problems = [*_status_problems(tag, needs)]
    kind: Type | None = None
    read: frozenset[str] = frozenset()  # sensitivities
    try:
        ddl, read = _compiled(tag, columns)
        kind = _type(tag, ddl)
    except DefinitionError as error:
        problems.extend(error.lines)
    if kind:
        values = tag.values or (_case_values(tag) if kind == "enum" else ())
        tag = tag.model_copy(update={"type": kind, "values": values})
        problems.extend(_value_problems(tag))
        problems.extend(_check_problems(tag))
        problems.extend(_example_problems(tag, columns))
    sensitivity = _sensitivity(tag, needs, read)
    if tag.sensitivity and SENSITIVITIES.index(tag.sensitivity) < SENSITIVITIES.index(sensitivity):
        problems.append(f"{tag.place}: sensitivity: {tag.sensitivity}, but it is built on what is {sensitivity}")
    purposes = tuple(_purposes(tag, needs, problems))
    if problems:
        raise DefinitionError(*dict.fromkeys(problems))
    return tag.model_copy(
        update={
            "purposes": purposes,
            "sensitivity": tag.sensitivity or sensitivity,
            "depends_on": tuple(sorted(need.tag for need in needs)),
        }
    )


def _compiled(tag: Tag, columns: Mapping[str, str]) -> tuple[str, frozenset[str]]:
    """The Spark type that the tag's expression gives, and the sensitivities of the columns that it reads."""
    if tag.kind == "kmeans":
        _check_features(tag, columns)
        return "string", frozenset()
    if tag.kind in CLASSIFIERS:
        return "string", _check_classifier(tag, columns)
    if tag.kind == "lifecycle":
        stages_of(tag, timezone="UTC", columns=columns)
        return "string", frozenset()
    if tag.kind in ("fact", "derived", "rule"):
        formula = formula_of(tag, timezone="UTC", columns=columns)
        return formula.select.type, sensitivities({CUSTOMER: formula.select.columns if tag.kind == "fact" else ()})
    if tag.kind in ACROSS:
        return _across(tag)
    problems: list[str] = []
    items: list[Item] = []
    try:
        items.extend(items_of(tag, timezone="UTC"))
    except DefinitionError as error:
        problems.extend(error.lines)
    try:
        _check_rfm(tag)
    except DefinitionError as error:
        problems.extend(error.lines)
    if problems:
        raise DefinitionError(*problems)
    assert tag.from_  # noqa: S101  (checked with the tag's keys)
    read = sensitivities({tag.from_: frozenset[str]().union(*(item.columns for item in items))})
    if tag.kind in SEVERAL:
        return "string", read
    item = items[0]
    if isinstance(item, Ranking):
        if tag.kind == "next_category":
            _check_foretold(tag, item.of.columns)
        return "array<string>", read
    select = item.select if isinstance(item, Statistic) else item.of if isinstance(item, Pick) else None
    assert select  # noqa: S101  (there is no other kind of item)
    return select.type, read


def _across(tag: Tag) -> tuple[str, frozenset[str]]:
    """Of a sequence, a query or an import: the type of its values, and the sensitivities of what it reads."""
    if tag.kind == "sequence":
        if tag.type == "integer" and tag.at_least:
            raise DefinitionError(f"{tag.place}: at_least: makes a condition; remove it, or write type: boolean")
        return kind_of(tag), sensitivities(happening_of(tag, timezone="UTC").columns)
    if tag.kind == "sql":
        query = query_of(tag, timezone="UTC")
        return kind_of(tag, query), sensitivities(query.reads)
    if tag.type not in IMPORTED:
        raise DefinitionError(f"{tag.place}: type: an import says what its values are: one of {', '.join(IMPORTED)}")
    return COLUMN_TYPES[tag.type], frozenset()


def sensitivities(read: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Entity -> columns, as how sensitive they are."""
    return frozenset(
        columns_of(entity)[name].sensitivity
        for entity, names in read.items()
        for name in names
        if name in columns_of(entity)
    )


def _check_foretold(tag: Tag, columns: Iterable[str]) -> None:
    """A model holds the values that it foretells, and whoever may see models sees them."""
    known = columns_of(str(tag.from_))
    problems = [
        f"{tag.place}: of: '{name}' is {known[name].sensitivity}, and a model holds the values that it foretells"
        for name in sorted(columns)
        if known[name].sensitivity in ("personal", "sensitive")
    ]
    if problems:
        raise DefinitionError(*problems)


def _check_rfm(tag: Tag) -> None:
    if tag.kind == "rfm":
        rfm_segment(tag, timezone="UTC")


def _check_features(tag: Tag, columns: Mapping[str, str]) -> None:
    problems = []
    for name in tag.features:
        if name not in columns:
            problems.append(f"{tag.place}: features: no tag '{name}'{nearest(name, columns)}")
        elif columns[name] not in ("double", "bigint", *(["boolean"] if tag.kind in CLASSIFIERS else [])):
            problems.append(f"{tag.place}: features: '{name}' is {types.describe(columns[name])}, not a number")
    for name in {*tag.transform} - {*tag.features}:
        problems.append(f"{tag.place}: transform: '{name}' is not one of the features{nearest(name, tag.features)}")
    if len(set(tag.features)) < len(tag.features):
        problems.append(f"{tag.place}: features: names one twice")
    if problems:
        raise DefinitionError(*problems)


def _check_classifier(tag: Tag, columns: Mapping[str, str]) -> frozenset[str]:
    """The features, who is eligible, and what the label looks for; gives the sensitivities of what the label reads."""
    problems: list[str] = []
    read: frozenset[str] = frozenset()

    def check(step: Callable[[], Expression | None]) -> frozenset[str]:
        try:
            found = step()
        except DefinitionError as error:
            problems.extend(error.lines)
            return frozenset()
        return found.columns if found else frozenset()

    check(lambda: _check_features(tag, columns))
    check(lambda: eligible_of(tag, timezone="UTC", columns=columns))
    read = check(lambda: label_of(tag, timezone="UTC"))
    if problems:
        raise DefinitionError(*problems)
    assert tag.label  # noqa: S101  (checked with the tag's keys)
    return sensitivities({tag.label.event: read})


def _type(tag: Tag, ddl: str) -> Type:
    """The tag's type: as written if the expression's values fit it, else what they are."""
    if tag.kind in SEVERAL:
        if tag.type:
            raise DefinitionError(f"{tag.place}: type: a model has several outputs of their own types; remove it")
        return "text"
    if tag.type is None:
        if ddl == "string" and (tag.values or tag.kind == "rule"):
            return "enum"
        found = "integer" if types.is_integer(ddl) else "number" if types.is_number(ddl) else _OWN_TYPE.get(ddl)
        if found is None and tag.kind == "rule":
            raise DefinitionError(f"{tag.place}: cases: their values are of several types; make them alike")
        if found is None:
            raise DefinitionError(f"{tag.place}: gives {types.describe(ddl)}, which no tag can hold; cast it")
        return found
    if not _fits(tag.type, ddl):
        raise DefinitionError(f"{tag.place}: type: {tag.type}, but the tag gives {types.describe(ddl)} ({ddl})")
    return tag.type


def _fits(kind: Type, ddl: str) -> bool:
    match kind:
        case "number":
            return types.is_number(ddl)
        case "integer":
            return types.is_integer(ddl)
        case _:
            return ddl == COLUMN_TYPES[kind]


def _case_values(tag: Tag) -> tuple[str, ...]:
    values = [case.value for case in tag.cases] + ([tag.default] if tag.default is not None else [])
    return tuple(dict.fromkeys(str(value) for value in values))


def _value_problems(tag: Tag) -> Iterator[str]:
    if tag.type == "enum" and not tag.values:
        yield f"{tag.place}: values: an enum lists its values: values: [low, middle, high]"
    if tag.segmentation and (tag.kind in PREDICTIONS or not (tag.model or tag.type == "enum")):
        yield f"{tag.place}: segmentation: only a tag of few named values parts customers; write type: enum"
    if tag.values and tag.type != "enum":
        yield f"{tag.place}: values: only an enum lists its values; write type: enum"
    if tag.default is not None and not _is_a(tag.type, tag.default):
        yield f"{tag.place}: default: {tag.default!r} is not of type {tag.type}"
    elif tag.type == "enum" and tag.default is not None and str(tag.default) not in tag.values:
        yield f"{tag.place}: default: '{tag.default}' is not one of values{nearest(str(tag.default), tag.values)}"
    for position, case in enumerate(tag.cases):
        if not _is_a(tag.type, case.value):
            yield f"{tag.place}: cases[{position}].value: {case.value!r} is not of type {tag.type}"
        elif tag.type == "enum" and case.value not in tag.values:
            hint = nearest(case.value, tag.values)
            yield f"{tag.place}: cases[{position}].value: '{case.value}' is not one of values{hint}"


def is_relative(kind: Type | None, value: Any) -> bool:
    """Whether a value of an example is a day told from the business day, such as -10d."""
    return kind in ("date", "timestamp") and isinstance(value, str) and bool(re.fullmatch(r"-?\d{1,5}d", value))


def _is_a(kind: Type | None, value: Any) -> bool:
    match kind:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "date":
            return isinstance(value, date) and not isinstance(value, datetime)
        case "timestamp":
            return isinstance(value, datetime)
        case "list":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case _:
            return isinstance(value, str)


def _check_problems(tag: Tag) -> Iterator[str]:
    columns = {"value": COLUMN_TYPES[tag.type or "text"]}
    if tag.kind in SEVERAL:
        columns = {output.name.removeprefix(f"{tag.tag}_"): output.type for output in tag.outputs}
    for position, check in enumerate(tag.checks):
        if check.expect is None:
            continue
        place = f"{tag.place}: checks[{position}].expect"
        try:
            rule = compile_expression(check.expect, place=place, columns=columns, what="a check of a tag")
        except DefinitionError as error:
            yield from error.lines
            continue
        if rule.type != "boolean":
            yield f"{place}: is {types.describe(rule.type)}, not a condition"


def _example_problems(tag: Tag, columns: Mapping[str, str]) -> Iterator[str]:
    """Examples speak of columns that there are, rows where the tag is over rows, and a value of the tag's type."""
    if tag.model and tag.examples:
        why = "is told from the night before too" if tag.kind == "lifecycle" else "learns from all customers"
        yield f"{tag.place}: examples: a model {why}, so that a few rows give no value; remove them"
        return
    over_rows = tag.kind in ("statistic", "first", "last", "preference")
    on_tags = tag.kind in ("derived", "rule")
    known = columns if on_tags else {name: column.type for name, column in columns_of(tag.from_ or CUSTOMER).items()}
    what = "tag" if on_tags else "column"
    for position, example in enumerate(tag.examples):
        place = f"{tag.place}: examples[{position}]"
        if tag.kind in ACROSS:
            yield from _example_across(tag, example, place)
            continue
        if over_rows != isinstance(example.given, list):
            wanted = "a list of rows" if over_rows else "one mapping of names to values"
            yield f"{place}.given: must be {wanted}"
            continue
        rows = example.given if isinstance(example.given, list) else [example.given]
        for name in dict.fromkeys(name for row in rows for name in row):
            if name not in known:
                yield f"{place}.given: no {what} '{name}'{nearest(name, known)}"
        yield from _misfits(rows, known, place)
        yield from _example_value(tag, example, place)


def _misfits(rows: Iterable[Mapping[str, Any]], known: Mapping[str, str], place: str) -> Iterator[str]:
    """Values that are none of their column's type. `known`: column -> Spark type."""
    for row in rows:
        for name, value in row.items():
            if name in known and (wanted := misfit(value, types.normal(known[name]))):
                yield f"{place}.given: {name}: {value!r} is not {wanted}"


def _example_value(tag: Tag, example: Example, place: str) -> Iterator[str]:
    if example.value is not None and not is_relative(tag.type, example.value) and not _is_a(tag.type, example.value):
        yield f"{place}.value: {example.value!r} is not of type {tag.type}"


def _example_across(tag: Tag, example: Example, place: str) -> Iterator[str]:
    """The rows of an example of a sequence or a query are given by entity. A list from outside is its own example."""
    if tag.kind == "import":
        yield f"{place}: an import has no examples; its file says what it gives"
        return
    given = example.given if isinstance(example.given, dict) else {}
    if not all(isinstance(rows, list) for rows in given.values()) or not isinstance(example.given, dict):
        yield f"{place}.given: must be rows by entity: {{web_event: [{{…}}], transaction: []}}"
        return
    entities = dict.fromkeys(step.event for step in tag.sequence) or query_of(tag, timezone="UTC").reads
    for entity, rows in given.items():
        if entity not in entities:
            yield f"{place}.given: the tag reads no '{entity}'{nearest(entity, entities)}"
            continue
        for name in dict.fromkeys(name for row in rows for name in row):
            if name not in columns_of(entity):
                yield f"{place}.given: no column '{name}' in {entity}{nearest(name, columns_of(entity))}"
        yield from _misfits(rows, {name: column.type for name, column in columns_of(entity).items()}, place)
    yield from _example_value(tag, example, place)


def _status_problems(tag: Tag, needs: Sequence[Tag]) -> Iterator[str]:
    for need in needs:
        if need.status == "retired" or (tag.status == "online" and need.status != "online"):
            yield f"{tag.place}: uses '{need.tag}', which is {need.status}; an online tag is built on online tags"


def _sensitivity(tag: Tag, needs: Sequence[Tag], read: frozenset[str]) -> str:
    """The highest of what it is built on. Personal shows through only where the values themselves do."""
    found = read | {need.sensitivity for need in needs}
    if "sensitive" in found:
        return "sensitive"
    if "personal" not in found or tag.type == "boolean":
        return "normal"
    return "personal" if tag.type in _SHOWS_THROUGH or "personal" in _told(tag, needs) else "normal"


def _told(tag: Tag, needs: Sequence[Tag]) -> frozenset[str]:
    """The sensitivities of the columns or tags whose text or digits the tag's value may tell."""
    if tag.sql:
        return frozenset[str]().union(*(sensitivities({e: [c]}) for e, c in told_in_query(tag.sql, "value")))
    names = told_in(str(tag.select or tag.first or tag.last))
    if tag.kind == "derived":
        return frozenset(str(need.sensitivity) for need in needs for own in need.outputs if own.name in names)
    return sensitivities({tag.from_: names}) if tag.from_ else frozenset()


def _purposes(tag: Tag, needs: Sequence[Tag], problems: list[str]) -> list[str]:
    """As written, or for a tag on tags what all of them may be used for."""
    if not needs:
        if not tag.purposes:
            problems.append(f"{tag.place}: purposes: this key is required; say what the tag may be used for")
        return list(tag.purposes)
    shared = [purpose for purpose in needs[0].purposes if all(purpose in need.purposes for need in needs)]
    for purpose in tag.purposes:
        for need in needs:
            if purpose not in need.purposes:
                problems.append(f"{tag.place}: purposes: {purpose}, which '{need.tag}' may not be used for")
    return list(tag.purposes) or shared
