from dataclasses import dataclass

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.errors import RecordingError, VoiceError
from amadeus.play.notation import Note, Score
from amadeus.play.perform import (
    PEAK_CEILING_DB,
    limit_peak,
    perform_audio,
    perform_score,
    resample_performance,
)
from amadeus.v1 import profiles_pb2
from tests.play.instrument import (
    ECHO_GAIN,
    ECHO_S,
    SPEC,
    SineVoice,
    learned,
    make_personality,
    measure_level_db,
    measure_pitch_hz,
)

RATE = SPEC.sample_rate
CEILING = 10 ** (PEAK_CEILING_DB / 20)
STRAIGHT = learned(vibrato_rate_hz=0, sustain_slope_db_per_s=0)


def voice(statistics=STRAIGHT, **player):
    return SineVoice(make_personality(statistics, **player))


def perform(*notes, voice=None, seed=0, **player):
    profile = profiles_pb2.PlayerProfile(**player)
    player_voice = voice or SineVoice(make_personality(STRAIGHT))
    return perform_score(player_voice, Score(notes), player_profile=profile, seed=seed)


def cut(performance, start_s, end_s):
    rate = performance.sample_rate
    return performance.audio[round(start_s * rate) : round(end_s * rate)]


def hz(pitch_midi):
    return 440 * 2 ** ((pitch_midi - 69) / 12)


MELODY = [Note(0, 1, 57, 60), Note(1, 2, 64, 127), Note(2.5, 3.5, 69, 1)]


def test_a_melody_sounds_at_its_pitches_and_times():
    performance = perform(*MELODY)
    assert performance.sample_rate == RATE
    for note in MELODY:
        held = cut(performance, note.start_s + 0.3, note.end_s - 0.1)
        assert measure_pitch_hz(held, RATE) == pytest.approx(
            hz(note.pitch_midi), rel=5e-4
        )


def test_velocity_is_heard_as_level():
    performance = perform(*MELODY, reverb_mix=0)
    levels = [
        measure_level_db(cut(performance, n.start_s + 0.4, n.end_s - 0.1))
        for n in MELODY
    ]
    # Peaks at velocity 1 and 127 are -42 and -22 dB, sustained 3 dB below.
    assert levels[1] == pytest.approx(-25, abs=0.7)
    assert levels[2] == pytest.approx(-45, abs=0.7)
    assert levels[2] < levels[0] < levels[1]


def test_a_rest_is_silent_and_a_slur_is_not():
    performance = perform(*MELODY, reverb_mix=0, release_scale=0.5)
    assert np.abs(cut(performance, 2.35, 2.48)).max() < 1e-3
    for time_s in np.arange(0.3, 1.9, 0.02):
        assert measure_level_db(cut(performance, time_s, time_s + 0.03)) > -45


def test_nothing_sounds_before_the_first_note():
    performance = perform(Note(1, 2, 60, 100))
    assert (cut(performance, 0, 0.99) == 0).all()
    assert np.abs(cut(performance, 0.99, 1.1)).max() > 0.005


def test_release_and_reverb_are_played_to_their_end():
    performance = perform(FIRM := Note(0, 1, 60, 127), reverb_mix=1)
    dry = perform(FIRM, reverb_mix=0)
    release_s = 0.3 * (80 - 25) / 40  # to silence
    assert len(dry.audio) / RATE == pytest.approx(1 + release_s, abs=0.1)
    assert len(performance.audio) / RATE >= 1 + release_s + ECHO_S
    # The echo of the last audible instant of the release is there.
    late = 1 + 0.5 * release_s + ECHO_S
    assert measure_level_db(cut(performance, late, late + 0.02)) > -70
    assert np.abs(performance.audio[-5:]).max() < 1e-5


def test_the_reverb_knob_is_heard():
    later = Note(2, 3, 60, 127)

    def level_db(mix):
        notes = [Note(0, 1, 60, 127), later]
        performance = perform(*notes, reverb_mix=mix, release_scale=0.05)
        return measure_level_db(cut(performance, 1.1, 1.2))

    assert level_db(0) < -100
    assert level_db(1.0) == pytest.approx(-25 + 20 * np.log10(ECHO_GAIN), abs=1)
    assert level_db(0.5) == pytest.approx(level_db(1.0) - 6, abs=0.2)


def test_the_output_gain_scales_the_sound_and_nothing_else():
    plain, louder = perform(*MELODY), perform(*MELODY, output_gain_db=12)
    assert_allclose(louder.audio, plain.audio * 10 ** (12 / 20), rtol=1e-5, atol=1e-7)


