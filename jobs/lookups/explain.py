"""`portrait explain ID TAG`: where a value came from, and the same value recomputed by another engine."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
from pyarrow import dataset as ds

from jobs.engines.released_models import fit_of
from jobs.lookups.rehearsal import rehearsed, with_needs
from jobs.lookups.set_by_hand import of_customer, show_set
from jobs.lookups.tags_catalog import row_of
from jobs.lookups.whose import whose
from jobs.runtime.catalog import released_catalog
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.duck import connect
from jobs.runtime.reader import Reader
from transforms.errors import DefinitionError
from transforms.overrides import affected
from transforms.profile import PROFILE
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, IDENTITY_RECORD
from transforms.tags.definition import parse_tags
from transforms.tags.foretold import CLASSIFIERS
from transforms.tags.plan import meaning
from transforms.tags.recompute import needed_by, rfm_scores, rfm_segment_sql, rows_sql, settled, value_sql
from transforms.tags.tag import CUSTOMER, Tag

Told = dict[str, Any]
# Money is divided exactly here and with rounded digits there.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Explained:
    """A released tag of a customer. `columns`: those asked for; `rows`: what went in, and `total` of them."""

    tag: Tag
    columns: list[str]
    released: dict[str, Any]
    rows: list[Told]
    total: int
    recomputed: dict[str, Any]
    why_not: str | None = None
    model: Told | None = None


def show_explanation(
    conf: Configuration, identifier: str, name: str, screen: Screen, *, spark: bool, rows: int, local: bool
) -> None:
    """Print where the value came from. Raises DefinitionError for a customer or a tag that is not there."""
    reader = Reader(conf)
    owner = whose(reader, conf, identifier)
    catalog = released_catalog(reader.lakehouse, reader.release)
    if not catalog:
        raise DefinitionError(f"release {reader.release.release} has no catalogue of tags yet; run a night first")
    row = row_of(catalog, name)
    if row["status"] != "online" or row["gone_since"]:
        raise DefinitionError(f"{row['tag']}: is {row['status']} in the newest release, so nobody has a value of it")
    tags = parse_tags({row["place"]: row["yaml"] for row in catalog.values() if not row["gone_since"]})
    found = explained(reader, conf, tags, owner.customer_id, row, name, rows=rows)
    if spark:
        found = _by_spark(reader, conf, tags, owner.customer_id, found, local=local)
    told = _told(reader, conf, tags, owner.customer_id, row, found, engine="Spark" if spark else "DuckDB")
    for note in owner.notes:
        screen.say(note)
    _show(told, screen, ZoneInfo(conf.pipeline.timezone))
    screen.result(told)


def explained(
    reader: Reader, conf: Configuration, tags: dict[str, Tag], customer: str, row: Told, name: str, *, rows: int = 20
) -> Explained:
    """The value as it is released, what went in, and what DuckDB makes of that."""
    tag = tags[row["tag"]]
    profile = reader.where(PROFILE, ds.field("customer_id") == customer)
    if not profile:
        raise DefinitionError(f"{customer}: is not a known customer in release {reader.release.release}: no profile")
    columns = [name] if name in row["columns"] else list(row["columns"])
    released = {column: profile[0][column] for column in columns}
    given = _given(reader, tag, customer, profile[0])
    day, end = reader.release.date, reader.release_end
    fit = fit_of(reader, tag.tag)
    model = _model(fit) if fit else None
    used, total, recomputed, why_not = list[Told](), 0, dict[str, Any](), None
    if row["stale"]:
        why_not, recomputed = f"NULL for everybody: {row['stale']}", dict.fromkeys(columns)
    elif given is not None:
        try:
            used, total, recomputed = _recomputed(tag, given, conf.pipeline.timezone, day, end, rows)
            if tag.kind == "rfm" and model:
                recomputed |= _scored(tag, recomputed, json.loads(model["parameters"]), day, end)
        except (DefinitionError, duckdb.Error) as error:
            line = str(error) if isinstance(error, DefinitionError) else f"DuckDB cannot say it ({_line(error)})"
            why_not = f"{line}; try --spark"
    else:
        from_tags = {
            **dict.fromkeys(("kmeans", *CLASSIFIERS), "made by a model from tags"),
            "lifecycle": "made from tags and the night before's stage",
        }
        article = "an" if tag.kind == "import" else "a"
        why_not = from_tags.get(tag.kind, f"{article} {tag.kind} is recomputed by --spark alone")
    kept = {column: value for column, value in recomputed.items() if column in columns}
    return Explained(tag, columns, released, used, total, kept, why_not, model)


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _model(row: Told) -> Told:
    return {key: row[key] for key in ("kind", "version", "fitted_on", "parameters", "quality")}


def _given(reader: Reader, tag: Tag, customer: str, profile: Told) -> pa.Table | None:
    """What the tag's value is made from, of this customer; None for what DuckDB is not asked about."""
    if tag.kind in ("derived", "rule"):
        source = reader.dataset(PROFILE)
        assert source is not None  # noqa: S101  (the profile was read from it)
        return source.to_table(sorted(needed_by(tag)), filter=ds.field("customer_id") == customer)
    if tag.from_ == CUSTOMER:
        golden = reader.dataset(GOLD_CUSTOMER)
        return golden and golden.to_table(sorted(needed_by(tag)), filter=ds.field("customer_id") == customer)
    if tag.from_ is None or tag.from_ not in ENTITIES:
        return None
    mine = ds.field("customer_id") == customer
    nodes = [row["record_id"] for row in reader.where(IDENTITY_RECORD, mine, ["record_id"])]
    return reader.of_nodes(ENTITIES[tag.from_].table, nodes, sorted(needed_by(tag) | {"record_id"}))


