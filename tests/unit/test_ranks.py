"""The first few of many numbers, beside NumPy's stable sort of them all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.models.ranks import greatest


@given(rows=st.integers(0, 5), columns=st.integers(1, 9), count=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_the_greatest_come_first_and_of_equals_the_first(rows: int, columns: int, count: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = np.where(chance.random((rows, columns)) < 0.3, -np.inf, chance.integers(-2, 3, (rows, columns)))
    given_values = values.copy()
    judge = np.argsort(-values, axis=1, kind="stable")[:, :count]
    judge = np.where(np.isneginf(np.take_along_axis(values, judge, axis=1)), -1, judge)
    assert greatest(values, count).tolist() == judge.tolist()
    assert (values == given_values).all()