def test_knobs_of_the_personality_hold_until_the_player_says_otherwise():
    taught = voice(pitch_shift_semitones=12, output_gain_db=-6)
    note = Note(0, 1, 57, 100)
    kept = perform(note, voice=taught)
    assert measure_pitch_hz(cut(kept, 0.3, 0.9), RATE) == pytest.approx(
        hz(69), rel=1e-3
    )
    overruled = perform(note, voice=taught, pitch_shift_semitones=0)
    held = cut(overruled, 0.3, 0.9)
    assert measure_pitch_hz(held, RATE) == pytest.approx(hz(57), rel=1e-3)
    assert_allclose(overruled.audio, perform(note, output_gain_db=-6).audio, atol=1e-7)


def test_a_chord_is_the_sum_of_its_notes():
    chord = [Note(0, 1, pitch, 90) for pitch in (57, 61, 64)]
    performance = perform(*chord, reverb_mix=0)
    spectrum = np.abs(np.fft.rfft(cut(performance, 0.3, 0.9) * np.hanning(9600)))
    for note in chord:
        bin_number = round(hz(note.pitch_midi) * 0.6)
        near = spectrum[bin_number - 2 : bin_number + 3].max()
        assert near > 100 * np.median(spectrum)


def test_a_loud_chord_is_turned_down_as_a_whole_and_told():
    loud = learned(soft_loudness_db=-10, loud_loudness_db=-2, vibrato_rate_hz=0)
    loud.loudness_quantiles_db[:] = [-40, -2]
    chord = [Note(0, 1, pitch, 127) for pitch in (48, 55, 60, 64, 67, 72)]
    performance = perform(*chord, voice=voice(loud))
    peak = np.abs(performance.audio).max()
    assert peak <= CEILING
    assert peak == pytest.approx(CEILING, rel=1e-3)
    (notice,) = performance.notices
    reduction_db = float(notice.split("turned down by ")[1].split(" dB")[0])
    quiet = perform(*chord, voice=voice(loud), output_gain_db=-30)
    gain_db = measure_level_db(performance.audio) - measure_level_db(quiet.audio)
    assert gain_db == pytest.approx(30 - reduction_db, abs=0.06)


def test_a_soft_performance_is_left_alone():
    performance = perform(Note(0, 1, 60, 10))
    assert performance.notices == []
    assert np.abs(performance.audio).max() < 0.1


def test_long_rests_are_not_rendered_and_change_nothing():
    near = perform(Note(0, 1, 60, 90), Note(3, 4, 64, 90))
    busy = voice()
    far = perform(Note(0, 1, 60, 90), Note(300, 301, 64, 90), voice=busy)
    assert busy.rendered_frames < 500
    assert_allclose(cut(far, 0, 2.5), cut(near, 0, 2.5), atol=1e-6)
    # Phases of the sine differ by rounding of times only.
    assert_allclose(cut(far, 300, 301.5), cut(near, 3, 4.5), atol=1e-4)


def test_the_same_seed_plays_the_same():
    assert_array_equal(perform(*MELODY, seed=3).audio, perform(*MELODY, seed=3).audio)
    assert not np.array_equal(
        perform(*MELODY, seed=3).audio, perform(*MELODY, seed=4).audio
    )


def test_notices_of_the_score_and_of_the_playing_are_handed_on():
    score = Score((Note(0, 1, 100, 90),), notices=("drums left out.",))
    notices = perform_score(voice(), score).notices
    assert notices[0] == "drums left out."
    assert "outside the range" in notices[1]


