import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.features.sketch import Sketch

VALUES = st.lists(st.floats(-50, 50), min_size=1, max_size=40)


def _sketch(values):
    sketch = Sketch(-60, 60, step=0.1)
    sketch.add(values)
    return sketch


@given(VALUES)
def test_quantiles_are_those_of_numpy_to_one_bin(values):
    expected = np.quantile(values, np.linspace(0, 1, 11))
    assert_allclose(_sketch(values).quantiles(11), expected, atol=0.0501)


@given(VALUES, VALUES, VALUES)
def test_merging_is_adding_in_any_order(first, second, third):
    merged = _sketch(third)
    merged.merge(_sketch(first))
    merged.merge(_sketch(second))
    whole = _sketch(first + second + third)
    assert_array_equal(merged.quantiles(101), whole.quantiles(101))
    assert len(merged) == len(whole)


def test_what_is_not_finite_is_not_counted():
    sketch = _sketch([1.0, np.nan, np.inf, 3.0])
    assert len(sketch) == 2
    assert sketch.median() == pytest.approx(2.0)


def test_what_lies_outside_counts_as_the_end():
    assert_allclose(_sketch([-1e9, 1e9]).quantiles(2), [-60, 60])


def test_values_may_count_more_than_once():
    sketch = Sketch(0, 10, step=0.5)
    sketch.add([1.0, 5.0, 9.0], times=[1, 5, 0])
    assert len(sketch) == 6
    assert sketch.median() == 5.0
    assert sketch.quantile(1.0) == 5.0


def test_nothing_has_no_quantiles():
    empty = Sketch(0, 1, step=0.1)
    assert empty.quantiles(101).shape == (0,)
    assert empty.median(otherwise=7.0) == 7.0
