import math
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.audio.decode import read
from amadeus.errors import ConfigError, RecordingError
from amadeus.features import Pitch
from amadeus.features.extract import extract, make_tracker
from amadeus.features.voicing import voiced_mask
from amadeus.personality import profiles
from tests.features.sounds import EXAMPLES, cents, reed

TRACKERS = ("swift_f0", "crepe_tiny", "auto", "yin")  # crepe_full is slow


class FixedTracker:
    """Answers with a pitch prepared by the test."""

    def __init__(self, f0_hz, f0_confidence):
        self._pitch = Pitch(np.asarray(f0_hz, "f4"), np.asarray(f0_confidence, "f4"))

    def track(self, audio, *, spec, f0_min_hz, f0_max_hz):
        return self._pitch


@pytest.fixture(scope="module")
def tracker():
    return make_tracker(profiles.complete_learner_profile())


@pytest.mark.parametrize("note", [("C2", 36), ("A2", 45), ("G3", 55), ("C5", 72)])
def test_a_cello_has_the_pitch_its_label_says(profile, tracker, note):
    name, pitch_midi = note
    path = EXAMPLES / "cello" / f"cello-{name}.flac"
    found = extract(read(path, sample_rate=16_000), profile=profile, tracker=tracker)
    voiced = voiced_mask(found, threshold=0.5)
    assert voiced.mean() > 0.8
    true_hz = 440 * 2 ** ((pitch_midi - 69) / 12)
    assert abs(np.median(cents(found.f0_hz[voiced], true_hz))) < 20


@pytest.mark.parametrize("name", TRACKERS)
def test_every_tracker_is_chosen_by_name_and_hears_a_cello(name):
    given = profiles.parse_learner_settings([f"f0_tracker={name}"])
    profile = profiles.complete_learner_profile(given)
    audio = read(EXAMPLES / "cello" / "cello-G3.flac", sample_rate=16_000)[:24_000]
    tracker = make_tracker(profile)
    assert type(tracker).__name__.lower().startswith(name.split("_")[0])
    found = extract(audio, profile=profile, tracker=tracker)
    voiced = voiced_mask(found, threshold=0.5)
    assert voiced.mean() > 0.8
    assert abs(np.median(cents(found.f0_hz[voiced], 195.998))) < 20