@dataclass
class BrokenVoice(SineVoice):
    """A voice whose weights are damaged."""

    flaw: str = "nan"

    def render(self, f0_hz, loudness_db, reverb_mix=1.0, timbre=None):
        audio = super().render(f0_hz, loudness_db, reverb_mix, timbre)
        if self.flaw == "short":
            return audio[:-1]
        audio[len(audio) // 2] = np.nan
        return audio


@pytest.mark.parametrize(
    ("flaw", "words"), [("nan", "1 samples .* no numbers"), ("short", "shape")]
)
def test_a_voice_that_gives_no_sound_is_refused(flaw, words):
    with pytest.raises(VoiceError, match=words):
        perform(*MELODY, voice=BrokenVoice(flaw=flaw))


@pytest.mark.parametrize("peak", [0.0, 0.5, CEILING, 1.0, 7.0, 1e9])
def test_the_limit_is_never_passed_and_never_touches_what_is_below(rng, peak):
    audio = rng.uniform(-1, 1, 1000)
    audio *= peak / np.abs(audio).max()
    limited, reduction_db = limit_peak(audio)
    assert np.abs(limited).max() <= np.float32(CEILING)
    assert_allclose(
        limited * 10 ** (reduction_db / 20), audio, rtol=1e-5, atol=1e-6 * peak
    )
    assert (reduction_db == 0) == (peak <= CEILING)


@pytest.mark.parametrize("sample_rate", [16_000, 8_000, 44_100, 48_000])
def test_resampling_keeps_the_tune_and_the_peak(sample_rate):
    loud = learned(soft_loudness_db=-6, loud_loudness_db=0, vibrato_rate_hz=0)
    loud.loudness_quantiles_db[:] = [-40, 0]
    performance = perform(Note(0, 1, 69, 127), voice=voice(loud), output_gain_db=6)
    resampled = resample_performance(performance, sample_rate=sample_rate)
    assert resampled.sample_rate == sample_rate
    duration_s = len(performance.audio) / RATE
    assert len(resampled.audio) / sample_rate == pytest.approx(duration_s, abs=1e-3)
    assert np.abs(resampled.audio).max() <= np.float32(CEILING)
    held = cut(resampled, 0.3, 0.9)
    assert measure_pitch_hz(held, sample_rate) == pytest.approx(440, rel=1e-3)


# Timbre transfer, with the real tracker


def hum(*pitches_midi, seconds=0.8, rest_s=0.3):
    """A hummed tune: harmonic tones that swell, with rests between."""
    times_s = np.arange(round(seconds * RATE)) / RATE
    sounds = []
    for number, pitch in enumerate(pitches_midi):
        phase = 2 * np.pi * hz(pitch) * times_s
        tone = sum(np.sin(k * phase) / k**1.5 for k in range(1, 7))
        swell = np.sin(np.pi * times_s / seconds) ** 0.5
        sounds += [np.zeros(round(rest_s * RATE)), 0.1 * (1 + number) * tone * swell]
    return np.concatenate([*sounds, np.zeros(RATE // 2)]).astype(np.float32)


def test_a_hummed_tune_is_played_an_octave_lower_where_the_voice_is_at_home():
    low = learned(vibrato_rate_hz=0)
    low.pitch_quantiles_midi[:] = np.linspace(45, 60, 16)
    tune = (62, 66, 69)
    performance = perform_audio(voice(low), hum(*tune))
    assert "moved by -1 octave " in performance.notices[0]
    for number, pitch in enumerate(tune):
        start_s = 0.3 + number * 1.1
        held = cut(performance, start_s + 0.2, start_s + 0.6)
        assert measure_pitch_hz(held, RATE) == pytest.approx(
            hz(pitch - 12), rel=6e-3
        )  # 10 cents


def test_transfer_keeps_time_dynamics_and_rests():
    performance = perform_audio(
        voice(),
        hum(62, 66, 69),
        player_profile=profiles_pb2.PlayerProfile(reverb_mix=0),
    )
    levels = [
        measure_level_db(cut(performance, 0.3 + n * 1.1 + 0.3, 0.3 + n * 1.1 + 0.5))
        for n in range(3)
    ]
    assert levels[0] < levels[1] < levels[2]
    assert levels[0] >= -60
    assert levels[2] <= -19
    assert measure_level_db(cut(performance, 0, 0.2)) < -75
    assert measure_level_db(cut(performance, 3.75, 4.0)) < -75


def test_transfer_reads_a_file_at_any_rate_and_obeys_a_fixed_octave(tmp_path):
    path = tmp_path / "hum.wav"
    times_s = np.arange(44_100) / 44_100
    tone = sum(np.sin(2 * np.pi * 220 * k * times_s) / k for k in range(1, 6))
    soundfile.write(path, 0.2 * tone, 44_100)
    performance = perform_audio(voice(), path, octave=1)
    held = cut(performance, 0.3, 0.8)
    assert measure_pitch_hz(held, RATE) == pytest.approx(440, rel=3e-3)
    assert performance.notices == []


@pytest.mark.parametrize("name", ["silence", "rain"])
def test_sound_without_a_melody_is_refused(rng, name):
    sound = {"silence": np.zeros(RATE), "rain": 0.1 * rng.normal(size=2 * RATE)}[name]
    with pytest.raises(RecordingError, match="one clear melody"):
        perform_audio(voice(), sound.astype(np.float32))
