"""Tonight's matches: the records as silver has them, the model of the last release or a new one, kept in gold/model."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jobs.engines.linkage import Model as Parameters
from jobs.engines.matching import Matched, match, meaning
from jobs.engines.released_models import LINKAGE, Model, Models
from jobs.runtime.night import Night
from jobs.runtime.reader import visible
from transforms.identity.graph import Graph
from transforms.identity.guards import Believed
from transforms.identity.matching import COLUMNS
from transforms.identity.pairs import CONTRADICTIONS

STRONGEST = 1


Told = Callable[[], pa.Table]


def tonights_matches(night: Night, former: pa.Table, *, shared: Told, unbelieved: Told) -> Matched:
    """Match the night's contacts. former: the matches that stand; a refit drops them, and estimates the model anew.

    shared: `record_id, identifier`: what persons' records share though it may be another's.
    unbelieved: `id_type, id_value` of the identifiers that link nobody.

    Without matching in conf/identity.yml, or contacts, nothing is matched.
    """
    matching = night.conf.identity.matching
    former = former.slice(0, 0) if night.refit else former
    if matching is None or not night.has("silver/contact"):
        return Matched(former, CONTRADICTIONS.empty_table(), [], None, False, 0)
    models = Models.of(night)
    known, definition = models.released.get(LINKAGE), meaning(matching)
    holds = known is not None and known.definition == definition and not night.refit
    if known is not None and not holds and not night.refit:
        night.warn("conf/identity.yml: matching: what is compared has changed: its model was estimated anew")
    found = match(
        _contacts(night), matching,
        model=Parameters.of(known.parameters) if known and holds else None,
        former=former if holds else former.slice(0, 0),
        shared=shared(), unbelieved=unbelieved(),
        identifiers=night.conf.identity.identifiers, day=night.day,
        limit=night.conf.identity.limits.block, key=night.conf.privacy.keys.customer[0].encode(),
    )  # fmt: skip
    if found.fitted and found.model is not None:
        _keep(night, models, found, definition, known)
    _tell(night, found)
    return found


def shared(graph: Graph, believed: Believed) -> pa.Table:
    """`record_id, identifier`: what persons' records share though it may be another's; the strongest never is."""
    tie = believed.tie
    value = graph.tie_value[tie]
    weak = graph.person[graph.tie_node[tie]] & (graph.priority[graph.value_type[value]] > STRONGEST)
    return pa.table({"record_id": graph.nodes.take(pa.array(graph.tie_node[tie][weak])), "identifier": value[weak]})


def unbelieved(graph: Graph, believed: Believed) -> pa.Table:
    """`id_type, id_value` of the identifiers that link nobody: to agree on one says nothing."""
    stopped = pa.array(np.setdiff1d(np.arange(len(graph.values)), graph.tie_value[believed.tie]))
    types = pa.array(graph.types, pa.string()).take(pa.array(graph.value_type).take(stopped))
    return pa.table({"id_type": types, "id_value": graph.values.take(stopped)})


def _contacts(night: Night) -> pa.RecordBatchReader:
    """The visible contacts, read without Spark; `changed`: landed after the last release."""
    found = night.lakehouse.dataset("silver/contact", night.versions["silver/contact"])
    assert found is not None  # noqa: S101  (this night's state names it)
    since = night.base.date if night.base else None
    changed = pc.field("_batch_date") > pa.scalar(since, pa.date32()) if since else pc.scalar(True)
    columns = {"record_id": pc.field("_node"), "changed": changed, "ids": pc.field("ids")}
    columns |= {name: pc.field(name) for name in COLUMNS}
    return found.scanner(
        columns=columns, filter=visible(night.day, night.as_of) & pc.field("_node").is_valid()
    ).to_reader()


def _keep(night: Night, models: Models, found: Matched, definition: str, known: Model | None) -> None:
    assert found.model is not None  # noqa: S101  (it was fitted)
    quality: Mapping[str, object] = {"pairs": found.scored, "matches": found.matches.num_rows}
    row = Model(
        tag=LINKAGE, kind="linkage", version=known.version + 1 if known else 1, definition=definition,
        fitted_on=night.day, parameters=found.model.parameters(), quality=dict(quality),
    )  # fmt: skip
    replace(models, fitted={LINKAGE: row}).save()


def unlooked(found: Matched) -> pd.DataFrame:
    """The blocks that were not looked at, as rows `kind id_type id_value members detail` of identity/conflict."""
    rows = [
        ("blocked", "block", block.value, block.records, f"matching: rule '{block.rule}': larger than limits.block")
        for block in found.refused
    ]
    return pd.DataFrame(rows, columns=["kind", "id_type", "id_value", "members", "detail"])


def _tell(night: Night, found: Matched) -> None:
    for name, value in {
        "pairs": found.scored,
        "contradictions": found.contradictions.num_rows,
        "blocks_refused": len(found.refused),
    }.items():
        night.figure(name, value)
    if found.refused:
        largest = max(found.refused, key=lambda block: block.records)
        night.warn(
            f"conf/identity.yml: matching: {len(found.refused)} blocks are too large and were not compared, the "
            f"largest of rule '{largest.rule}' with {largest.records:,} records (limits.block); add a column"
        )
