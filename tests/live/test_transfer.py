"""Streaming timbre transfer: what it follows, when, and that nothing depends on how it is fed."""

import itertools

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError, RecordingError
from amadeus.features.extract import extract
from amadeus.features.loudness import compute_loudness
from amadeus.live.transfer import TransferStream
from amadeus.personality import presets, profiles
from amadeus.play.transfer import map_features
from amadeus.v1 import profiles_pb2
from tests.features.sounds import reed
from tests.play.instrument import SPEC, learned

RATE = SPEC.sample_rate
LEARNER = profiles.complete_learner_profile()
YIN = profiles_pb2.F0_TRACKER_YIN
SILENCE_DB = -80.0


def player(**knobs):
    return profiles.complete_player_profile(profiles_pb2.PlayerProfile(**knobs))


def make_stream(input_rate=RATE, octave=None, statistics=None, **knobs):
    return TransferStream(
        LEARNER, statistics or learned(), player(**knobs), SPEC, input_rate, octave
    )


def run(stream, audio, sizes=(80,)):
    """All controls as (f0_hz, loudness_db)."""
    parts, start, sizes = [], 0, itertools.cycle(sizes)
    while start < len(audio):
        size = next(sizes)
        parts.append(stream.feed(audio[start : start + size]))
        start += size
    parts.append(stream.end())
    return (
        np.concatenate([part.f0_hz for part in parts]),
        np.concatenate([part.loudness_db for part in parts]),
    )


def offline(audio, tracker, **knobs):
    profile = profiles_pb2.LearnerProfile()
    profile.CopyFrom(LEARNER)
    profile.f0_tracker = tracker
    return map_features(
        extract(audio, profile=profile),
        statistics=learned(),
        player_profile=player(**knobs),
        spec=SPEC,
        threshold=LEARNER.f0_confidence_threshold,
    ).controls


def cents(f0_hz, other_hz):
    both = (f0_hz > 0) & (other_hz > 0)
    return 1200 * np.abs(np.log2(f0_hz[both] / other_hz[both]))


# Agreement with the whole sound.


def test_pitch_and_voicing_agree_with_yin_offline(humming):
    f0_hz, _ = run(make_stream(), humming)
    whole = offline(humming, YIN)
    assert len(f0_hz) == len(whole.f0_hz)
    assert np.mean((f0_hz > 0) == (whole.f0_hz > 0)) > 0.99
    away = cents(f0_hz, whole.f0_hz)
    assert np.median(away) == 0
    assert np.mean(away > 50) < 0.01


def test_pitch_agrees_with_the_tracker_of_practices(humming):
    f0_hz, _ = run(make_stream(), humming)
    whole = offline(humming, LEARNER.f0_tracker)
    assert np.mean((f0_hz > 0) == (whole.f0_hz > 0)) > 0.9
    away = cents(f0_hz, whole.f0_hz)
    assert np.median(away) < 6
    assert np.mean(away > 50) < 0.05


def test_loudness_comes_to_that_of_the_whole(humming):
    twice = np.concatenate([humming, humming])
    f0_hz, loudness_db = run(make_stream(), twice)
    whole = offline(twice, YIN)
    n_half = len(f0_hz) // 2
    voiced = (f0_hz > 0) & (whole.f0_hz > 0)
    away_db = np.abs(loudness_db - whole.loudness_db)
    assert np.median(away_db[n_half:][voiced[n_half:]]) < 1
    assert np.median(away_db[200:][voiced[200:]]) < 2
    assert np.median(away_db[:200][voiced[:200]]) < 5  # it only begins to know


