"""Trackers against melodies whose pitch is known; benchmarks/pitch.py prints the whole table."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from amadeus.features.extract import extract, make_tracker
from amadeus.features.voicing import runs, voiced_mask
from amadeus.personality import profiles
from benchmarks import _melodies
from benchmarks.pitch import Found, score
from tests.features.sounds import cents

pytest.importorskip("mir_eval")
pytestmark = pytest.mark.skipif(
    _melodies.why_not() is not None, reason=str(_melodies.why_not())
)


@pytest.fixture(scope="module")
def melodies():
    return [_melodies.render(instrument) for instrument in _melodies.INSTRUMENTS]


def _track(name, melodies):
    """What is extracted from each melody, and what the tracker says by itself."""
    given = profiles.parse_learner_settings([f"f0_tracker={name}"])
    profile = profiles.complete_learner_profile(given)
    tracker, spec = make_tracker(profile), profiles.spec(profile)
    limits = {"f0_min_hz": profile.f0_min_hz, "f0_max_hz": profile.f0_max_hz}
    extracted, alone = [], []
    for melody in melodies:
        found = extract(melody.audio, profile=profile, tracker=tracker)
        extracted.append(Found(found.f0_hz, voiced_mask(found, threshold=0.5)))
        answers = tracker.track(melody.audio, spec=spec, **limits)
        alone.append(Found(answers.f0_hz, answers.f0_confidence >= 0.5))
    return extracted, alone


@pytest.mark.slow
def test_auto_makes_next_to_no_octave_errors_on_any_instrument(melodies):
    extracted, alone = _track("auto", melodies)
    total = score(melodies, extracted)
    assert total.octave_errors < 0.001
    assert total.rpa > 0.965
    assert total.voicing_recall > 0.98
    assert total.voicing_false_alarm < 0.01
    for melody, found in zip(melodies, extracted, strict=True):
        assert score([melody], [found]).octave_errors < 0.005
    assert score(melodies, alone).octave_errors < 0.005


@pytest.mark.slow
def test_repair_takes_four_of_five_octave_errors_from_swift_f0(melodies):
    extracted, alone = _track("swift_f0", melodies)
    assert score(melodies, alone).octave_errors > 0.0075
    assert score(melodies, extracted).octave_errors < 0.003
    assert score(melodies, extracted).rpa > score(melodies, alone).rpa + 0.005


def test_yin_makes_next_to_no_octave_errors_once_repaired(melodies):
    extracted, _ = _track("yin", melodies)
    assert score(melodies, extracted).octave_errors < 0.002
    assert score(melodies, extracted).rpa > 0.965


def test_the_same_melody_sounds_the_same(melodies):
    again = _melodies.render(_melodies.INSTRUMENTS[0])
    assert_array_equal(again.audio, melodies[0].audio)


def test_bends_are_tuned_as_the_truth_says(melodies):
    """A held note that is bent: its pitch moves as asked, so the synthesizer took the bend range."""
    melody = melodies[-1]
    found = _track("yin", [melody])[0][0]
    truth_hz = melody.f0_hz[::10][: len(found.f0_hz)]
    steps = np.diff(12 * np.log2(np.maximum(truth_hz, 1.0)))
    start, end = max(
        runs((steps > 0.08) & (steps < 0.095)), key=lambda run: run[1] - run[0]
    )
    assert end - start > 75  # the slow glide: a fifth in 0.8 s
    error = cents(found.f0_hz[start:end], truth_hz[start:end])
    assert np.median(np.abs(error)) < 10
    assert np.abs(error).max() < 50
