"""Oracle: torchcrepe itself, whose answers `write_torchcrepe.py` wrote down without its dither.

Its network's activations are ours, and its decoders, written here again, find the same pitch in ours.
Our own decoding is the original CREPE's: torchcrepe answers Viterbi and argmax with the centre of a bin
of 20 cents, and weighs its average by the sigmoid of what is a sigmoid already.
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from amadeus.features.crepe import FIRST_BIN_CENTS, N_BINS, CrepeTracker, decode
from amadeus.features.viterbi import most_likely_path
from tests.features.sounds import SPEC, cents

ANSWERS = Path(__file__).parents[1] / "data" / "torchcrepe.npz"
FIRST_BIN, LAST_BIN = 39, 355  # 50 to 1,900 Hz, rounded outwards as torchcrepe does
CENTRES_HZ = 10 * 2 ** ((FIRST_BIN_CENTS + 20.0 * np.arange(N_BINS)) / 1200)


@pytest.fixture(scope="module", params=["tiny", "full"])
def heard(request):
    """A size of the network, torchcrepe's answers, and our activations for the same sound."""
    with np.load(ANSWERS) as archive:
        answers = dict(archive)
    audio = answers["audio"].astype(np.float32) / 32_768
    tracker = CrepeTracker(request.param, viterbi=False)
    return request.param, answers, tracker.activations(audio, spec=SPEC)


def _within_range(activation):
    allowed = np.full(N_BINS, -np.inf)
    allowed[FIRST_BIN:LAST_BIN] = 0
    return activation + allowed


def _argmax(activation):
    return CENTRES_HZ[_within_range(activation).argmax(axis=1)]


def _weighted_argmax(activation):
    centre = _within_range(activation).argmax(axis=1)[:, None]
    near = np.abs(np.arange(N_BINS) - centre) <= 4
    weights = 1 / (1 + np.exp(-_within_range(activation))) * near
    centres = FIRST_BIN_CENTS + 20.0 * np.arange(N_BINS)
    return 10 * 2 ** (weights @ centres / weights.sum(axis=1) / 1200)


def _viterbi(activation):
    allowed = _within_range(activation.astype(np.float64))
    share = np.exp(allowed) / np.exp(allowed).sum(axis=1, keepdims=True)
    bins = np.arange(N_BINS)
    transition = np.maximum(12.0 - np.abs(bins[:, None] - bins), 0)
    transition /= transition.sum(axis=1, keepdims=True)
    path = most_likely_path(np.log(share + np.finfo(np.float32).tiny), transition)
    return CENTRES_HZ[path]


def test_activations_are_torchcrepes(heard):
    size, answers, activation = heard
    assert_allclose(activation[::8], answers[f"{size}_activation"], atol=1e-3)


@pytest.mark.parametrize("decoder", [_argmax, _weighted_argmax, _viterbi])
def test_pitch_is_torchcrepes_within_a_tenth_of_a_cent(heard, decoder):
    size, answers, activation = heard
    published_hz = answers[f"{size}{decoder.__name__}_hz"]
    assert np.abs(cents(decoder(activation), published_hz)).max() < 0.1


def test_our_own_decoding_stays_within_a_bin(heard):
    size, answers, activation = heard
    within = activation[:, FIRST_BIN:LAST_BIN]
    found = decode(within, within.argmax(axis=1), first_bin=FIRST_BIN)
    difference = cents(found.f0_hz, answers[f"{size}_weighted_argmax_hz"])
    sure = found.f0_confidence > 0.5
    assert sure.mean() > 0.8
    assert np.median(np.abs(difference[sure])) < 6
    assert np.abs(difference[sure]).max() < 25