@pytest.mark.parametrize("input_rate", [8_000, 44_100, 48_000, 96_000])
def test_sound_of_any_rate_is_followed(humming, input_rate):
    audio = soxr.resample(humming, 16_000, input_rate)
    f0_hz, loudness_db = run(make_stream(input_rate), audio, (240,))
    same_hz, same_db = run(make_stream(), humming)
    assert abs(len(f0_hz) - len(same_hz)) <= 1
    n = min(len(f0_hz), len(same_hz))
    assert np.median(cents(f0_hz[:n], same_hz[:n])) < 1
    voiced = (f0_hz[:n] > 0) & (same_hz[:n] > 0)
    away_db = np.abs(loudness_db[:n] - same_db[:n])[voiced]
    assert np.median(away_db) < (0.1 if input_rate > 16_000 else 1)


# Time.


def test_a_control_comes_when_its_latency_has_passed_and_not_before(humming):
    stream = make_stream()
    n_samples = 5 * SPEC.hop_size + stream.latency_samples
    assert len(stream.feed(humming[: n_samples - 1]).f0_hz) == 5
    assert len(stream.feed(humming[n_samples - 1 : n_samples]).f0_hz) == 1


def test_a_note_is_heard_when_the_latency_says(rng):
    n_silent = 50 * SPEC.hop_size
    note = reed(np.full(RATE, 220.0), sample_rate=RATE)
    f0_hz, _ = run(make_stream(), np.concatenate([np.zeros(n_silent, "f4"), note]))
    assert abs(np.flatnonzero(f0_hz > 0)[0] - 50) <= 2


@pytest.mark.parametrize("name", [preset.name for preset in presets.PRESETS])
@pytest.mark.parametrize("input_rate", [16_000, 44_100, 48_000])
def test_the_latency_is_at_most_60_ms(name, input_rate):
    number = profiles_pb2.Preset.Value(f"PRESET_{name.upper()}")
    profile = profiles.complete_learner_profile(
        profiles_pb2.LearnerProfile(preset=number)
    )
    spec = profiles.spec(profile)
    stream = TransferStream(profile, learned(), player(), spec, input_rate)
    assert stream.latency_s == stream.latency_samples / spec.sample_rate
    assert 0.02 < stream.latency_s <= 0.06


def test_the_future_changes_nothing(humming, rng):
    n_common = 3 * RATE
    other = np.concatenate([humming[:n_common], rng.normal(0, 0.3, RATE)])
    first, second = make_stream(), make_stream()
    for part in np.split(humming[:n_common], 10):
        one, same = first.feed(part), second.feed(part)
        assert_array_equal(one.f0_hz, same.f0_hz)
        assert_array_equal(one.loudness_db, same.loudness_db)
    # and what was told before is that of the whole sound
    whole_hz, whole_db = run(make_stream(), humming)
    other_hz, other_db = run(make_stream(), other.astype("f4"))
    n_told = (n_common - first.latency_samples) // SPEC.hop_size
    assert_array_equal(other_hz[:n_told], whole_hz[:n_told])
    assert_array_equal(other_db[:n_told], whole_db[:n_told])
    assert (other_hz[n_told + 9 :][:50] != whole_hz[n_told + 9 :][:50]).any()


@pytest.mark.parametrize("sizes", [(1,), (7,), (160,), (1, 480, 33), (10_000_000,)])
@pytest.mark.parametrize("input_rate", [16_000, 44_100])
def test_blocks_of_any_size_give_the_same_controls(humming, sizes, input_rate):
    audio = humming[16_000:24_000]
    expected = run(make_stream(input_rate), audio, (480,))
    given = run(make_stream(input_rate), audio, sizes)
    assert (expected[0] > 0).any()
    assert_array_equal(given[0], expected[0])
    assert_array_equal(given[1], expected[1])


def test_empty_blocks_are_nothing(humming):
    stream = make_stream()
    assert len(stream.feed(np.zeros(0, np.float32)).f0_hz) == 0
    assert len(make_stream().end().f0_hz) == 0


# What is mapped to what.


