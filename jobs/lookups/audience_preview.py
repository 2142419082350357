"""`portrait audience size` and `build`: an audience over the newest release, before a night has it. Writes no table."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import csv, parquet

from jobs import audiences as stage
from jobs.engines.audience_outcomes import found_in
from jobs.lookups.rehearsal import Rehearsal
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.duck import connect
from jobs.runtime.reader import Reader
from transforms.audience_members import summaries, told_of
from transforms.audience_sql import EXCEPT, MEMBER, NO_CONSENT, outcomes_sql
from transforms.audiences import Audience, check_audiences, compile_rule, parse_audience, reached
from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.profile import PROFILE, profile_table, tag_of_column
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER
from transforms.sql.in_duckdb import condition_sql
from transforms.tags.changes import quoted

AD_HOC = "ad_hoc"
Told = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """An audience that was asked for, among `audiences`: all that it is built on, and itself."""

    name: str
    audiences: dict[str, Audience]

    @property
    def audience(self) -> Audience:
        return self.audiences[self.name]


def wanted(conf: Configuration, name: str | None, where: str | None = None, purpose: str | None = None) -> Wanted:
    """The audience of that name, in that YAML file, or of that rule. Raises DefinitionError with all its mistakes."""
    if (name is None) == (where is None):
        raise DefinitionError("say which audience: a name, a YAML file, or --where with a rule")
    known = dict(conf.audiences)
    if where is not None:
        chosen = purpose or next(iter(conf.privacy.purposes))
        audience = Audience(place="--where", audience=AD_HOC, where=where, purpose=chosen)
    elif name is not None and name not in known and Path(name).suffix in (".yml", ".yaml"):
        audience = parse_audience(_text(Path(name)), place=name)
    elif name in known:
        audience = known[name]
    else:
        raise DefinitionError(f"{name}: no such audience in conf/audiences{nearest(str(name), known)}")
    if purpose and where is None:
        audience = audience.model_copy(update={"purpose": purpose})
    known[audience.audience] = audience
    check_audiences(known, conf.tags, profile_table(conf.tags), conf.privacy, conf.pipeline.timezone)
    return Wanted(audience.audience, {one: known[one] for one in reached(audience.audience, known)})


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{file}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise DefinitionError(f"{file}: cannot be read: {error.strerror}") from None


def check_columns(reader: Reader, conf: Configuration, one: Wanted) -> None:
    """Raise DefinitionError where a rule reads a tag that the newest release does not have yet."""
    profile = reader.dataset(PROFILE)
    if profile is None:
        raise DefinitionError(f"release {reader.release.release} has no profile; run a night to its end first")
    there, owners = set(profile.schema.names), tag_of_column(conf.tags)
    for audience in one.audiences.values():
        rule = compile_rule(audience, profile_table(conf.tags), conf.pipeline.timezone)
        for column in sorted((rule.columns if rule else frozenset()) - there):
            tag = owners[column].tag
            raise DefinitionError(
                f"{audience.place}: where: the tag '{tag}' is not in release {reader.release.release} yet; "
                f"run a night first (its values: portrait tags show {tag} --preview)"
            )


@contextmanager
def outcome_table(reader: Reader, conf: Configuration, one: Wanted) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the table `outcome`: see `outcomes_sql`. Raises DefinitionError or duckdb.Error for a rule
    that DuckDB cannot be told."""
    day, end = reader.release.date, reader.release_end
    rules = {
        name: condition_sql(audience.where, place=f"{audience.place}: where", day=day, as_of=end)
        for name, audience in one.audiences.items()
        if audience.where is not None
    }
    with connect() as duck:
        duck.execute("set timezone = ?", [conf.pipeline.timezone])
        for view, table in (("profile", PROFILE), ("customer", GOLD_CUSTOMER)):
            duck.register(view, reader.dataset(table))
        query = outcomes_sql(one.audiences, rules, conf.privacy.purposes)
        duck.execute(f"create temp table outcome as {query}")
        yield duck


def show_size(conf: Configuration, one: Wanted, screen: Screen, *, local: bool) -> None:
    """How many customers an audience would have over the newest release, and who is left out and why."""
    reader = Reader(conf)
    check_columns(reader, conf, one)
    counts, engine = _counts(reader, conf, one, local=local)
    held = round(one.audience.holdout * counts[MEMBER])
    row = summaries(
        {
            "customers": counts["customers"],
            **{f"{one.name}.{key}": counts[key] for key in (NO_CONSENT, EXCEPT)},
            f"{one.name}.target": counts[MEMBER] - held,
            f"{one.name}.holdout": held,
        },
        audiences={one.name: one.audience},
        day=reader.release.date,
        smallest_group=conf.privacy.smallest_group,
    )[0]
    line = told_of(row, customers=counts["customers"])
    screen.say(f"{one.name} for {one.audience.purpose}, over release {reader.release.release} of {row['date']}")
    screen.say()
    asked = counts[MEMBER] + counts[NO_CONSENT] + counts[EXCEPT]
    rows = [
        ["known customers", counts["customers"]],
        ["fulfil the rule", asked],
        ["left out: except", counts[EXCEPT]],
        [f"left out: may not be used for {one.audience.purpose}", counts[NO_CONSENT]],
        ["members", row["size"]],
        [f"of them kept aside (expected, {one.audience.holdout:.0%})", row["holdout"]],
    ]
    screen.table("size", ["", "customers"], rows)
    if line:
        screen.warn(f"audience {one.name}: {line}")
    screen.result(
        {
            **{key: row[key] for key in ("audience", "date", "rule", "purpose", "definition", "size", "left_out")},
            "release": reader.release.release, "customers": counts["customers"], "fulfil": asked,
            "holdout_expected": row["holdout"], "engine": engine, "note": line,
        }
    )  # fmt: skip


