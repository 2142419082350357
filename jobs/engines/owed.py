"""What an export's receivers are owed at a release: everything, or what changed since their last delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import dataset as ds
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.runtime.configuration import Configuration
from jobs.runtime.releases import REPLAY, Release, skipped_between
from jobs.runtime.snapshot import read_version
from jobs.runtime.tables import Lakehouse
from transforms.audience_members import consents
from transforms.errors import PortraitError
from transforms.export_rows import (
    all_added,
    asks_customers,
    changes,
    comparable,
    pads_of,
    reached,
    rows,
    shown_as,
    survivors,
)
from transforms.exports import KEY, MERGED_INTO, Export, as_shown, consent_asked, masked_columns, purpose_of
from transforms.privacy import Purpose
from transforms.profile import PROFILE, profile_table
from transforms.schemas import GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER, IDENTITY_CHANGE


class State(Protocol):
    """What a delivery reads: tables as a release names them, and what was delivered before. A Night is one."""

    conf: Configuration
    lakehouse: Lakehouse
    run_id: str

    @property
    def spark(self) -> SparkSession: ...


@dataclass(frozen=True)
class Owed:
    """What is to be delivered: the rows, what they are (full or changes), and since when or why everything."""

    rows: DataFrame
    mode: str
    since: Release | None = None
    reset: str | None = None


def owed_at(
    state: State,
    export: Export,
    release: Release,
    columns: Sequence[str],
    last: dict[str, Any] | None,
    *,
    definition: str,
    path: str,
    releases: Mapping[int, Release],
    nothing: str = "first delivery",
) -> Owed:
    """What to deliver of a release to receivers who hold the delivery `last` (a row of ops/export, None: nothing).

    Everything is owed where nobody can tell what changed for them; `reset` says why (`nothing`, where `last` is None).
    """
    new = _rows_at(state, export, release, columns)
    if export.mode == "full":
        return Owed(new, "full")

    def everything(why: str) -> Owed:
        return Owed(all_added(new), "full", reset=why)

    if last is None:
        return everything(nothing)
    shown = as_shown(columns, hidden_of(state.conf, export, columns))
    consent = consent_asked(export, state.conf.privacy)
    if last["definition"] in export.earlier_hashes(shown, consent=consent):
        return everything("its key was changed")
    if last["definition"] != definition:
        return everything("the export's definition changed")
    if last["path"] == path and not export.to.kept:
        # nobody can tell whether what lay here was taken in
        return everything(f"it takes the place of the delivery of release {last['release']} in this folder")
    if skipped_between(releases, last["release"], release.release) and not export.to.kept:
        # what the lost lakehouse delivered after its backup is with the receivers, and nobody knows of it
        return everything("the lakehouse came back from a backup since")
    since = releases.get(last["release"])
    if since is not None and since.expired:
        return everything(f"release {last['release']} has expired")
    try:
        old = _rows_at(state, export, since, columns) if since else None
    except (PortraitError, AnalysisException):
        old = None
    if since is None or old is None:
        return everything(f"release {last['release']} can no longer be read")
    if not comparable(old, new):
        return everything("columns or their types changed")
    return Owed(changes(old, new, _merged(state, export, since, release)), "changes", since=since)


def refused_since(state: State, export: Export, release: Release, newest: Release) -> int:
    """How many customers that an earlier release would deliver may not be used for its purpose any more.

    Who was merged since is asked as the customer that they are a part of now.
    """
    purpose = _purpose(state.conf, export)
    if purpose is None or purpose[1].consent == "none":
        return 0
    name, asked = purpose
    if export.audience:
        then = reached(_at(state, release, GOLD_AUDIENCE_MEMBER.name), export)
    else:
        then = _at(state, release, GOLD_CUSTOMER.name).where(consents(asked, name)).select(KEY)
    if (into := _survivors(state, release, newest)) is not None:
        then = then.join(into, KEY, "left").select(F.coalesce(MERGED_INTO, KEY).alias(KEY))
    refused = _at(state, newest, GOLD_CUSTOMER.name).where(~consents(asked, name))
    return then.join(refused, KEY, "left_semi").count()


def _purpose(conf: Configuration, export: Export) -> tuple[str, Purpose] | None:
    name = purpose_of(export, conf.audiences)
    return (name, conf.privacy.purposes[name]) if name else None


def _rows_at(state: State, export: Export, release: Release, columns: Sequence[str]) -> DataFrame:
    conf = state.conf
    profile = _at(state, release, PROFILE)
    missing = [name for name in columns if name not in profile.columns]
    if missing:
        raise PortraitError(
            f"release {release.release} of {release.date} has no column '{missing[0]}' in its profile: "
            "its tag was not online then; deliver a later release, or leave it out"
        )
    purpose = _purpose(conf, export)
    return rows(
        profile,
        _at(state, release, GOLD_CUSTOMER.name) if asks_customers(export, purpose) else None,
        _at(state, release, GOLD_AUDIENCE_MEMBER.name) if export.audience else None,
        export=export,
        columns=columns,
        purpose=purpose,
        pads=_pads(state.spark, export),
        hidden=hidden_of(conf, export, columns),
    )


def hidden_of(conf: Configuration, export: Export, columns: Sequence[str]) -> list[str]:
    """Those of the export's columns that its role sees masked."""
    return masked_columns(export, columns, profile_table(conf.tags), conf.privacy)


