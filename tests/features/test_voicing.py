import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.features import Pitch
from amadeus.features.voicing import (
    fill_unvoiced,
    repair_note_edges,
    repair_octave_spikes,
    runs,
    signed_f0,
    voiced_mask,
)
from tests.features.sounds import features


def _mask(confidence, **options):
    confidence = np.array(confidence, np.float32)
    pitch = Pitch(np.full(len(confidence), 440.0), confidence)
    return voiced_mask(pitch, threshold=0.5, **options).astype(int).tolist()


def test_a_stretch_goes_on_while_confidence_is_fair():
    assert _mask([0.1, 0.4, 0.9, 0.4, 0.4, 0.2]) == [0, 1, 1, 1, 1, 0]


def test_a_stretch_that_is_never_sure_is_unvoiced():
    assert _mask([0.4, 0.45, 0.49, 0.4]) == [0, 0, 0, 0]


def test_blips_are_dropped():
    assert _mask([0, 0.9, 0.9, 0, 0.9, 0.9, 0.9, 0]) == [0, 0, 0, 0, 1, 1, 1, 0]
    assert _mask([0, 0.9, 0, 0], min_frames=1) == [0, 1, 0, 0]


def test_no_confidence_is_unvoiced_even_at_threshold_zero():
    pitch = Pitch(np.full(6, 440.0), np.array([0, 0, 0, 0.1, 0.1, 0.1]))
    assert voiced_mask(pitch, threshold=0.0).tolist() == [False] * 3 + [True] * 3


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 1, width=32)),
    st.floats(0.1, 0.9),
)
def test_voiced_stretches_are_sure_somewhere_and_long_enough(confidence, threshold):
    mask = voiced_mask(
        Pitch(np.full(len(confidence), 1.0), confidence), threshold=threshold
    )
    for start, end in runs(mask):
        assert end - start >= 3
        assert confidence[start:end].max() >= threshold


def test_the_sign_says_voiced_and_the_pitch_stays():
    made = features(pitch_midi=69.0, loudness_db=np.zeros(8), confidence=1.0)
    made.f0_confidence[4:] = 0.1
    signed = signed_f0(made, threshold=0.5)
    assert_array_equal(np.sign(signed), [1, 1, 1, 1, -1, -1, -1, -1])
    assert_allclose(np.abs(signed), 440.0)


def test_a_gap_is_bridged_in_the_logarithm_and_ends_are_held():
    f0_hz = np.array([9.0, 100.0, 3.0, 400.0, 7.0])
    voiced = np.array([False, True, False, True, False])
    filled = fill_unvoiced(f0_hz, voiced, otherwise=50.0)
    assert_allclose(filled, [100, 100, 200, 400, 400], rtol=1e-6)


def test_without_voice_every_frame_gets_the_middle():
    filled = fill_unvoiced(np.ones(4), np.zeros(4, bool), otherwise=313.0)
    assert_allclose(filled, 313.0)


@pytest.mark.parametrize("factor", [2.0, 0.5, 4.0, 0.25])
def test_an_octave_spike_is_repaired(factor):
    f0_hz = np.full(40, 220.0)
    f0_hz[20:24] *= factor
    repaired = repair_octave_spikes(f0_hz, np.ones(40, bool), max_frames=6)
    assert_allclose(repaired, 220.0)


def test_two_octave_spikes_are_repaired():
    f0_hz = np.full(60, 220.0)
    f0_hz[20:24] *= 2
    f0_hz[30:33] /= 2
    repaired = repair_octave_spikes(f0_hz, np.ones(60, bool), max_frames=6)
    assert_allclose(repaired, 220.0)


@pytest.mark.parametrize(
    ("start", "end", "factor"),
    [
        (20, 30, 2.0),  # long enough to be a note
        (20, 24, 1.5),  # a fifth is no slip of a tracker
        (20, 40, 2.0),  # a leap that stays
    ],
)
def test_what_may_be_played_is_left_alone(start, end, factor):
    f0_hz = np.full(40, 220.0)
    f0_hz[start:end] *= factor
    repaired = repair_octave_spikes(f0_hz, np.ones(40, bool), max_frames=6)
    assert_array_equal(repaired, f0_hz)


def test_repair_leaves_its_argument_alone():
    f0_hz = np.full(40, 220.0)
    f0_hz[20:24] *= 2
    repair_octave_spikes(f0_hz, np.ones(40, bool), max_frames=6)
    assert f0_hz[22] == 440.0


EDGES = {"max_frames": 5, "max_octave_frames": 8, "leap_semitones": 2.5}


def _note(before=(), after=(), body_midi=60.0, n_body=30):
    """Pitch in Hz of one note with stumbles before and after it, in semitones from its body."""
    body = np.broadcast_to(body_midi, n_body)
    ends = (body[0] + np.array(before), body, body[-1] + np.array(after))
    return 440 * 2 ** ((np.concatenate(ends) - 69) / 12)


def _mended(f0_hz, voiced=None):
    voiced = np.ones(len(f0_hz), bool) if voiced is None else voiced
    return repair_note_edges(f0_hz, voiced, **EDGES)


@pytest.mark.parametrize(
    "stumble", [(7,), (-5, -5, -4), (3, 9, -3, 7, 4), (12,) * 8, (-24,) * 4]
)
def test_a_stumble_at_either_edge_of_a_note_gets_the_pitch_of_its_body(stumble):
    body_hz = _note()[0]
    assert_allclose(_mended(_note(before=stumble)), body_hz)
    assert_allclose(_mended(_note(after=stumble[::-1])), body_hz)
    assert_allclose(_mended(_note(before=stumble, after=(-12, -12))), body_hz)


@pytest.mark.parametrize(
    "played",
    [
        _note(before=(-9, -7.5, -6, -4, -2)),  # a scoop
        _note(before=np.arange(-12, 0, 2.0)),  # a fast slide of an octave
        _note(before=(4,) * 6),  # a grace note of 60 ms
        _note(before=(12,) * 9),  # a note of 90 ms, an octave away
        _note(before=(2, 2, 2)),  # a mordent
        _note(before=(5,) * 5, n_body=9),  # a body too short to say so
        _note(before=(5,) * 3, body_midi=60 + np.arange(30)),  # into a glide
        _note(body_midi=60 + 0.9 * np.sin(np.arange(60)), n_body=60),  # wide vibrato
        _note(before=(12,) * 40, n_body=40),  # a leap between two notes
    ],
)
def test_what_is_played_at_the_edge_of_a_note_is_left_alone(played):
    assert_array_equal(_mended(played), played)
    assert_array_equal(_mended(played[::-1]), played[::-1])


def test_an_edge_is_where_the_voice_begins():
    f0_hz = np.concatenate([_note(), _note(before=(7, 7))])
    voiced = np.ones(len(f0_hz), bool)
    assert_array_equal(_mended(f0_hz, voiced), f0_hz)
    voiced[25:30] = False
    assert_allclose(_mended(f0_hz, voiced)[voiced], _note()[0])


def test_mending_edges_leaves_its_argument_alone():
    f0_hz = _note(before=(7, 7))
    before = f0_hz.copy()
    _mended(f0_hz)
    assert_array_equal(f0_hz, before)