def _recomputed(
    tag: Tag, given: pa.Table, timezone: str, day: date, end: datetime, most: int
) -> tuple[list[Told], int, dict[str, Any]]:
    duck = connect()
    duck.execute("set timezone = ?", [timezone])
    duck.register("given", given)
    used = pa.table(duck.sql(rows_sql(tag, day=day, as_of=end)).to_arrow_table()) if tag.from_ in ENTITIES else given
    by = [(name, "ascending") for name in ("event_date", "record_id") if name in used.column_names]
    shown = used.sort_by(by) if by else used
    values = {}
    for column, sql in value_sql(tag, day=day, as_of=end).items():
        found = duck.execute(sql).fetchone()
        values[column] = settled(found[0] if found else None, tag, column, timezone=timezone)
    return shown.slice(0, most).to_pylist(maps_as_pydicts="lossy"), used.num_rows, values


def _scored(tag: Tag, figures: dict[str, Any], parameters: Told, day: date, end: datetime) -> dict[str, Any]:
    """RFM's scores and segment, from the figures and the model's cut points."""
    own = {name.removeprefix(f"{tag.tag}_"): value for name, value in figures.items()}
    own |= rfm_scores(own, parameters)
    duck = connect()
    duck.register("given", pa.table({name: [value] for name, value in own.items()}))
    found = duck.execute(rfm_segment_sql(tag, day=day, as_of=end)).fetchone()
    scored = {f"{tag.tag}_{score}": own[score] for score in "rfm"}
    return {**scored, f"{tag.tag}_segment": found[0] if found else None}


def _by_spark(
    reader: Reader, conf: Configuration, tags: dict[str, Tag], customer: str, found: Explained, *, local: bool
) -> Explained:
    """The same with what the engine of the night makes of the released definition."""
    with rehearsed(conf, reader.release, with_needs([found.tag.tag], tags), local=local) as night:
        mine = night.held(PROFILE).to_table(found.columns, filter=ds.field("customer_id") == customer).to_pylist()
    values = mine[0] if mine else dict.fromkeys(found.columns)
    return Explained(found.tag, found.columns, found.released, found.rows, found.total, values, model=found.model)


