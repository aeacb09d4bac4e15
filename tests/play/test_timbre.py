"""Gains and brightness as heard: a real voice with random weights plays a score, and its sound is measured."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.play.notation import Channel, Note, Score
from amadeus.play.perform import perform_score
from amadeus.v1 import profiles_pb2
from tests.export.voices import SMALL, write_voice
from tests.play.playing import steps

NOTE = Note(
    0, 3, 57, 100
)  # 220 Hz: eight harmonics below the Nyquist frequency of 4 kHz
F0_HZ = 220.0
N_HARMONICS = 8
OCTAVE_DB = 20 * np.log10(2)


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    from amadeus.voice.player import Voice

    return Voice.load(write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL))


def perform(voice, channel=None, **player):
    """The note, without reverb, and soft enough that nothing is turned down."""
    profile = profiles_pb2.PlayerProfile(reverb_mix=0, output_gain_db=-20, **player)
    score = Score((NOTE,), {0: channel} if channel else {})
    performance = perform_score(voice, score, player_profile=profile)
    assert not any("turned down" in notice for notice in performance.notices)
    return performance.audio.astype(np.float64)


def harmonics_db(audio, start_s=1.0, end_s=2.0):
    """Levels of the harmonics, by projection on sines over whole periods."""
    part = audio[round(start_s * 8_000) : round(end_s * 8_000)]
    window = np.blackman(len(part))
    times_s = np.arange(len(part)) / 8_000
    numbers = np.arange(1, N_HARMONICS + 1)
    waves = np.exp(-2j * np.pi * F0_HZ * numbers[:, None] * times_s)
    return 20 * np.log10(np.abs(waves @ (part * window)) / window.sum())


def between_db(audio):
    """Level of what sounds between the harmonics of the held note."""
    part = audio[8_000:16_000]
    spectrum = np.abs(np.fft.rfft(part * np.blackman(len(part))))  # bins of 1 Hz
    middles = F0_HZ * (np.arange(N_HARMONICS) + 0.5)
    bins = (middles[:, None] + np.arange(-40, 41)).astype(int)
    return 10 * np.log10(np.mean(np.square(spectrum[bins])))


@pytest.mark.parametrize("brightness", [-2.0, -1.0, 0.5, 1.0, 2.0])
def test_brightness_tilts_the_harmonics_by_6_db_an_octave(voice, brightness):
    plain = harmonics_db(perform(voice, noise_gain_db=-60))
    tilted = harmonics_db(perform(voice, noise_gain_db=-60, brightness=brightness))
    octaves = np.log2(np.arange(1, N_HARMONICS + 1))
    moved_db = tilted - plain
    assert_allclose(moved_db - moved_db[0], brightness * OCTAVE_DB * octaves, atol=0.1)
    amplitudes, before = 10 ** (tilted / 20), 10 ** (plain / 20)
    assert amplitudes.sum() == pytest.approx(before.sum(), rel=0.01)


def test_the_parts_of_a_sound_are_turned_up_and_down_each_on_its_own(voice):
    def gains(harmonic_gain_db, noise_gain_db):
        return [10 ** (db / 20) for db in (harmonic_gain_db, noise_gain_db)]

    def play(harmonic_gain_db, noise_gain_db):
        return perform(
            voice, harmonic_gain_db=harmonic_gain_db, noise_gain_db=noise_gain_db
        )

    # Two settings tell the parts apart, and so what any other must sound like.
    known = (0, -60), (-60, 24)
    parts = np.linalg.solve(
        [gains(*one) for one in known], np.stack([play(*one) for one in known])
    )
    for setting in ((-60, 12), (-48, 24), (-6, 6), (6, 0)):
        heard = np.array(gains(*setting))[:, None] * parts
        weaker = np.abs(heard).max(axis=1).min()
        atol = max(0.02 * weaker, 1e-7)  # which rounding allows
        assert_allclose(play(*setting), heard.sum(axis=0), atol=atol)
    assert np.abs(parts[1]).max() > 5e-6


def test_without_noise_only_harmonics_are_left(voice):
    whole, tones = perform(voice), perform(voice, noise_gain_db=-60)
    assert_allclose(harmonics_db(tones), harmonics_db(whole), atol=1.0)
    assert between_db(tones) < between_db(whole) - 30


@pytest.mark.parametrize("gain_db", [-12, 6])
def test_the_harmonic_gain_moves_harmonics_by_its_decibels(voice, gain_db):
    plain = harmonics_db(perform(voice, noise_gain_db=-60))
    moved = perform(voice, noise_gain_db=-60, harmonic_gain_db=gain_db)
    assert_allclose(harmonics_db(moved) - plain, gain_db, atol=0.05)


def test_cc_74_brightens_a_note_while_it_sounds(voice):
    channel = Channel(timbre_unit=steps((1.5, 1.0)))
    plain = perform(voice, noise_gain_db=-60)
    moved = perform(voice, channel, noise_gain_db=-60)
    before = harmonics_db(moved, 0.5, 1.45) - harmonics_db(plain, 0.5, 1.45)
    after = harmonics_db(moved, 1.6, 2.6) - harmonics_db(plain, 1.6, 2.6)
    assert_allclose(before, 0, atol=1e-3)
    octaves = np.log2(np.arange(1, N_HARMONICS + 1))
    assert_allclose(after - after[0], OCTAVE_DB * octaves, atol=0.1)


def test_a_timbre_of_zeros_is_no_timbre(voice):
    neutral = perform(voice, brightness=0, harmonic_gain_db=0, noise_gain_db=0)
    assert_array_equal(neutral, perform(voice))
    still = perform(voice, Channel(timbre_unit=steps((0.5, 0.5))), timbre_scale=0)
    assert_array_equal(still, perform(voice))


@pytest.mark.parametrize("tuning_cents", [-50, 50])
def test_fine_tuning_is_heard_in_cents(voice, tuning_cents):
    def pitch_hz(audio):
        part = audio[8_000:16_000]
        size = 16 * len(part)
        spectrum = np.abs(np.fft.rfft(part * np.blackman(len(part)), size))
        near = slice(round(180 * size / 8_000), round(260 * size / 8_000))
        return (near.start + spectrum[near].argmax()) * 8_000 / size

    moved = pitch_hz(perform(voice, noise_gain_db=-60, fine_tuning_cents=tuning_cents))
    plain = pitch_hz(perform(voice, noise_gain_db=-60))
    assert 1200 * np.log2(moved / plain) == pytest.approx(tuning_cents, abs=1)
