"""The next value without Spark: by hand, planted habits, and too little to learn from."""

import json

import numpy as np
import pyarrow as pa
import pytest

from jobs.engines.next_values import fit_lists
from transforms.errors import ModelError
from transforms.models.next_value import scored, shares
from transforms.tags.tag import Tag

TAG = Tag(
    tag="next", title={"en": "t"}, description="d", owner="o", model="next_category", of="category", top=2,
    **{"from": "transaction"},
)  # fmt: skip
# who has bread takes milk, who has milk takes tea; tea brings nothing
BY_HAND = {
    "values": ["milk", "bread", "tea"],
    "base": [0.5, 0.4, 0.1],
    "weights": [[0.0, 0.0, 0.6], [0.4, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "top": 2,
}


def lists(*rows: list[str] | None) -> pa.Array:
    return pa.array(rows, pa.list_(pa.string()))


def test_by_hand() -> None:
    known = lists(["milk", "bread"], ["tea", "gin", "milk"], [], None, ["bread"])
    # the second of a list counts half, the third a third; gin is no value that can be foretold
    expected = [[0.5 + 0.2, 0.4, 0.1 + 0.6], [0.5, 0.4, 0.1 + 0.2], [0.5, 0.4, 0.1], [0.5, 0.4, 0.1], [0.9, 0.4, 0.1]]
    np.testing.assert_allclose(shares(known, BY_HAND), expected)
    # of equals the more popular first; who never took anything has no list
    assert scored(BY_HAND, [known]).to_pylist() == [["milk", "tea"], ["milk", "bread"], ["milk", "bread"], None,
                                                    ["milk", "bread"]]  # fmt: skip
    assert scored(BY_HAND, [known.slice(4, 1)]).to_pylist() == [["milk", "bread"]]
    assert scored(BY_HAND, [known.slice(0, 0)]).to_pylist() == []


def planted(customers: int, seed: int = 1) -> pa.Table:
    """Cats' owners take litter after food, dogs' owners a leash; everybody may take milk."""
    chance = np.random.default_rng(seed)
    rows = []
    for one in range(customers):
        pet, more = [("cat food", "litter"), ("dog food", "leash")][one % 2]
        took = sorted({more if chance.random() < 0.8 else "tea", *(["milk"] if chance.random() < 0.6 else [])})
        rows.append({"cut": one % 3, "known": ["milk", pet] if chance.random() < 0.5 else [pet], "took": took})
    return pa.Table.from_pylist(rows)


def test_planted_habits_are_found() -> None:
    past = planted(900)
    parameters, quality = fit_lists(past, TAG)
    found = scored(parameters, [lists(["cat food"], ["dog food"], ["dog food", "milk"])]).to_pylist()
    assert [sorted(row) for row in found] == [["litter", "milk"], ["leash", "milk"], ["leash", "milk"]]
    # 0.8 for the pet's and 0.6 for milk, of two; everybody's best are milk and one pet's: 0.6 and 0.4
    assert quality["right"] == pytest.approx(0.7, abs=0.03)
    assert quality["baseline"]["right"] == pytest.approx(0.5, abs=0.03)
    assert quality["gain"]["low"] > 0.15
    assert json.loads(json.dumps([parameters, quality])) == [parameters, quality]
    # the order of rows is nobody's business but the caller's, who sorts; the same rows give the same again
    assert fit_lists(past, TAG) == (parameters, quality)
    # as good as the released model: it takes over
    assert fit_lists(past, TAG, parameters)[1]["champion"] == quality["right"]
    # one that always names milk and litter is right in 0.6 and 0.4 of the cases
    values = parameters["values"]
    always = {"values": values, "weights": [[0.0] * len(values)] * len(values)}
    always["base"] = [1.0 if value in ("milk", "litter") else 0.0 for value in values]
    assert fit_lists(past, TAG, always)[1]["champion"] == pytest.approx(0.5, abs=0.03)


def test_what_cannot_be_learned_is_said() -> None:
    with pytest.raises(ModelError, match="it takes 100"):
        fit_lists(planted(200), TAG)
    alike = planted(900).set_column(2, "took", lists(*[["milk", "tea"]] * 900))
    with pytest.raises(ModelError, match=r"100\.0% of what it names is taken; of the most popular 100\.0%"):
        fit_lists(alike, TAG)