def test_features_agree_in_length_and_kind(profile, tracker, humming):
    found = extract(humming[:16_123], profile=profile, tracker=tracker)
    for feature in found:
        assert feature.shape == (16_123 // 160 + 1,)
        assert feature.dtype == np.float32
        assert np.isfinite(feature).all()


def test_pitch_is_positive_and_does_not_jump_where_unvoiced(profile, tracker, humming):
    found = extract(humming, profile=profile, tracker=tracker)
    voiced = voiced_mask(found, threshold=profile.f0_confidence_threshold)
    assert (found.f0_hz > 0).all()
    assert 0.2 < voiced.mean() < 0.99
    steps = np.abs(np.diff(12 * np.log2(found.f0_hz)))
    gaps = ~voiced[1:] & ~voiced[:-1]
    assert steps[gaps].max() < 1.0


def test_the_same_sound_gives_the_same_features(profile, tracker, humming):
    once, again = (
        extract(humming, profile=profile, tracker=t)
        for t in (tracker, make_tracker(profile))
    )
    for feature, other in zip(once, again, strict=True):
        assert_array_equal(feature, other)


def test_digital_silence_has_no_confidence_whatever_the_tracker_says(profile):
    audio = np.zeros(16_000, np.float32)
    audio[:8_000] = reed(np.full(8_000, 220.0), sample_rate=16_000)
    sure = FixedTracker(np.full(101, 220.0), np.ones(101))
    found = extract(audio, profile=profile, tracker=sure)
    assert (found.f0_confidence[:51] == 1).all()
    assert (found.f0_confidence[52:] == 0).all()


def test_silence_rests_in_the_middle_of_the_range(profile, tracker):
    found = extract(np.zeros(8_000, np.float32), profile=profile, tracker=tracker)
    middle_hz = math.sqrt(profile.f0_min_hz * profile.f0_max_hz)
    assert_allclose(found.f0_hz, middle_hz, rtol=1e-6)
    assert (found.f0_confidence == 0).all()
    assert_allclose(found.loudness_db, -80.0)


def test_a_blip_neither_keeps_its_pitch_nor_looks_voiced(profile, rng):
    audio = rng.normal(0, 0.1, 8_000).astype(np.float32)
    f0_hz, confidence = np.full(51, 220.0), np.ones(51)
    confidence[20:40] = 0.1
    f0_hz[20:40] = 1_900.0
    confidence[30] = 0.9  # one frame, far off
    found = extract(audio, profile=profile, tracker=FixedTracker(f0_hz, confidence))
    assert_allclose(found.f0_hz, 220.0, rtol=1e-6)
    assert (found.f0_confidence[20:40] < profile.f0_confidence_threshold).all()
    assert voiced_mask(found, threshold=0.5).sum() == 31


def test_short_octave_slips_are_repaired(profile, rng):
    audio = rng.normal(0, 0.1, 8_000).astype(np.float32)
    f0_hz = np.full(51, 220.0)
    f0_hz[20:24] = 440.0
    found = extract(audio, profile=profile, tracker=FixedTracker(f0_hz, np.ones(51)))
    assert_allclose(found.f0_hz, 220.0, rtol=1e-6)


@pytest.mark.parametrize("frame_rate", [50, 100, 250])
def test_stumbles_at_the_edges_of_notes_are_repaired(rng, frame_rate):
    given = profiles.parse_learner_settings([f"frame_rate={frame_rate}"])
    profile = profiles.complete_learner_profile(given)
    audio = rng.normal(0, 0.1, 16_000).astype(np.float32)
    n_frames = frame_rate + 1
    f0_hz, n_stumbles = np.full(n_frames, 220.0), round(0.04 * frame_rate)
    f0_hz[:n_stumbles], f0_hz[-n_stumbles:] = 330.0, 140.0
    tracker = FixedTracker(f0_hz, np.ones(n_frames))
    found = extract(audio, profile=profile, tracker=tracker)
    assert_allclose(found.f0_hz, 220.0, rtol=1e-6)


@pytest.mark.parametrize("frame_rate", [50, 100, 250])
def test_a_fast_slide_into_a_note_is_kept(rng, frame_rate):
    given = profiles.parse_learner_settings([f"frame_rate={frame_rate}"])
    profile = profiles.complete_learner_profile(given)
    audio = rng.normal(0, 0.1, 16_000).astype(np.float32)
    n_frames = frame_rate + 1
    seconds = np.arange(n_frames) / frame_rate
    f0_hz = 220.0 * 2 ** (np.minimum(0, 12 * (seconds / 0.1 - 1)) / 12)  # an octave
    tracker = FixedTracker(f0_hz, np.ones(n_frames))
    found = extract(audio, profile=profile, tracker=tracker)
    assert_allclose(found.f0_hz, f0_hz, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0,), (2, 100)])
def test_audio_must_be_one_channel_with_samples(profile, tracker, shape):
    with pytest.raises(RecordingError, match="give one channel"):
        extract(np.zeros(shape, np.float32), profile=profile, tracker=tracker)


def test_samples_must_be_finite(profile, tracker):
    audio = np.zeros(1_600, np.float32)
    audio[[3, 5]] = np.nan, np.inf
    with pytest.raises(RecordingError, match="2 of 1600 samples are not finite"):
        extract(audio, profile=profile, tracker=tracker)


def test_an_unknown_tracker_is_refused(profile):
    profile.f0_tracker = 0
    with pytest.raises(
        ConfigError, match="swift_f0, crepe_full, crepe_tiny, auto or yin"
    ):
        make_tracker(profile)


def test_no_tracker_needs_tensorflow():
    probe = (
        "import sys, numpy as np; from amadeus.personality import profiles; "
        "from amadeus.features.extract import extract\n"
        f"for name in {TRACKERS}:\n"
        "    given = profiles.parse_learner_settings([f'f0_tracker={name}'])\n"
        "    profile = profiles.complete_learner_profile(given)\n"
        "    extract(np.zeros(800, np.float32), profile=profile)\n"
        "sys.exit(bool({'tensorflow', 'torch'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)
