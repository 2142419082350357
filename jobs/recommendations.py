"""Stage `recommendations`: what goes together in baskets, and what each customer may want next."""

import time
from collections.abc import Mapping
from datetime import date, timedelta
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


def run(night: Night) -> None:
    """Write gold/recommendation; where the fit is due also gold/association and its row of gold/model."""
    began = time.monotonic()
    wanted = night.conf.recommendations or Recommendations()
    for part, table in ((wanted.association, GOLD_ASSOCIATION), (wanted.recommendation, GOLD_RECOMMENDATION)):
        if part is None or not night.has(ENTITIES[part.from_].table):
            night.forget(table)
    if wanted.association is None and wanted.recommendation is None:
        return
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
    try:
        parameters, quality = _fitted_anew(night, wanted)
    except ModelError as error:
        night.warn(f"{error}; {'what was fitted last stays' if known else 'nothing is recommended'}")
        if known:
            _recommend_again(night, wanted.recommendation, known)
        return
    models.fitted[RECOMMENDER] = Model(
        RECOMMENDER, "als", known.version + 1 if known else 1, wanted.definition_hash, night.day, parameters, quality
    )
    models.save()
    night.figure("fitted", quality)
    if parameters.get("method") == "popularity":
        told = "do no better than" if quality["recall_at_10"]["als"] is not None else "cannot be judged yet against"
        night.warn(f"recommendation: factors {told} what most customers buy, so that is recommended")


def _fitted_anew(night: Night, wanted: Recommendations) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write both tables. Gives the parameters to recommend by, and the quality."""
    parameters, quality = dict[str, Any](), dict[str, Any]()
    part, association = wanted.recommendation, wanted.association
    cut = night.day - timedelta(days=HELD_OUT)
    if association and night.has(ENTITIES[association.from_].table):
        quality |= _associated(night, association, cut)
    if part and night.has(ENTITIES[part.from_].table):
        rows = bought(night, part, cut=cut)
        with one_thread():
            fewest = max(FEWEST_BUYERS, night.conf.privacy.smallest_group)
            parameters, told = _fitted(rows, cut, part, fewest)
        quality |= told
        _recommend(night, part, rows, parameters)
    return parameters, quality


def _associated(night: Night, part: Association, cut: date) -> dict[str, Any]:
    """Write gold/association. Gives its quality; nothing where there are too few baskets, which is told."""
    try:
        found, judged = rules(night, part, cut=cut, least=night.conf.privacy.smallest_group)
    except ModelError as error:
        night.warn(f"{error}; no rules are looked for")
        return {}
    _save(night, found, GOLD_ASSOCIATION)
    return {"rules": {"count": len(found), "recall_at_10": judged_or_none(judged)}}


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

    with one_thread():
        leave_out = part.leave_out_bought
        found = list(recommend(as_bought(rows), parameters, day=night.day, leave_out=leave_out, top=part.top))
    reasoned = []
    for row in found:
        reason = row["because"]
        words = (f"because they bought {told(reason)}", f"因为买过 {told(reason)}") if reason else (
            "bought by many customers", "许多客户都买",
        )  # fmt: skip
        reasoned.append({**row, "reason_en": words[0], "reason_zh": words[1]})
    _save(night, reasoned, GOLD_RECOMMENDATION)


def _save(night: Night, rows: list[dict[str, Any]], table: Table) -> None:
    night.save(pa.Table.from_pylist(rows, arrow_schema(table)), table)


if __name__ == "__main__":
    from jobs.cli import stage_main

    stage_main("recommendations")