@pytest.mark.parametrize("level", [0.0, 5e-5])
def test_silence_gives_silence(level):
    silence = np.full(RATE, level, np.float32)
    f0_hz, loudness_db = run(make_stream(loudness_offset_db=40), silence)
    assert len(f0_hz) == 100
    assert (f0_hz < 0).all()
    assert (loudness_db == SILENCE_DB).all()


def test_silence_after_a_note_is_silent_and_holds_the_pitch(humming):
    rest = np.zeros(RATE, np.float32)
    f0_hz, loudness_db = run(make_stream(), np.concatenate([humming, rest]))
    last_hz = f0_hz[f0_hz > 0][-1]
    assert_allclose(f0_hz[-80:], -last_hz)
    assert (loudness_db[-80:] == SILENCE_DB).all()


def test_sound_outside_notes_is_20_db_softer(rng):
    note = reed(np.full(RATE, 220.0), sample_rate=RATE)
    hiss = rng.normal(0, 0.05, RATE // 2).astype("f4")
    stream = make_stream()
    f0_hz, loudness_db = run(stream, np.concatenate([note, hiss]))
    assert (f0_hz[112:] < 0).all()
    heard_db = compute_loudness(hiss, sample_rate=RATE, frame_rate=SPEC.frame_rate)
    mapped_db = stream._loudness.map(np.median(heard_db))
    assert mapped_db > SILENCE_DB + 25
    assert np.median(loudness_db[112:145]) == pytest.approx(mapped_db - 20, abs=1.5)


def test_digital_silence_is_no_background_to_learn_from(rng):
    note = reed(np.full(RATE, 220.0), sample_rate=RATE)
    hiss = rng.normal(0, 3e-4, 3 * RATE).astype("f4")
    rest = np.zeros(10 * RATE, np.float32)
    statistics = learned()
    statistics.silence_loudness_db = -120.0
    ends_db = [
        np.median(
            run(make_stream(statistics=statistics), np.concatenate(parts))[1][-200:]
        )
        for parts in ([note, hiss, hiss], [note, hiss, rest, hiss])
    ]
    assert ends_db[0] < -100  # known as background by then
    assert ends_db[1] == pytest.approx(ends_db[0], abs=0.5)


@pytest.mark.parametrize(("f0_hz", "amplitude"), [(50, 0.003), (100, 2e-4)])
def test_mains_hum_is_background(f0_hz, amplitude):
    hum = amplitude * np.sin(2 * np.pi * f0_hz * np.arange(2 * RATE) / RATE)
    statistics = learned(loud_loudness_db=3.0)
    statistics.loudness_quantiles_db[:] = np.linspace(-35, 5, 41)
    given_hz, _ = run(make_stream(statistics=statistics), hum.astype("f4"))
    assert (given_hz < 0).all()


def range_of(low, high):
    statistics = learned()
    statistics.pitch_quantiles_midi[:] = np.linspace(low, high, 11)
    return statistics


@pytest.mark.parametrize(("low", "high"), [(36, 60), (60, 84), (76, 96)])
def test_humming_plays_in_the_range_of_the_voice(humming, low, high):
    statistics = range_of(low, high)
    f0_hz, loudness_db = run(make_stream(statistics=statistics), humming)
    voiced = f0_hz > 0
    pitch_midi = 69 + 12 * np.log2(f0_hz[voiced] / 440)
    assert voiced.mean() > 0.7
    assert np.mean((pitch_midi > low - 1) & (pitch_midi < high + 1)) > 0.95
    assert loudness_db[voiced].min() >= -60
    assert loudness_db[voiced].max() <= -20 + 1e-3
    assert np.ptp(np.quantile(loudness_db[voiced], [0.1, 0.9])) > 10


def test_a_soft_sound_plays_as_loud_as_a_strong_one(humming):
    _, strong_db = run(make_stream(), humming)
    f0_hz, soft_db = run(make_stream(), humming * 10 ** (-20 / 20))
    voiced = f0_hz > 0
    later = np.arange(len(f0_hz)) > 400
    assert np.median((strong_db - soft_db)[voiced & later]) == pytest.approx(0, abs=1)


def test_the_octave_stays_while_a_note_lasts():
    low, high = np.full(RATE, 110.0), np.full(3 * RATE, 440.0)
    leap = reed(np.concatenate([low, high]), sample_rate=RATE)  # legato
    rest = np.zeros(RATE // 4, np.float32)
    again = reed(np.full(RATE, 440.0), sample_rate=RATE)
    stream = make_stream(statistics=range_of(52, 62))
    f0_hz, _ = run(stream, np.concatenate([leap, rest, again]))
    assert np.median(f0_hz[20:90]) == pytest.approx(220, rel=1e-3)
    assert np.median(f0_hz[150:390]) == pytest.approx(880, rel=1e-3)
    assert np.median(f0_hz[440:510]) == pytest.approx(220, rel=1e-3)
    assert stream.octaves == -1


def test_a_fixed_octave_is_obeyed():
    note = reed(np.full(RATE, 220.0), sample_rate=RATE)
    f0_hz, _ = run(make_stream(octave=-1), note)
    assert np.median(f0_hz) == pytest.approx(110, rel=1e-3)


# Knobs and refusals.


def test_knobs_turned_count_for_the_frames_to_come():
    note = reed(np.full(2 * RATE, 220.0), sample_rate=RATE)
    stream = make_stream(octave=0)
    before = stream.feed(note[:RATE])
    stream.set_profile(player(pitch_shift_semitones=12, brightness=0.5))
    after = stream.feed(note[RATE:])
    assert before.f0_hz[-1] == pytest.approx(220, rel=1e-3)
    assert after.f0_hz[0] == pytest.approx(440, rel=1e-3)
    assert before.timbre is None
    assert_array_equal(after.timbre.brightness, np.full(len(after.f0_hz), 0.5))


def test_knobs_do_what_they_do_offline(humming):
    knobs = {"loudness_curve": 2.0, "loudness_offset_db": -3.0, "fine_tuning_cents": 50}
    plain_hz, plain_db = run(make_stream(), humming)
    turned_hz, turned_db = run(make_stream(**knobs), humming)
    whole, bent = offline(humming, YIN), offline(humming, YIN, **knobs)
    voiced = (plain_hz > 0) & (whole.f0_hz > 0)
    assert_allclose(turned_hz / plain_hz, 2 ** (0.5 / 12), rtol=1e-5)
    expected_db = np.interp(
        plain_db[voiced],
        np.sort(whole.loudness_db[voiced]),
        np.sort(bent.loudness_db[voiced]),
    )
    assert np.median(np.abs(turned_db[voiced] - expected_db)) < 0.2


def test_absurd_octaves_are_refused():
    with pytest.raises(ConfigError, match="octave=9 is out of range"):
        make_stream(octave=9)


def test_samples_that_are_no_numbers_are_refused_and_leave_no_trace(humming):
    spoiled = np.array(humming[:800])
    spoiled[7] = np.nan
    stream = make_stream()
    stream.feed(humming[:8_000])
    with pytest.raises(RecordingError, match="1 of 800 samples are not finite"):
        stream.feed(spoiled)
    rest = stream.feed(humming[8_000:])
    whole = make_stream().feed(humming)
    assert_array_equal(rest.f0_hz, whole.f0_hz[-len(rest.f0_hz) :])


def test_a_slow_clock_is_followed_too(humming):
    profile = profiles.complete_learner_profile(
        profiles_pb2.LearnerProfile(frame_rate=25)
    )
    spec = AudioSpec(sample_rate=16_000, frame_rate=25)
    stream = TransferStream(profile, learned(), player(), spec, 16_000)
    f0_hz, _ = run(stream, humming)
    assert len(f0_hz) == len(humming) // spec.hop_size
    assert (f0_hz > 0).mean() > 0.7
