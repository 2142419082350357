"""`portrait tags set` and `tags unset`: a value set by hand, released at once and kept by every night after.

The profile is made anew from the newest release, as its night made it: what is built on the value follows in the same
release. What nights read of silver and of identities is not touched.
"""

import json
import os
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

import pyarrow as pa
from pyarrow import dataset as ds

from jobs import pipeline, tags
from jobs.changes.forget import finish
from jobs.changes.replay import told_anew
from jobs.engines.across import save_across
from jobs.engines.customer_rows import nodes_of
from jobs.engines.freshness import freshness
from jobs.engines.overrides import overrides_of
from jobs.engines.released_models import fit_of
from jobs.identity import golden_of, save_golden
from jobs.lookups.set_by_hand import of_customer
from jobs.lookups.whose import Found, whose
from jobs.runtime import releases
from jobs.runtime.catalog import costs, released_catalog
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.night import Night
from jobs.runtime.reader import Reader
from jobs.runtime.recovery import Begin, time_of
from jobs.runtime.run_notes import noted
from jobs.runtime.tables import arrow_schema
from transforms.errors import DefinitionError
from transforms.override_values import GOLDEN, Field, field_of, read
from transforms.profile import PROFILE
from transforms.schemas import GOLD_CUSTOMER, GOLD_OVERRIDE, IDENTITY_RECORD, LEDGER
from transforms.sources.standard.emails import address
from transforms.sources.standard.phones import e164
from transforms.tags.life_cycle import check_life_cycle
from transforms.tags.plan import plan_tags
from transforms.tags.segments import segment_names
from transforms.tags.tag import CUSTOMER

Row = dict[str, Any]
AFTER = ("profile", "catalog", "segments", "audiences")


@dataclass(frozen=True)
class Wish:
    """What is asked for. `value` None: nothing is to be set any more."""

    identifier: str
    field: str
    value: str | None
    reason: str
    by: str
    until: date | None = None


def set_value(conf: Configuration, wish: Wish, screen: Screen, *, local: bool, session: Any = None) -> Night:
    """Set the value, or unset what is set, and release it. `session`: a Spark session to use instead of starting one.

    Raises DefinitionError for what cannot be: an identifier of nobody or of several, an unknown field, a value that is
    none, an end that has passed, nothing to unset; LockedError where another run holds the lakehouse.
    """
    field = field_of(wish.field, conf.tags)
    with Lease(conf.lakehouse, f"override (process {os.getpid()})") as lease:
        finish(conf, screen=screen, lease=lease, local=local, session=session)  # or the release has the person again
        reader = Reader(conf)
        check_life_cycle(conf.tags, released_catalog(reader.lakehouse, reader.release))
        owner = whose(reader, conf, wish.identifier)
        before = _of_profile(reader, owner.customer_id, field)
        now = time_of(reader.lakehouse)
        rows = overrides_of(reader.lakehouse, reader.release.versions)
        mine = [row for row in of_customer(reader, owner.customer_id) if row["field"] == field.name]
        changed = _unset(rows, mine, wish, now) if wish.value is None else _set(reader, conf, rows, owner, wish, now)
        start = Begin(f"{releases.OVERRIDE}{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", now, reader.release)
        night = pipeline.opened(
            conf, reader.release.date, start, screen=screen, lease=lease, local=local, session=session
        )
        lease.names_run(night.run_id)
        with noted(night, {"override": field.name, "set": wish.value is not None}):
            night.versions = night.lakehouse.roll_back(night.versions, keep=releases.named_tables(night.lakehouse))
            pipeline.run_stages(night, _stages(changed, owner.customer_id, field), screen, lease.check)
    _show(night, conf, owner, field, wish, before, screen)
    return night


