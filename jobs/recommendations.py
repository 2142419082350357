"""Stage `recommendations`: what goes together in baskets, and what each customer may want next."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("recommendations")

import time
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engines.baskets import as_bought, bought, names_of, rules
from jobs.engines.clusters import one_thread
from jobs.engines.released_models import RECOMMENDER, Model, Models
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.errors import ModelError
from transforms.models.recommended import FEWEST_BUYERS, fit_recommender, judged_or_none, recommend
from transforms.recommendations import Association, Recommendation, Recommendations
from transforms.schemas import ENTITIES, GOLD_ASSOCIATION, GOLD_RECOMMENDATION, Table

# The last weeks, which a fit is judged by.
HELD_OUT = 28
# Recommendations that are on the driver as dicts at once.
AT_ONCE = 100_000


def run(night: Night) -> None:
    """Write gold/recommendation; where the fit is due also gold/association and its row of gold/model."""
    began = time.monotonic()
    wanted = night.conf.recommendations or Recommendations()
    for part, table in ((wanted.association, GOLD_ASSOCIATION), (wanted.recommendation, GOLD_RECOMMENDATION)):
        if part is None or not night.has(ENTITIES[part.from_].table):
            night.forget(table)
    if wanted.association is None and wanted.recommendation is None:
        return
    _ = night.spark  # a run that goes on here has no session yet, and columns cannot be named without one
    models = Models.of(night)
    known = models.released.get(RECOMMENDER)
    if known and models.holds(known, wanted.definition_hash, wanted.refit):
        _recommend_again(night, wanted.recommendation, known)
    else:
        _fit(night, wanted, models, known)
    night.figure("seconds", round(time.monotonic() - began, 2))


def _recommend_again(night: Night, part: Recommendation | None, known: Model) -> None:
    """By what was fitted before, from what was bought by tonight."""
    if part is None or "items" not in known.parameters or not night.has(ENTITIES[part.from_].table):
        return
    try:
        _recommend(night, part, bought(night, part, cut=None), known.parameters)
    except ModelError as error:
        night.warn(f"{error}; the recommendations of the night before stay")


def _fit(night: Night, wanted: Recommendations, models: Models, known: Model | None) -> None:
    """Write both tables once both fits have succeeded. A fit that is refused is tried again at the next refit."""
    part, definition = wanted.recommendation, wanted.definition_hash
    cut = night.day - timedelta(days=HELD_OUT)
    try:
        found, quality = _associated(night, wanted.association, cut)
        rows, parameters, told = _fitted_anew(night, part, cut)
    except ModelError as error:
        stays = known is not None and known.definition == definition and bool(known.parameters)
        night.warn(f"{error}; {'what was fitted last stays' if stays else 'nothing is recommended'}")
        models.note_refused(RECOMMENDER, "als", definition, str(error), stays=stays)
        models.save()
        if known and stays:
            _recommend_again(night, part, known)
        else:  # what lies there answers another definition
            night.forget(GOLD_ASSOCIATION)
            night.forget(GOLD_RECOMMENDATION)
        return
    if found is not None:
        _save(night, found, GOLD_ASSOCIATION)
    if part and rows is not None:
        _recommend(night, part, rows, parameters)
    quality |= told
    version = known.version + 1 if known else 1
    models.fitted[RECOMMENDER] = Model(RECOMMENDER, "als", version, definition, night.day, parameters, quality)
    models.save()
    night.figure("fitted", quality)
    if parameters.get("method") == "popularity":
        than = "do no better than" if quality["recall_at_10"]["als"] is not None else "cannot be judged yet against"
        night.warn(f"recommendation: factors {than} what most customers buy, so that is recommended")


def _associated(
    night: Night, part: Association | None, cut: date
) -> tuple[list[dict[str, Any]] | None, dict[str, Any]]:
    """The rules and their quality; None where none are wanted or there are too few baskets, which is told."""
    if part is None or not night.has(ENTITIES[part.from_].table):
        return None, {}
    try:
        found, judged = rules(night, part, cut=cut, least=night.conf.privacy.smallest_group)
    except ModelError as error:
        night.warn(f"{error}; no rules are looked for")
        return None, {}
    return found, {"rules": {"count": len(found), "recall_at_10": judged_or_none(judged)}}


def _fitted_anew(
    night: Night, part: Recommendation | None, cut: date
) -> tuple[pa.Table | None, dict[str, Any], dict[str, Any]]:
    """What was bought, the parameters to recommend by, and their quality; None where nothing is to be recommended."""
    if part is None or not night.has(ENTITIES[part.from_].table):
        return None, {}, {}
    rows = bought(night, part, cut=cut)
    with one_thread():
        return rows, *_fitted(rows, cut, part, max(FEWEST_BUYERS, night.conf.privacy.smallest_group))


def _fitted(rows: pa.Table, cut: date, part: Recommendation, fewest: int) -> tuple[dict[str, Any], dict[str, Any]]:
    then = as_bought(rows, "weight_then", "last_then")
    after = as_bought(rows.filter(rows["after"]))
    parameters, quality = fit_recommender(
        as_bought(rows), then, after, since=cut, leave_out=part.leave_out_bought, fewest=fewest
    )
    named = names_of(rows)
    return {**parameters, "names": {item: named[item] for item in parameters["items"] if item in named}}, quality


def _recommend(night: Night, part: Recommendation, rows: pa.Table, parameters: Mapping[str, Any]) -> None:
    names = parameters["names"]
    # of the many other items nothing is known; few rows are cheaper to turn into arrays
    rows = rows.filter(pc.is_in(rows["item"], value_set=pa.array(parameters["items"], pa.string())))

    def told(item: str) -> str:
        return f"{names[item]} ({item})" if item in names else item

    def reasoned(row: Mapping[str, Any]) -> dict[str, Any]:
        reason = row["because"]
        words = (f"because they bought {told(reason)}", f"因为买过 {told(reason)}") if reason else (
            "bought by many customers", "许多客户都买",
        )  # fmt: skip
        return {**row, "reason_en": words[0], "reason_zh": words[1]}

    leave_out, schema = part.leave_out_bought, arrow_schema(GOLD_RECOMMENDATION)
    found = map(reasoned, recommend(as_bought(rows), parameters, day=night.day, leave_out=leave_out, top=part.top))
    tables = [schema.empty_table()]
    with one_thread():
        while some := list(islice(found, AT_ONCE)):  # as dicts all of them would take ten times the room
            tables.append(pa.Table.from_pylist(some, schema))
    night.save(pa.concat_tables(tables), GOLD_RECOMMENDATION)


def _save(night: Night, rows: list[dict[str, Any]], table: Table) -> None:
    night.save(pa.Table.from_pylist(rows, arrow_schema(table)), table)
