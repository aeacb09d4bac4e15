import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from amadeus.features.viterbi import most_likely_path


def _band(n_states, reach):
    distance = np.abs(np.subtract.outer(np.arange(n_states), np.arange(n_states)))
    transition = np.maximum(reach - distance, 0).astype(float)
    return transition / transition.sum(axis=1, keepdims=True)


def _log_probability(path, log_likelihood, transition):
    with np.errstate(divide="ignore"):
        moves = np.log([transition[a, b] for a, b in itertools.pairwise(path)])
    return log_likelihood[np.arange(len(path)), list(path)].sum() + moves.sum()


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_no_path_is_likelier(rng, reach):
    transition = _band(4, reach)
    for _ in range(20):
        log_likelihood = np.log(rng.dirichlet(np.ones(4), size=5))
        found = most_likely_path(log_likelihood, transition)
        best = max(
            itertools.product(range(4), repeat=5),
            key=lambda path: _log_probability(path, log_likelihood, transition),
        )
        assert_array_equal(found, best)


def test_uneven_moves_are_taken_from_their_source(rng):
    transition = rng.dirichlet(np.ones(3), size=3)  # from row to column, lopsided
    log_likelihood = np.log(rng.dirichlet(np.ones(3), size=6))
    found = most_likely_path(log_likelihood, transition)
    best = max(
        itertools.product(range(3), repeat=6),
        key=lambda path: _log_probability(path, log_likelihood, transition),
    )
    assert_array_equal(found, best)


def test_an_outlier_does_not_move_the_path():
    log_likelihood = np.full((30, 100), np.log(0.001))
    log_likelihood[:, 20] = np.log(0.9)
    log_likelihood[15] = np.log(0.001)
    log_likelihood[15, 80] = np.log(0.9)
    path = most_likely_path(log_likelihood, _band(100, 12))
    assert_array_equal(path, 20)


def test_one_frame_takes_its_likeliest_state():
    path = most_likely_path(np.log([[0.2, 0.5, 0.3]]), _band(3, 2))
    assert_array_equal(path, [1])
