"""Model cards: what each released model is for, how good it is and what it must not be trusted with, a page a model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from jobs.engines.registry import figures_of
from jobs.engines.released_models import Model, Models
from jobs.pages.writing import grid, write_whole
from jobs.runtime.night import Night
from jobs.runtime.stores import files_below
from jobs.runtime.tables import Lakehouse
from transforms.models.rfm import METRICS
from transforms.models.spec import ALGORITHMS
from transforms.tags.tag import Tag

_MEASURES = {
    "auc": "area under the curve (0.5: chance, 1: perfect)",
    "error": "mean absolute error, in the tag's unit",
    "right": "share of what is named that is taken",
}
_ALTERNATIVES = (*ALGORITHMS, "bg_nbd", "combined", "learned")


def cards_of(day: date) -> str:
    """The folder of a night's cards, beside its report."""
    return f"{day}_models"


def write_cards(night: Night) -> None:
    """Write a card for each model that this night's release scores with."""
    drift = night.figures_of("catalog").get("model_drift", {})
    for name, model in sorted(Models.of(night).released.items()):
        tag = night.conf.tags.get(name)
        text = "\n".join(card(tag, model, drift.get(name, {})) if tag else plain_card(model))
        file = re.sub(r"[^a-z0-9_]+", "_", name)
        write_whole(night.lakehouse.report(f"{cards_of(night.day)}/{file}.md"), text + "\n")


def models_section(lakehouse: Lakehouse, day: date) -> str:
    """Links to a night's cards, for the run report."""
    folder = cards_of(day)
    names = sorted(file.removesuffix(".md") for file in files_below(lakehouse.report(folder)) if file.endswith(".md"))
    links = ", ".join(f'<a href="{escape(f"{folder}/{name}.md")}">{escape(name)}</a>' for name in names)
    return f"<h2>Models</h2><p>Their cards: {links}</p>" if links else ""


def card(tag: Tag, model: Model, drift: Mapping[str, float]) -> Iterator[str]:
    """The lines of a card, in Markdown. `drift`: column -> stability index since the test."""
    titles = " · ".join(title for title in (tag.title.get("en"), tag.title.get("zh")) if title)
    yield f"# {tag.tag}: {titles}"
    yield from ("", tag.description, "")
    yield f"- kind: {model.kind}; owner: {tag.owner}; may be used for: {', '.join(tag.purposes) or 'nothing'}"
    yield from _fit(model)
    if not model.parameters:
        yield from ("", "There is no released model: the tag is NULL.")
        return
    yield from _what(tag)
    shown = model.for_everybody({tag.tag: tag})
    yield from _how_good(shown.quality)
    yield from _segments(shown)
    yield from _made_of(model.parameters)
    if drift:
        yield from _table(
            "Drift since the test (0.1: something moved, 0.25: much did)", ["column", "index"], drift.items()
        )
    yield from ("", "## Limits", "")
    yield from (f"- {line}" for line in _limits(tag, model))


def plain_card(model: Model) -> Iterator[str]:
    """The card of what is no tag's: how records are matched, what is recommended."""
    yield from (f"# {model.tag}", "", f"- kind: {model.kind}")
    yield from _fit(model)
    yield from _table(
        "In figures", ["figure", "value"], [(name, f"{value:g}") for name, value in figures_of(model.quality)]
    )
    if method := model.parameters.get("method"):
        than = "whose recall at 10 is the higher one beyond chance" if method == "als" else "for factors do no better"
        yield from ("", f"Recommended by {method}, {than}. What was bought is no proof that it was liked.")


def _fit(model: Model) -> Iterator[str]:
    if model.parameters:
        yield f"- fit {model.version} of {model.fitted_on}; definition {model.definition[:16]}"
        logged = f"{model.mlflow_run}, version {model.mlflow_version}" if model.mlflow_run else "not logged"
        yield f"- MLflow: {logged}"
    if refused := model.quality.get("refused"):
        yield f"- last tried on {refused['on']} and refused: {refused['why']}"