def _pads(spark: SparkSession, export: Export) -> DataFrame | None:
    if export.signing_key is None:
        return None
    inner, outer = pads_of(export.signing_key)
    return spark.createDataFrame(pa.table({"_inner_pad": [inner], "_outer_pad": [outer]}))


def _at(state: State, release: Release, table: str) -> DataFrame:
    if table not in release.versions:
        raise PortraitError(f"{table}: not in release {release.release} of {release.date}")
    return read_version(state.spark, state.lakehouse, table, release.versions[table])


def _merged(state: State, export: Export, since: Release, release: Release) -> DataFrame | None:
    """What became of the ids that ended since the last delivery, as the receivers know ids."""
    into = _survivors(state, since, release)
    if into is None:
        return None
    form = export.form_of_key
    return into.transform(shown_as, forms={KEY: form, MERGED_INTO: form}, pads=_pads(state.spark, export)).select(
        KEY, MERGED_INTO
    )


def _survivors(state: State, since: Release, release: Release) -> DataFrame | None:
    """The ids that ended between two releases, and what each is a part of now. None: there are none."""
    into = survivors(_merges(state.lakehouse, since, release))
    return state.spark.createDataFrame(pa.table({KEY: list(into), MERGED_INTO: list(into.values())})) if into else None


def _merges(lakehouse: Lakehouse, since: Release, release: Release) -> list[tuple[str, list[str]]]:
    """Who was merged after one release and up to another, oldest first: the id that was kept, those it came from.

    A replay merges under the date of the night that it mends: what `since` does not know of its own date is new too.
    """
    changed, before = (_changes_at(lakehouse, of) for of in (release, since))
    if changed is None:
        return []
    of_since = ds.field("date") == ds.scalar(since.date)
    known = before.to_table(columns=["run_id"], filter=of_since).column("run_id").unique() if before else []
    told_then = of_since & ds.field("run_id").isin(known)
    merges = changed.to_table(
        columns=["date", "run_id", "customer_id", "from_ids"],
        filter=(ds.field("kind") == "merge") & (ds.field("date") >= since.date) & ~told_then,
    ).to_pylist()
    merges.sort(key=lambda row: (row["date"], row["run_id"].startswith(REPLAY), row["run_id"], row["customer_id"]))
    return [(row["customer_id"], row["from_ids"] or []) for row in merges]


def _changes_at(lakehouse: Lakehouse, release: Release) -> ds.Dataset | None:
    version = release.versions.get(IDENTITY_CHANGE.name)
    return lakehouse.dataset(IDENTITY_CHANGE.name, version) if version is not None else None