def _counts(reader: Reader, conf: Configuration, one: Wanted, *, local: bool) -> tuple[dict[str, int], str]:
    """Outcome -> customers, by DuckDB, or by Spark where a rule cannot be said in DuckDB's words."""
    try:
        with outcome_table(reader, conf, one) as duck:
            found = dict(duck.execute(f"select {quoted(one.name)}, count(*) from outcome group by all").fetchall())
    except (DefinitionError, duckdb.Error):
        return _counts_by_spark(reader, conf, one, local=local), "Spark"
    return {
        "customers": sum(found.values()),
        **{key: found.get(key, 0) for key in (MEMBER, NO_CONSENT, EXCEPT)},
    }, "DuckDB"


def _counts_by_spark(reader: Reader, conf: Configuration, one: Wanted, *, local: bool) -> dict[str, int]:
    with _rehearsal(reader, conf, one.audiences, local=local) as night:
        with found_in(night) as found:
            row = found.counts()
        customers = night.count(PROFILE)
    return {
        "customers": customers,
        MEMBER: row[f"{one.name}.target"] + row[f"{one.name}.holdout"],
        **{key: row[f"{one.name}.{key}"] for key in (NO_CONSENT, EXCEPT)},
    }


@contextmanager
def _rehearsal(
    reader: Reader, conf: Configuration, audiences: Mapping[str, Audience], *, local: bool, session: Any = None
) -> Iterator[Rehearsal]:
    changed = replace(conf, audiences=dict(audiences))
    with tempfile.TemporaryDirectory(prefix="portrait-") as folder:
        yield Rehearsal(changed, reader.release, Path(folder), local=local, session=session)


def show_build(
    conf: Configuration, one: Wanted | None, screen: Screen, *, to: Path | None, local: bool, session: Any = None
) -> None:
    """Make the members as the next night would (all audiences: None), and write them to a file if asked to.

    Raises DefinitionError for a file that cannot be written.
    """
    reader = Reader(conf)
    if to is not None and to.suffix not in (".csv", ".parquet"):
        raise DefinitionError(f"--to {to}: write to a .csv or a .parquet file")
    if to is not None and not to.absolute().parent.is_dir():
        raise DefinitionError(f"--to {to}: no folder {to.parent}; make it first")
    chosen = one.audiences if one else conf.audiences
    for name in chosen:
        check_columns(reader, conf, Wanted(name, {other: chosen[other] for other in reached(name, chosen)}))
    with _rehearsal(reader, conf, chosen, local=local, session=session) as night:
        stage.build(night)
        rows = night.held(GOLD_AUDIENCE.name).to_table().to_pylist(maps_as_pydicts="lossy")
        members = night.held(GOLD_AUDIENCE_MEMBER.name).to_table()
        warnings = list(night.stage.warnings)
    shown = [row for row in rows if one is None or row["audience"] == one.name]
    header = ["audience", "size", "target", "holdout", "left out"]
    screen.table(
        f"As the next night would make them, over release {reader.release.release}",
        header,
        [[row[key] for key in header[:4]] + [left_out(row)] for row in shown],
    )
    for line in warnings:
        screen.warn(line)
    if to is not None:
        screen.say(f"{_written(members, [row['audience'] for row in shown], to):,} members in {to}")
    screen.result({"release": reader.release.release, "audiences": shown, "warnings": warnings, "to": to and str(to)})


def left_out(row: Mapping[str, Any]) -> str:
    """Why, and how many, in words."""
    return ", ".join(f"{reason.replace('_', ' ')} {number:,}" for reason, number in sorted(row["left_out"].items()))


def _written(members: pa.Table, names: list[str], to: Path) -> int:
    kept = members.filter(pa.compute.is_in(members["audience"], pa.array(names, pa.string())))
    kept = kept.sort_by([("audience", "ascending"), ("customer_id", "ascending")])
    try:
        if to.suffix == ".csv":
            csv.write_csv(kept, to)
        else:
            parquet.write_table(kept, to)
    except OSError as error:
        raise DefinitionError(f"--to {to}: cannot be written: {error.strerror or error}") from None
    return int(kept.num_rows)