def same(released: Any, recomputed: Any) -> bool:
    """Are two engines' values the same? Numbers to a millionth: money is divided exactly here, rounded there."""
    if isinstance(released, int | float) and isinstance(recomputed, int | float):
        return math.isclose(released, recomputed, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(released, datetime) and isinstance(recomputed, datetime):
        return released.astimezone(UTC) == recomputed.astimezone(UTC)
    return bool(released == recomputed)


def _told(
    reader: Reader,
    conf: Configuration,
    tags: dict[str, Tag],
    customer: str,
    row: Told,
    found: Explained,
    *,
    engine: str,
) -> Told:
    tag, here = found.tag, conf.tags.get(found.tag.tag)
    by_hand = of_customer(reader, customer)
    tables = [PROFILE, IDENTITY_RECORD.name, GOLD_CUSTOMER.name, *(f"silver/{name}" for name in row["reads"])]
    return {
        "customer_id": customer, "tag": tag.tag, "release": reader.release.release, "date": reader.release.date,
        "run_id": reader.release.run_id, "definition": row["definition"], "meaning": meaning(tag, tags),
        "version": tag.version, "yaml": row["yaml"],
        "differs_here": here is None or meaning(here, conf.tags) != row["meaning"],
        "tables": {name: reader.release.versions[name] for name in tables if name in reader.release.versions},
        "built_on": list(tag.depends_on), "rows": found.rows, "rows_in_all": found.total, "model": found.model,
        "set_by_hand": [one for one in by_hand if one["field"] in found.columns],
        "built_on_set_by_hand": [one["field"] for one in by_hand if _reaches(one["field"], found, tags)],
        "released": found.released, "recomputed": found.recomputed, "engine": engine, "not_recomputed": found.why_not,
        "equal": {
            column: same(found.released[column], value) for column, value in found.recomputed.items()
            if engine == "Spark" or column not in {one["field"] for one in by_hand}
        },
    }  # fmt: skip


def _reaches(field: str, found: Explained, tags: dict[str, Tag]) -> bool:
    """Is the value built on that field, rather than set itself?"""
    return field not in found.columns and not affected(field, tags).isdisjoint(found.columns)


def _show(told: Told, screen: Screen, zone: ZoneInfo) -> None:
    screen.say(f"{told['tag']} of customer {told['customer_id']}, as of {told['date']} (release {told['release']})")
    screen.say()
    screen.say(told["yaml"])
    screen.say(f"definition {told['definition'][:16]}, version {told['version']}; made by run {told['run_id']}")
    if told["differs_here"]:
        screen.say("the file here says something else by now: portrait tags diff")
    screen.say("from " + ", ".join(f"{name} at version {version}" for name, version in told["tables"].items()))
    screen.say()
    if told["rows"]:
        header = [name for name in told["rows"][0] if name != "record_id"]
        shown = [[_text(row[name], zone) for name in header] for row in told["rows"]]
        screen.table(f"what went in: {told['rows_in_all']} rows", header, shown)
        if told["rows_in_all"] > len(told["rows"]):
            screen.say(f"… and {told['rows_in_all'] - len(told['rows'])} more; --rows shows more of them")
            screen.say()
    elif not told["not_recomputed"]:
        screen.say(f"{told['rows_in_all']:,} rows went in" if told["rows_in_all"] else "no row went in")
    if told["model"]:
        model = told["model"]
        screen.say(
            f"model: {model['kind']}, fit {model['version']} of {model['fitted_on']}: {model['parameters'][:1000]}"
        )
        screen.say()
    _show_values(told, screen, zone)


def _show_values(told: Told, screen: Screen, zone: ZoneInfo) -> None:
    rows = [
        [column, _text(value, zone), _text(told["recomputed"][column], zone), "yes" if told["equal"][column] else "NO"]
        if column in told["equal"]
        else [column, _text(value, zone), _text(told["recomputed"].get(column, ""), zone), ""]
        for column, value in told["released"].items()
    ]
    screen.table("value", ["column", "released", f"recomputed by {told['engine']}", "equal"], rows)
    if told["not_recomputed"]:
        screen.say(told["not_recomputed"])
    show_set(told["set_by_hand"], screen)
    if told["set_by_hand"]:
        screen.say("the released value was set by hand; beside it stands what it would be without")
    if told["built_on_set_by_hand"]:
        screen.say(f"built on what was set by hand: {', '.join(told['built_on_set_by_hand'])}; portrait show tells why")


def _text(value: Any, zone: ZoneInfo) -> str:
    """A value on the screen; a time as the business's clock says it, to which its day is told beside it."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    return ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
