"""Whether the released model stays where a fit is refused: only while it answers what the tag asks. No Spark."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.engines.released_models import Model, Models
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse
from transforms.errors import ModelError
from transforms.schemas import GOLD_MODEL, TAG_MODEL
from transforms.tags.definition import parse_tags

HEAD = "tag: {tag}\ntitle: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\n"
FEATURE = "purposes: [marketing]\nfrom: transaction\nselect: count(*)\ndefault: 0\n"
CHURN = (
    "model: churn\nlabel: {event: transaction, where: status = 'purchase', within: 60d, happens: false}\n"
    "features: [orders, visits]\n"
)
WORTH = "purposes: [marketing]\nmodel: lifetime_value\nfrom: transaction\namount: amount\n"
SEGMENTS = "model: kmeans\nfeatures: [orders, visits]\n"


class Nights:
    """Nights one after the other, each with a definition of its own; a fit gives `parameters` or is refused."""

    def __init__(self) -> None:
        self.released: dict[str, Model] = {}
        self.warned: list[str] = []
        self.previous: list[Mapping[str, Any] | None] = []

    def run(self, body: str, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        bodies = {"orders": FEATURE, "visits": FEATURE, "others": FEATURE, "m": body}
        tags = parse_tags({f"t/{name}.yml": HEAD.format(tag=name) + text for name, text in bodies.items()})
        night: Any = SimpleNamespace(
            conf=SimpleNamespace(tags=tags), warn=self.warned.append, refit=False, full_refresh=False,
            day=date(2026, 3, 1),
        )  # fmt: skip
        models = Models(night, self.released)

        def fit(previous: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
            self.previous.append(previous)
            if parameters is None:
                raise ModelError("it misses its gate")
            return parameters, {}

        found = models.parameters(tags["m"], fit)
        self.released = {**self.released, **models.tried, **models.fitted}
        return found


FITTED = {"features": [{"name": "orders"}, {"name": "visits"}], "weights": [1, 2]}


@pytest.mark.parametrize(
    ("body", "change", "stays"),
    [
        (CHURN, ("[orders, visits]", "[orders, visits, others]"), True),
        (CHURN + "gate: {auc: 0.6}\n", ("0.6", "0.9"), True),
        (CHURN, ("[orders, visits]", "[orders]"), False),  # visits is forbidden from now on
        (CHURN, ("60d", "30d"), False),
        (CHURN, ("'purchase'", "'refund'"), False),
        (CHURN, ("model: churn", "model: purchase_intent"), False),
        (WORTH, ("amount: amount", "amount: discount"), False),
        (WORTH + "horizon: 365d\n", ("365d", "90d"), False),
        (SEGMENTS, ("[orders, visits]", "[orders]"), False),
        (SEGMENTS, ("[orders, visits]", "[orders, visits, others]"), True),
    ],
)
def test_under_a_changed_definition_a_refused_fit_leaves_what_still_answers(
    body: str, change: tuple[str, str], stays: bool
) -> None:
    nights = Nights()
    fitted = {"weights": [1]} if body.startswith(WORTH) else dict(FITTED)
    first = nights.run(body, fitted)
    assert first is not None
    changed = body.replace(*change)
    assert changed != body
    assert nights.run(changed, None) == (first if stays else None)
    assert nights.warned[-1].endswith("the released model stays" if stays else "m is NULL tonight")
    # nor does it come back the night after, when what was refused is not tried again
    assert nights.run(changed, None) == (first if stays else None)
    if not body.startswith(SEGMENTS):
        # nor is anything compared with it
        assert nights.previous == [None, first if stays else None]
        assert nights.released["m"].version == 1
        assert bool(nights.released["m"].parameters) == stays


def test_what_becomes_sensitive_is_moved_out_of_gold_and_back(tmp_path: Path) -> None:
    lakehouse, versions = Lakehouse(str(tmp_path)), dict[str, int]()
    quality = {"silhouette": 0.4, "segments": [{"name": "high orders"}], "shares": {"high orders": 0.5}, "notes": []}
    fit = Model("m", "kmeans", 1, "d", date(2026, 3, 1), {"centres": [[7.5]], "features": []}, quality)

    def night(sensitivity: str, *fits: Model) -> Models:
        body = SEGMENTS + f"sensitivity: {sensitivity}\n"
        bodies = {"orders": FEATURE, "visits": FEATURE, "m": body}
        tags = parse_tags({f"t/{name}.yml": HEAD.format(tag=name) + text for name, text in bodies.items()})
        conf: Any = SimpleNamespace(tags=tags, pipeline=SimpleNamespace(timezone="UTC", mlflow=None))
        opened = Night(
            conf=conf, lakehouse=lakehouse, day=date(2026, 3, 1), run_id="r", base=None, started_at=datetime.now(UTC)
        )
        opened.versions.update(versions)
        models = Models.of(opened)
        models.fitted.update({fit.tag: fit for fit in fits})
        models.save()
        versions.clear()
        versions.update(opened.versions)
        return Models.of(opened)

    def gold() -> str:
        return str(lakehouse.rows(GOLD_MODEL, versions[GOLD_MODEL.name]))

    assert night("normal", fit).released == {"m": fit}
    assert "7.5" in gold() and TAG_MODEL.name not in versions
    before = dict(versions)
    night("normal")
    assert versions == before  # nothing is written where nothing is another
    assert night("sensitive").released == {"m": fit}
    assert not any(told in gold() for told in ("7.5", "high orders", "shares"))
    assert "silhouette" in gold() and "its tag is sensitive" in gold()
    assert night("normal").released == {"m": fit}
    assert "7.5" in gold() and TAG_MODEL.name not in versions