def _of_profile(reader: Reader, customer: str, field: Field) -> Any:
    """The field's value as it is released. Raises DefinitionError for a customer who is not known."""
    table = PROFILE if field.tag else GOLD_CUSTOMER.name
    found = reader.dataset(table)
    names = ["customer_id", field.name] if found is not None and field.name in found.schema.names else ["customer_id"]
    rows = reader.where(table, ds.field("customer_id") == customer, names)
    if not rows:
        raise DefinitionError(f"{customer}: is not a known customer in release {reader.release.release}: no profile")
    return rows[0].get(field.name)


def _unset(rows: list[Row], mine: list[Row], wish: Wish, now: datetime) -> list[Row]:
    """The overrides, those of the customer's field ended."""
    if not mine:
        raise DefinitionError(f"{wish.field}: is not set by hand for this customer; portrait show tells what is")
    ended = [_key(row) for row in mine]
    return [{**row, "ended_at": now, "ended_by": wish.by} if _key(row) in ended else row for row in rows]


def _set(reader: Reader, conf: Configuration, rows: list[Row], owner: Found, wish: Wish, now: datetime) -> list[Row]:
    """The overrides with the new one. Raises DefinitionError for an end that has passed, and for no value."""
    day = reader.release.date
    if wish.until and wish.until <= day:
        raise DefinitionError(f"--until {wish.until}: has passed as of {day}; it is the first day without the value")
    tied = owner.by or _strongest(reader, conf, owner.customer_id)
    return chosen(rows, wish, tied, _written(reader, conf, field_of(wish.field, conf.tags), wish), now)


def chosen(rows: list[Row], wish: Wish, tied: tuple[str, str], value: str, now: datetime) -> list[Row]:
    """`rows` and the new override; what the same identifier had for the field before is ended, and kept."""
    same = (*tied, wish.field)
    kept = [
        {**row, "ended_at": now, "ended_by": wish.by}
        if row["ended_at"] is None and (row["id_type"], row["id_value"], row["field"]) == same
        else row
        for row in rows
    ]
    new = {
        "id_type": tied[0], "id_value": tied[1], "field": wish.field, "value": value, "reason": wish.reason,
        "set_by": wish.by, "set_at": now, "until": wish.until, "ended_at": None, "ended_by": None,
    }  # fmt: skip
    return [*kept, new]


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in GOLD_OVERRIDE.key)


def _written(reader: Reader, conf: Configuration, field: Field, wish: Wish) -> str:
    """The value as gold/override holds it. Raises DefinitionError where it is none."""
    text = str(wish.value)
    if field.name in ("email", "phone"):
        # as landing writes them, so that exports hash the same
        countries = dict.fromkeys(source.country for source in conf.sources.values())
        found = [address(text)] if field.name == "email" else [e164(text, country) for country in countries]
        text = next(filter(None, found), "")
        if not text:
            raise DefinitionError(f"{field.name}: the value is no {field.name} that can be read; write it in full")
    return read(field, text, timezone=conf.pipeline.timezone, segments=_segments(reader, field))


def _segments(reader: Reader, field: Field) -> list[str]:
    """What a model's segment may be, as the newest release's fit names them; nothing for other fields."""
    if field.tag is None or field.name != f"{field.tag.tag}_segment":
        return []
    fit = fit_of(reader, field.tag.tag)
    return segment_names(field.tag, json.loads(fit["parameters"]) if fit else None)


def _strongest(reader: Reader, conf: Configuration, customer: str) -> tuple[str, str]:
    """The identifier by which the customer is best known: of the best priority, of those the least."""
    held = reader.where(LEDGER, (ds.field("customer_id") == customer) & ds.field("valid_to").is_null())
    types = conf.identity.identifiers
    ranked = [
        (types[row["id_type"]].priority, row["id_type"], row["id_value"]) for row in held if row["id_type"] in types
    ]
    if not ranked:
        raise DefinitionError(f"{customer}: no identifier is this customer's, so nothing can be tied to one")
    return min(ranked)[1:]


# -- the run


