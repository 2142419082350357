"""Segments of an earlier day against what the same customers spent since: how much a segmentation tells of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import duckdb
import pyarrow as pa
from pyarrow import dataset as ds
from pyspark.sql import DataFrame

from jobs.engines import segment_figures as figures
from jobs.engines.customer_rows import nodes_of
from jobs.engines.cut_offs import extents, history, read_by, sampled, tags_at
from jobs.engines.past import there
from jobs.engines.released_models import Models
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, all_releases
from transforms.errors import ModelError
from transforms.profile import PROFILE
from transforms.schemas import ENTITIES, IDENTITY_RECORD
from transforms.tags.lifecycle import stages_of, with_lifecycle
from transforms.tags.plan import plan_tags
from transforms.tags.segmentations import Segmentation
from transforms.tags.segments import with_kmeans, with_rfm
from transforms.tags.tag import Tag

# How long ago the segments lie that are held against what customers spent since: the longest there is up to the first,
# and nothing shorter than the second says anything.
PERIOD, SHORTEST_PERIOD = 28, 7
_ID = "customer_id"


@dataclass(frozen=True)
class LaterValue:
    """The segments of a day (`then`: customer_id and a column a segmentation), and what was spent since."""

    since: date
    then: pa.Table
    spent: pa.Table

    def explained(self, column: str) -> float | None:
        """How much a segmentation explains of it; None where it was not known then."""
        return figures.explained(self.then, column, self.spent) if column in self.then.column_names else None


def later_value(night: Night, found: Sequence[Segmentation]) -> LaterValue | None:
    """The segments as an earlier release has them, or else as tonight's rules and fits would have given them then.

    None where nothing was sold that long ago.
    """
    lines = dataset(night, ENTITIES["transaction"].table.name)
    owners = dataset(night, IDENTITY_RECORD.name)
    if lines is None or owners is None:
        return None
    earlier = earlier_release(night)
    since = earlier.date if earlier else night.day - timedelta(days=PERIOD)
    profile = dataset(night, PROFILE, earlier.versions) if earlier else None
    then: pa.Table | None = None
    if profile:
        then = figures.sampled(profile, [one.column for one in found if one.column in profile.schema.names])
    elif _reaches(lines, since - timedelta(days=PERIOD)):
        then = _as_they_stood(night, since, found)
    return None if then is None else LaterValue(since, then, figures.spent_since(lines, owners, since, night.day))


def dataset(night: Night, name: str, versions: Mapping[str, int] | None = None) -> ds.Dataset | None:
    """A table at the version of this night, or of `versions`; None where it has none."""
    versions = night.versions if versions is None else versions
    if name not in versions:
        return None
    night.stage.inputs.setdefault(name, versions[name])
    return night.lakehouse.dataset(name, versions[name])


def earlier_release(night: Night) -> Release | None:
    """The state whose segments are held against what was spent since: the latest at least PERIOD days old, or else the
    oldest that is old enough to tell anything; None where its profile is gone."""
    limit = night.base.release if night.base else 0
    known = [one for one in all_releases(night.lakehouse) if one.release <= limit and PROFILE in one.versions]
    ages = [((night.day - one.date).days, one) for one in known]
    long = [one for age, one in ages if age >= PERIOD]
    short = [one for age, one in ages if SHORTEST_PERIOD <= age < PERIOD]
    for one in (*reversed(long), *short):
        if night.lakehouse.holds(PROFILE, one.versions[PROFILE]):
            return one
    return None


def _reaches(lines: ds.Dataset, day: date) -> bool:
    """Was anything sold by that day? Segments of a time with no history behind it are all alike."""
    duck = duckdb.connect()
    duck.register("lines", lines)
    [(first,)] = duck.execute("select min(event_date) from lines").fetchall()
    return first is not None and first <= day


def _as_they_stood(night: Night, day: date, found: Sequence[Segmentation]) -> pa.Table | None:
    """customer_id and the segments of those who had been seen by that day; of a bounded sample, in one Spark job.

    By tonight's rules and fits over what had happened by then. The golden record counts as it is tonight: its earlier
    states are not kept. Stages of life are those of a first night. None where there are too few customers.
    """
    plan = plan_tags(night.conf.tags, timezone=night.conf.pipeline.timezone, only=[one.tag.tag for one in found])
    first = {name: since for name, (since, _) in extents(night, read_by(plan)).items()}
    if all(since > day for since in first.values()):
        return None
    try:
        customers = sampled(night)
    except ModelError:
        return None
    cut, nodes = night.at(day), nodes_of(night, customers).persist()
    with history(night, plan, nodes) as held:
        frame = tags_at(
            cut, plan, customers=customers, nodes=nodes, held=held, first=first, facts_of=night,
            scored=partial(_segmented, cut, Models.of(night)),
        )  # fmt: skip
        known = frame.join(there(cut, plan, nodes, first), _ID, "left_semi")
        table = known.select(_ID, *(one.column for one in found)).toArrow()
    nodes.unpersist()
    return table.sort_by(_ID).combine_chunks()


def _segmented(cut: Night, models: Models, frame: DataFrame, tag: Tag) -> DataFrame:
    """`frame` with the segments that a fit of tonight, or the rules of a life cycle, give at a cut-off."""
    timezone = cut.conf.pipeline.timezone
    parameters = models.released[tag.tag].parameters or None if tag.tag in models.released else None
    if tag.kind == "rfm":
        return with_rfm(frame, tag, parameters=parameters, timezone=timezone, day=cut.day, as_of=cut.as_of)
    if tag.kind == "kmeans":
        return with_kmeans(frame, tag, parameters=parameters)
    if tag.kind != "lifecycle":
        return frame
    columns: Mapping[str, str] = {out.name: out.type for other in cut.conf.tags.values() for out in other.outputs}
    stages = stages_of(tag, timezone=timezone, columns=columns)
    return with_lifecycle(frame, tag, stages=stages, last=None, elapsed=0, day=cut.day, as_of=cut.as_of)