def _segments(model: Model) -> Iterator[str]:
    """What sets each segment apart, and each k tried; of RFM the cut points. `model`: as everybody may see it."""
    if found := model.quality.get("segments"):
        rows = [
            [one["name"], f"{one['share']:.1%}", ", ".join(map(_apart, one["apart"])) or "nothing"] for one in found
        ]
        yield from _table("Its segments", ["segment", "share", "set apart by (standard deviations)"], rows)
        tried = [
            [f"{one['k']}{' (chosen)' if one['chosen'] else ''}", one["silhouette"], one["resample_ari"], one["score"]]
            for one in model.quality["candidates"]
        ]
        yield from _table("How many there are", ["k", "silhouette", "ARI of halves", "product"], tried)
    cuts = {
        metric: model.parameters[metric] for metric in METRICS if model.kind == "rfm" and metric in model.parameters
    }
    if cuts:
        told = [[metric, ", ".join(f"{float(cut):g}" for cut in points)] for metric, points in cuts.items()]
        yield from _table("Cut points, kept until the next fit", ["metric", "scores are parted at"], told)


def _apart(trait: Mapping[str, Any]) -> str:
    return f"{trait['level']} {trait['feature']} ({trait['deviations']:+.1f})"


def _what(tag: Tag) -> Iterator[str]:
    if not tag.label:
        return
    verb = "comes" if tag.label.happens else "does not come"
    yield from ("", "## What it foretells", "")
    where = f" with {tag.label.where}" if tag.label.where else ""
    yield f"The probability that a {tag.label.event}{where} {verb} within {tag.label.within} days."
    yield f"Scored: {tag.eligible or 'every known customer'}."


def _how_good(quality: Mapping[str, Any]) -> Iterator[str]:
    measure = next((name for name in _MEASURES if name in quality), None)
    if measure is None:
        plain = {name: value for name, value in quality.items() if isinstance(value, int | float | str)}
        yield from _table("How good it is", ["figure", "value"], plain.items())
        return
    rows = [["model", quality[measure], _between(quality)]]
    rows += [["baseline", quality["baseline"][measure], _between(quality["baseline"])]]
    rows += [["gain over it", quality["gain"]["gain"], _between(quality["gain"])]]
    yield from _table(f"How good it is: {_MEASURES[measure]}", ["", "value", "95 % interval"], rows)
    told = ("calibration_error", "champion", "rank_correlation", "foretold_of_what_came", "method", "algorithm")
    others = [(name.replace("_", " "), quality[name]) for name in told if quality.get(name) is not None]
    others += [(f"tried: {name}", value) for name, value in quality.get("tried", {}).items() if name in _ALTERNATIVES]
    others += [(f"customers {name}", count) for name, count in quality["customers"].items()]
    others += [("cut-offs, the last one for the test", ", ".join(quality["cut_offs"]))] if "cut_offs" in quality else []
    yield from _table("In figures", ["figure", "value"], others)


def _between(figures: Mapping[str, Any]) -> str:
    return f"{figures['low']} to {figures['high']}" if "low" in figures else ""


def _made_of(parameters: Mapping[str, Any]) -> Iterator[str]:
    features = parameters.get("features", [])
    if features:
        names = [one["name"] if isinstance(one, Mapping) else one for one in features]
        yield from ("", "## What it looks at", "", ", ".join(names))
    if dropped := parameters.get("dropped"):
        yield from _table("Not used", ["feature", "why"], dropped.items())


def _limits(tag: Tag, model: Model) -> Iterator[str]:
    yield "It learned from what customers did, not from what would change it: a driver is no cause."
    if tag.features:
        yield "It knows nothing beyond its features, and no more of them than the sources told by the cut-offs."
    if tag.kind == "lifetime_value":
        yield "Tested on the last horizon; the one released was then fitted anew with all days up to the fit."
    yield f"Fitted on {model.fitted_on}, and anew every {tag.refit} days; a season that it never saw is not in it."


def _table(title: str, header: Sequence[str], rows: Any) -> Iterator[str]:
    yield from ("", f"## {title}", "", grid(header, [[str(value) for value in row] for row in rows]))
