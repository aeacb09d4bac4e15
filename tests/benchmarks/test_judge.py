"""The judge is judged: faults that were put in on purpose, of a size that is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import signal

from amadeus.audio import AudioSpec
from amadeus.features.crepe import CrepeTracker
from amadeus.features.loudness import compute_loudness
from amadeus.features.notes import detect_notes
from amadeus.features.types import Features, Pitch
from benchmarks import judge
from benchmarks.measures import gaps, probes
from benchmarks.measures.pitch import EXCERPT_S, Judge, compare_pitch, spread_excerpts

RATE = 16_000
SPEC = AudioSpec(sample_rate=RATE, frame_rate=100)
STARTS_S = (0.5, 1.5, 2.5)  # of the notes of `melody`, each 0.6 s long
NOTE_S = 0.6


def phase_of(f0_hz):
    return 2 * np.pi * np.cumsum(f0_hz) / RATE


def melody(f0_hz=220.0, *, attack_s=0.03, delay_s=0.0):
    """Three notes of a harmonic sound with silence between, and their exact features."""
    time_s = np.arange(round(3.5 * RATE)) / RATE
    envelope = np.zeros(len(time_s))
    for start_s in STARTS_S:
        age_s = time_s - start_s - delay_s
        rise = np.clip(age_s / attack_s, 0, 1)
        fall = np.clip((NOTE_S - age_s) / 0.02, 0, 1)
        envelope += np.minimum(rise, fall) ** 2
    phase = phase_of(np.full(len(time_s), f0_hz))
    audio = envelope * sum(np.sin(k * phase) / k for k in range(1, 9))
    return (0.2 * audio).astype(np.float32)


def features_of(audio, f0_hz=220.0):
    loudness_db = compute_loudness(audio, sample_rate=RATE, frame_rate=100)
    confidence = (loudness_db > -30).astype(np.float32)
    return Features(
        np.full(len(loudness_db), f0_hz, np.float32), confidence, loudness_db
    )


def pair(original, resynthesis):
    return judge.Pair("take", original, resynthesis, SPEC, features_of(original))


class Oracle:
    """Hears the pitch by the autocorrelation of each frame: enough for clean tones."""

    def __init__(self):
        self.n_heard = 0

    def track(self, audio, *, spec, f0_min_hz, f0_max_hz):
        self.n_heard += 1
        n_frames = spec.n_frames(len(audio))
        padded = np.pad(audio, 512)
        found = [
            self._hear(padded[i * spec.hop_size :][:1024]) for i in range(n_frames)
        ]
        peaks = [
            np.abs(padded[i * spec.hop_size :][:1024]).max() for i in range(n_frames)
        ]
        return Pitch(np.array(found, np.float32), np.float32(np.array(peaks) > 0.01))

    def _hear(self, frame):
        likeness = signal.correlate(frame, frame)[len(frame) - 1 :]
        lag = 20 + np.argmax(likeness[20:400])
        return RATE / lag


def hear(pairs):
    return judge.judge(pairs, pitch_judge=Judge(tracker=Oracle()))


def test_a_resynthesis_equal_to_its_original_has_no_fault():
    audio = melody()
    metrics = hear([pair(audio, audio)])
    silence_dbfs = metrics.pop("silence_dbfs")
    assert silence_dbfs == -120.0
    assert set(metrics) >= {"attack_error_ms", "gap_buzz_worst_db", "f0_outlier_ratio"}
    assert metrics == dict.fromkeys(metrics, 0.0)


@pytest.mark.parametrize("gain_db", [-6.0, 3.0])
def test_a_gain_is_that_many_decibels_of_loudness_and_no_other_fault(gain_db):
    audio = melody()
    audio += np.random.default_rng(0).normal(0, 1e-3, len(audio)).astype(np.float32)
    metrics = hear([pair(audio, audio * np.float32(10 ** (gain_db / 20)))])
    assert_allclose(metrics["loudness_error_db"], abs(gain_db), atol=1e-3)
    assert_allclose(metrics["gap_excess_db"], gain_db, atol=1e-3)
    assert_allclose(metrics["attack_error_ms"], 0.0, atol=1e-3)
    assert metrics["f0_error_semitones"] == 0.0


@pytest.mark.parametrize("delay_ms", [4.0, 20.0])
def test_a_delay_moves_onsets_and_leaves_attacks(delay_ms):
    metrics = hear([pair(melody(), melody(delay_s=delay_ms / 1e3))])
    assert_allclose(metrics["onset_error_ms"], delay_ms, atol=0.2)
    assert_allclose(metrics["attack_error_ms"], 0.0, atol=0.5)


def test_a_slower_attack_is_slower_by_its_difference():
    metrics = hear([pair(melody(attack_s=0.1), melody(attack_s=0.2))])
    # amplitude (t / attack)^2 rises from -20 to -3 dB between 0.316 and 0.841 of its attack
    assert_allclose(metrics["attack_error_ms"], 1e3 * 0.1 * (0.841 - 0.316), atol=4.0)


def test_a_note_without_an_attack_is_wrong_by_more_than_the_original_takes():
    answer = melody() + np.float32(0.1) * np.sin(
        phase_of(np.full(round(3.5 * RATE), 220.0))
    ).astype(np.float32)
    assert hear([pair(melody(), answer)])["attack_error_ms"] > 100


def test_a_buzz_in_a_gap_is_found_and_hiss_is_no_buzz(rng):
    original = melody() + rng.normal(0, 1e-4, round(3.5 * RATE)).astype(np.float32)
    time_s = np.arange(len(original)) / RATE
    in_gap = (time_s > 2.15) & (time_s < 2.45)  # one gap of two
    buzz = 1e-3 * np.sign(np.sin(2 * np.pi * 120 * time_s)) * in_gap
    hiss = rng.normal(0, 1e-3, len(original)) * in_gap
    notes = detect_notes(features_of(original), spec=SPEC, threshold=0.5)
    buzzed, hissed = (
        gaps.compare_gaps(
            original, (original + fault).astype(np.float32), notes, spec=SPEC
        )
        for fault in (buzz, hiss)
    )
    assert len(buzzed.level_db) == 2
    assert_allclose(buzzed.level_db, [0, 20], atol=1.5)
    assert_allclose(hissed.level_db, [0, 20], atol=1.5)
    assert buzzed.buzz_db[1] > 25
    assert hissed.buzz_db[1] < buzzed.buzz_db[1] - 12
    assert buzzed.buzz_db[0] == 0


def test_sound_where_the_original_is_silent_is_measured_in_dbfs():
    original = melody()
    metrics = hear([pair(original, original + np.float32(1e-3))])
    assert_allclose(metrics["silence_dbfs"], -60.0, atol=0.1)


def test_an_octave_is_an_outlier_and_a_detuning_an_error():
    tones = [
        np.sin(phase_of(np.full(RATE, f0_hz))).astype(np.float32)
        for f0_hz in (200.0, 400.0, RATE / 75)  # whole periods, as the oracle counts
    ]
    errors = compare_pitch(
        [tones[0]] * 2, [tones[1], tones[2]], judge=Judge(tracker=Oracle()), limit_s=9
    )
    assert errors.outlier_ratio == 0.5
    detuning = 12 * np.log2(80 / 75)
    assert_allclose(errors.semitones, detuning, atol=0.03)
    assert_allclose(errors.all_semitones, (detuning + 12) / 2, atol=0.03)


def test_excerpts_are_spread_evenly_and_no_longer_than_asked():
    size = round(EXCERPT_S * RATE)
    assert spread_excerpts([size, size // 2], 60.0) == [
        (0, 0, size),
        (1, 0, size // 2),
    ]
    chosen = spread_excerpts([10 * size, 30 * size], 8 * EXCERPT_S)
    assert len(chosen) == 8
    assert [number for number, *_ in chosen].count(0) == 2


def test_crepe_s_answers_are_kept_by_what_it_heard(tmp_path, monkeypatch):
    audio = np.sin(phase_of(np.full(RATE // 10, 440.0))).astype(np.float32)
    first = Judge(tmp_path).hear(audio)
    assert_allclose(first.f0_hz[3:-3], 440.0, rtol=0.01)
    monkeypatch.setattr(CrepeTracker, "track", None)  # it is asked no more
    second = Judge(tmp_path).hear(audio)
    assert_allclose(second.f0_hz, first.f0_hz)
    assert len(list(tmp_path.iterdir())) == 1


def saw(top_hz):
    """A voice of all harmonics up to `top_hz`, softer by 20 dB a step of 20 dB."""

    def play(f0_hz, loudness_db):
        hz = np.repeat(np.abs(f0_hz), SPEC.hop_size).astype(np.float64)
        gain = np.repeat(10 ** (loudness_db / 20), SPEC.hop_size)
        phase, audio = phase_of(hz), np.zeros(len(hz))
        for k in range(1, int(top_hz / hz.min()) + 1):
            audio += np.where(k * hz < top_hz, np.sin(k * phase) / k, 0.0)
        return (gain * audio).astype(np.float32)

    return play


def test_harmonics_beyond_nyquist_are_found_and_a_clean_tone_has_none(rng):
    ask = {"spec": SPEC, "f0_range_hz": (150.0, 1000.0), "loudness_db": -6.0}
    assert probes.probe_folding(saw(8_000), **ask) < -70
    folded_db = probes.probe_folding(saw(12_000), **ask)
    hz = probes.folding_steps(RATE, (150.0, 1000.0), 12)
    numbers = [np.arange(1, int(12_000 / f0) + 1) for f0 in hz]
    above = sum(
        (1 / k[k * f0 > 8_000] ** 2).sum() for k, f0 in zip(numbers, hz, strict=True)
    )
    below = sum(
        (1 / k[k * f0 < 8_000] ** 2).sum() for k, f0 in zip(numbers, hz, strict=True)
    )
    assert_allclose(folded_db, 10 * np.log10(above / below), atol=1.0)


@pytest.mark.parametrize("top_hz", [8_000, 12_000])
def test_noise_neither_is_folding_nor_hides_what_stands_out_of_it(rng, top_hz):
    play = saw(top_hz)
    ask = {"spec": SPEC, "f0_range_hz": (150.0, 1000.0), "loudness_db": -6.0}

    def noisy(f0_hz, loudness_db):
        sound = play(f0_hz, loudness_db)
        return sound + rng.normal(0, 3e-3, len(sound))

    found_db, true_db = (probes.probe_folding(p, **ask) for p in (noisy, play))
    if top_hz > RATE / 2:
        assert_allclose(found_db, true_db, atol=1.0)
    else:
        assert found_db < -60  # of noise that lies at -46 dB


def test_silence_after_a_note_is_measured_in_its_second_half():
    ask = {"spec": SPEC, "f0_hz": 220.0, "loudness_db": 0.0}
    level_dbfs = probes.probe_silence(saw(300.0), **ask)  # one sine, -80 dB
    assert_allclose(level_dbfs, -80 - 3.0, atol=0.1)


def test_the_ceiling_of_a_harmonic_sound_is_that_sound_and_of_noise_its_level(rng):
    hiss = rng.uniform(-0.02, 0.02, round(3.5 * RATE)).astype(np.float32)
    (tones,) = judge.ceiling(
        [pair(melody(), np.zeros(0))], n_harmonics=20, n_noise_bands=65
    )
    metrics = hear([tones])
    assert metrics["loudness_error_db"] < 1.0
    assert metrics["attack_error_ms"] < 15
    assert metrics["f0_outlier_ratio"] < 0.02
    silent = pair(hiss, hiss)
    silent = silent._replace(
        features=silent.features._replace(
            f0_confidence=0 * silent.features.f0_confidence
        )
    )
    (noise,) = judge.ceiling([silent], n_harmonics=20, n_noise_bands=65)
    middle = slice(RATE // 2, 3 * RATE)
    ratio = noise.resynthesis[middle].std() / noise.original[middle].std()
    assert_allclose(20 * np.log10(ratio), 0.0, atol=0.7)


def test_voices_of_any_rate_are_judged_at_16_khz():
    spec = AudioSpec(sample_rate=48_000, frame_rate=100)
    audio = signal.resample_poly(melody(), 3, 1).astype(np.float32)
    at_48 = judge.Pair("take", audio, 0.5 * audio, spec, features_of(melody()))
    at_16 = pair(melody(), 0.5 * melody())
    losses = [hear([p])["spectral_loss"] for p in (at_48, at_16)]
    assert_allclose(losses[0], losses[1], rtol=0.1)


def test_the_table_has_a_column_for_each_system_and_leaves_blanks(capsys):
    judge.print_table(
        {
            "ours": {"spectral_loss": 1.0, "folding_db": -90.0},
            "peer": {"spectral_loss": 2.0},
        }
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["ours", "peer", "goal"]
    assert lines[2].split() == ["spectral_loss", "1.000", "2.000"]
    assert lines[3].split() == ["folding_db", "-90.000"]