def _stages(rows: list[Row], customer: str, field: Field) -> list[pipeline.Stage]:
    written = partial(_write, rows=rows, customer=customer if field.name in GOLDEN else None)
    first = pipeline.Stage("override", written, reads="gold/override", writes="gold/override, gold/customer")
    after = [told_anew(stage) for stage in pipeline.NIGHT if stage.name in AFTER]
    values = partial(_tags, golden=field.name in GOLDEN)
    again = pipeline.Stage("tags", values, reads="tag, gold/customer, gold/model", writes="tag/customer, tag/across")
    return [first, again, *after, pipeline.Stage("release", _release, reads="", writes="ops/release")]


def _write(night: Night, *, rows: list[Row], customer: str | None) -> None:
    """Stage `override`: the table, and the golden record of the customer whose it is."""
    data = [{name: row.get(name) for name in GOLD_OVERRIDE.names} for row in rows]
    night.save(pa.Table.from_pylist(data, arrow_schema(GOLD_OVERRIDE)), GOLD_OVERRIDE)
    if customer is None:
        return
    from pyspark.sql import functions as F

    records = night.lakehouse.dataset(IDENTITY_RECORD.name, night.versions[IDENTITY_RECORD.name])
    assert records is not None  # noqa: S101  (a release names what is there)
    mine = records.to_table(["record_id", "customer_id"], filter=ds.field("customer_id") == customer)
    fresh = golden_of(night, mine.append_column("known", pa.array([True] * len(mine))))
    others = night.load(GOLD_CUSTOMER).where(F.col("customer_id") != customer)
    save_golden(night, others.unionByName(fresh))


def _tags(night: Night, *, golden: bool) -> None:
    """Stage `tags`: those over rows stand as the night computed them, unless the definitions are others by now.

    `golden`: a golden record is another, and so may be what a query makes of it.
    """
    assert night.base  # noqa: S101  (an override stands on a release)
    if night.base.configuration != night.conf.hash:
        tags.run(night)
        return
    plan = plan_tags(night.conf.tags, timezone=night.conf.pipeline.timezone)
    fresh = freshness(night, plan)
    if golden and any(CUSTOMER in query.entities for query in plan.across.queries):
        known = night.load(GOLD_CUSTOMER).select("customer_id")
        save_across(night, plan, known, nodes_of(night, known), fresh)
    tags.save_customer(night, plan, fresh)
    night.figure("costs", costs(night.lakehouse, night.base))


def _release(night: Night) -> None:
    """The release, under the configuration of the night whose silver and identities it holds."""
    assert night.base  # noqa: S101  (an override stands on a release)
    night.release = releases.publish(
        night.lakehouse, run_id=night.run_id, day=night.day, cause="override", versions=night.versions,
        configuration=night.base.configuration, holds=night.holds,
    )  # fmt: skip
    night.figure("release", night.release.release)


def _show(
    night: Night, conf: Configuration, owner: Found, field: Field, wish: Wish, before: Any, screen: Screen
) -> None:
    reader = Reader(conf)
    now = _of_profile(reader, owner.customer_id, field)
    mine = [row for row in of_customer(reader, owner.customer_id) if row["field"] == field.name]
    for note in owner.notes:
        screen.say(note)
    screen.say(f"{field.name} of customer {owner.customer_id}: {_text(before)} -> {_text(now)}")
    if mine:
        until = f"until {mine[0]['until']} (the first day without it)" if mine[0]["until"] else "without an end"
        screen.say(f"set by {mine[0]['set_by']}, {until}, tied to this customer's {mine[0]['id_type']}")
    if len(mine) > 1:
        screen.say(f"{len(mine) - 1} set earlier for the same customer no longer count; tags unset ends them all")
    assert night.release  # noqa: S101  (it was published)
    screen.say(f"release {night.release.release} of {night.day} is what readers see now (run {night.run_id})")
    screen.result(
        {
            "customer_id": owner.customer_id, "field": field.name, "before": before, "now": now,
            "until": wish.until, "tied_to": mine[0]["id_type"] if mine else None, "run_id": night.run_id,
            "release": night.release.release,
        }
    )  # fmt: skip


def _text(value: Any) -> str:
    return "-" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
