"""Metrics of voices whose faults are known exactly."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.dsp.spectral_loss import spectral_loss
from amadeus.features.extract import extract, make_tracker
from amadeus.personality.profiles import complete_learner_profile
from amadeus.voice.evaluation import HeldOut, evaluate

PROFILE = complete_learner_profile()
RATE = PROFILE.sample_rate


class Parrot:
    """Plays back what it is told to, in turn, and remembers what it was asked for."""

    def __init__(self, *sounds):
        self.sounds = list(sounds)
        self.asked = []

    def render(self, f0_hz, loudness_db, reverb_mix=1.0):
        self.asked.append((f0_hz, loudness_db, reverb_mix))
        return self.sounds.pop(0)


@functools.cache
def load_tracker():
    return make_tracker(PROFILE)


def tone(f0_hz, *, seconds=2.0, amplitude=0.3):
    t = np.arange(round(seconds * RATE)) / RATE
    partials = [np.sin(2 * np.pi * k * f0_hz * t) / k for k in range(1, 9)]
    return (amplitude * np.sum(partials, axis=0) / 2).astype(np.float32)


def held_out(audio, name="take.wav"):
    return HeldOut(name, audio, extract(audio, profile=PROFILE, tracker=load_tracker()))


def judge(pairs, **options):
    """Evaluates a voice that answers each original with its counterpart."""
    voice = Parrot(*(answer for _, answer in pairs))
    return evaluate(
        voice, [held_out(original) for original, _ in pairs], profile=PROFILE, **options
    )


def test_a_perfect_voice_makes_no_error():
    audio = tone(220.0)
    metrics = judge([(audio, audio)]).metrics
    assert metrics == {
        "spectral_loss": 0.0,
        "loudness_error_db": 0.0,
        "f0_error_semitones": 0.0,
        "f0_outlier_ratio": 0.0,
    }


@pytest.mark.parametrize("semitones", [-2.0, 0.5, 7.0])
def test_a_detuned_voice_is_wrong_by_its_detuning(semitones):
    answer = tone(220.0 * 2 ** (semitones / 12))
    metrics = judge([(tone(220.0), answer)]).metrics
    assert_allclose(metrics["f0_error_semitones"], abs(semitones), atol=0.05)
    assert metrics["f0_outlier_ratio"] == 0.0


def test_pitch_beyond_an_octave_is_an_outlier_and_no_error():
    far, near = tone(220.0 * 2 ** (14 / 12)), tone(220.0 * 2 ** (1 / 12))
    metrics = judge([(tone(220.0), far), (tone(220.0), near)]).metrics
    assert metrics["f0_outlier_ratio"] == 0.5
    assert_allclose(metrics["f0_error_semitones"], 1.0, atol=0.05)


def test_outliers_are_counted_by_excerpts_of_4_seconds():
    original = tone(220.0, seconds=8.0)
    answer = np.concatenate([tone(220.0, seconds=4.0), tone(660.0, seconds=4.0)])
    assert judge([(original, answer)]).metrics["f0_outlier_ratio"] == 0.5


def test_a_silent_voice_has_lost_the_pitch():
    audio = tone(220.0)
    metrics = judge([(audio, np.zeros_like(audio))]).metrics
    assert metrics["f0_outlier_ratio"] == 1.0
    assert "f0_error_semitones" not in metrics


@pytest.mark.parametrize("gain_db", [-6.0, 3.0])
def test_a_louder_or_quieter_voice_is_wrong_by_its_gain(gain_db):
    audio = tone(220.0)
    metrics = judge([(audio, audio * np.float32(10 ** (gain_db / 20)))]).metrics
    assert_allclose(metrics["loudness_error_db"], abs(gain_db), atol=1e-3)


def test_what_sounds_in_silence_is_measured():
    silence, sound = np.zeros(RATE, np.float32), tone(1_000.0, seconds=1.0)
    metrics = judge([(silence, sound)]).metrics
    loudness_db = extract(sound, profile=PROFILE, tracker=load_tracker()).loudness_db
    assert_allclose(
        metrics["silent_leak_db"],
        10 * np.log10(np.mean(10 ** (loudness_db / 10))),
        atol=1e-3,
    )
    assert not {"f0_error_semitones", "f0_outlier_ratio"} & set(metrics)
    assert judge([(silence, silence)]).metrics["silent_leak_db"] == pytest.approx(-80)


def test_the_level_in_silence_is_told_in_dbfs():
    silence = np.zeros(RATE, np.float32)
    hum = np.full(RATE, 1e-3, np.float32)
    assert judge([(silence, hum)]).metrics["silence_level_dbfs"] == pytest.approx(-60)
    assert judge([(silence, silence)]).metrics["silence_level_dbfs"] == -120.0
    assert "silence_level_dbfs" not in judge([(tone(220.0), tone(220.0))]).metrics


def test_a_slower_attack_is_slower_by_its_difference():
    time_s = np.arange(2 * RATE) / RATE
    fast, slow = (
        tone(220.0) * np.clip((time_s - 0.5) / attack_s, 0, 1).astype(np.float32)
        for attack_s in (0.02, 0.12)
    )
    metrics = judge([(fast, slow)]).metrics
    # amplitude rises in a straight line: from 0.1 to 0.71 of its peak in 0.61 of its attack
    assert_allclose(metrics["attack_error_ms"], 0.61 * 100, atol=6)
    assert judge([(fast, fast)]).metrics["attack_error_ms"] == 0.0


def test_spectral_loss_is_weighted_by_duration(rng):
    short, long = rng.normal(size=RATE), rng.normal(size=3 * RATE)
    short, long = np.float32(0.1 * short), np.float32(0.1 * long)
    metrics = judge([(short, short), (long, 0.5 * long)]).metrics
    expected = spectral_loss(tf.constant(long[None]), tf.constant(0.5 * long[None]))
    assert_allclose(metrics["spectral_loss"], 0.75 * float(expected), rtol=1e-5)


def test_long_passages_are_compared_in_windows(rng):
    audio = np.float32(0.1 * rng.normal(size=25 * RATE))
    metrics = judge([(audio, 0.5 * audio)]).metrics
    parts = [audio[None, : 20 * RATE], audio[None, 20 * RATE :]]
    losses = [
        float(spectral_loss(tf.constant(part), tf.constant(0.5 * part)))
        for part in parts
    ]
    assert_allclose(
        metrics["spectral_loss"], 0.8 * losses[0] + 0.2 * losses[1], rtol=1e-5
    )


def test_the_voice_is_asked_for_the_frames_after_the_first_unvoiced_ones_negative():
    audio = np.concatenate([tone(220.0, seconds=1.0), np.zeros(RATE, np.float32)])
    record, voice = held_out(audio), Parrot(audio)
    evaluate(voice, [record], profile=PROFILE)
    ((f0_hz, loudness_db, reverb_mix),) = voice.asked
    assert_array_equal(np.abs(f0_hz), record.features.f0_hz[1:])
    assert_array_equal(loudness_db, record.features.loudness_db[1:])
    assert reverb_mix == 1.0
    assert (f0_hz[10:90] > 0).all()
    assert (f0_hz[120:] < 0).all()


def test_samples_beyond_the_last_whole_frame_do_not_count():
    audio = tone(220.0, seconds=1.005)
    assert len(audio) % 160
    evaluation = judge([(audio, audio[:RATE])])
    assert evaluation.duration_s == 1.0
    assert evaluation.metrics["spectral_loss"] == 0.0


def test_passages_without_a_frame_are_passed_over():
    evaluation = judge([(tone(220.0, seconds=0.005), None)])
    assert evaluation.metrics == {}
    assert evaluation.examples == []


def test_examples_are_short_and_aligned():
    original, answer = tone(220.0, seconds=10.0), tone(233.0, seconds=10.0)
    (example,) = judge([(original, answer)]).examples
    assert (example.name, example.sample_rate, example.frame_rate) == (
        "take.wav",
        RATE,
        100,
    )
    assert_array_equal(example.original, original[: 8 * RATE])
    assert_array_equal(example.resynthesis, answer[: 8 * RATE])
    assert_allclose(np.median(example.f0_hz), 220.0, rtol=0.005)
    assert_allclose(np.median(example.resynthesis_f0_hz), 233.0, rtol=0.005)
    for name, values in example._asdict().items():
        if "f0" in name or "loudness" in name:
            assert len(values) == 801


def test_examples_show_different_takes_then_different_pitches():
    names = ["a", "a", "b", "a", "b"]
    sounds = [tone(f0_hz, seconds=1.0) for f0_hz in (220.0, 225.0, 220.0, 880.0, 221.0)]
    records = [held_out(*pair) for pair in zip(sounds, names, strict=True)]
    kept = evaluate(Parrot(*sounds), records, profile=PROFILE, max_examples=3).examples
    assert [example.name for example in kept] == ["a", "b", "a"]
    assert_allclose(np.median(kept[2].f0_hz), 880.0, rtol=0.01)
    alone = evaluate(Parrot(*sounds), records, profile=PROFILE, max_examples=0)
    assert alone.examples == []


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_voice_that_plays_no_numbers_has_no_good_metric(broken):
    audio = tone(220.0)
    answer = np.where(np.arange(len(audio)) == 5, np.float32(broken), audio)
    evaluation = judge([(audio, audio), (audio, answer)])
    assert np.isnan(list(evaluation.metrics.values())).all()
    assert np.isnan(evaluation.peak)
    assert evaluation.metrics
    assert evaluation.examples == []


def test_the_peak_is_that_of_all_resyntheses():
    audio = tone(220.0, seconds=0.5)
    pairs = [(audio, 0.5 * audio), (audio, -0.75 * audio)]
    assert_allclose(judge(pairs).peak, 0.75 * np.abs(audio).max(), rtol=1e-6)
