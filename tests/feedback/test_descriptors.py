import numpy as np
import pytest

from amadeus.feedback.descriptors import Pitch, describe, describe_frames
from tests.feedback.sounds import SPEC, tone


def measured(rng, name, **kind):
    audio, pitch = tone(rng, **kind)
    return float(np.nanmedian(describe(audio, pitch, spec=SPEC).values[name]))


@pytest.mark.parametrize("tilt_db", [-12.0, -6.0, -3.0, 0.0])
@pytest.mark.parametrize("f0_hz", [110.0, 220.0, 440.0])
def test_tilt_is_what_was_made(rng, tilt_db, f0_hz):
    found = measured(rng, "tilt_db", tilt_db=tilt_db, f0_hz=f0_hz)
    assert found == pytest.approx(tilt_db, abs=0.2)


@pytest.mark.parametrize("tilt_db", [-12.0, -6.0, 0.0])
def test_brightness_is_the_centroid(rng, tilt_db):
    numbers = np.arange(1, int(7200 / 220) + 1)
    amplitudes = 10 ** (tilt_db * np.log2(numbers) / 20)
    truth = np.log2(amplitudes @ numbers / amplitudes.sum())
    found = measured(rng, "brightness_octaves", tilt_db=tilt_db)
    assert found == pytest.approx(truth, abs=0.05)


@pytest.mark.parametrize(
    ("noise_db", "vibrato_cents"), [(-30, 0), (-20, 0), (-10, 0), (-20, 30), (-10, 30)]
)
def test_noise_is_what_was_made(rng, noise_db, vibrato_cents):
    found = measured(rng, "noise_db", noise_db=noise_db, vibrato_cents=vibrato_cents)
    assert found == pytest.approx(noise_db, abs=1.0)


def test_a_pure_sound_has_hardly_any_noise(rng):
    assert measured(rng, "noise_db") < -35


def test_noise_does_not_pass_for_brightness(rng):
    clean = measured(rng, "brightness_octaves", tilt_db=-6.0)
    noisy = measured(rng, "brightness_octaves", tilt_db=-6.0, noise_db=-20.0)
    assert noisy == pytest.approx(clean, abs=0.1)


def test_odd_against_even_follows_what_was_made(rng):
    base = measured(rng, "odd_even_db")
    assert measured(rng, "odd_even_db", odd_db=6.0) == pytest.approx(base + 6, abs=0.3)


@pytest.mark.parametrize("vibrato_cents", [15.0, 40.0])
def test_vibrato_is_what_was_made(rng, vibrato_cents):
    depth = measured(rng, "vibrato_depth_cents", vibrato_cents=vibrato_cents)
    rate = measured(rng, "vibrato_rate_hz", vibrato_cents=vibrato_cents)
    assert depth == pytest.approx(vibrato_cents, rel=0.05)
    assert rate == pytest.approx(5.5, abs=0.1)


def test_without_vibrato_its_depth_is_none_and_its_rate_unknown(rng):
    audio, pitch = tone(rng)
    values = describe(audio, pitch, spec=SPEC).values
    assert np.nanmax(values["vibrato_depth_cents"]) == 0
    assert np.isnan(values["vibrato_rate_hz"]).all()


@pytest.mark.parametrize("attack_s", [0.1, 0.2, 0.4])
def test_attacks_from_a_tenth_to_seven_tenths_are_timed(rng, attack_s):
    truth = np.log2((10 ** (-3 / 20) - 0.1) * attack_s)
    found = measured(rng, "attack_octaves", attack_s=attack_s)
    assert found == pytest.approx(truth, abs=0.25)


def test_beats_are_rough(rng):
    smooth, rough = (measured(rng, "roughness_db", beat_hz=hz) for hz in (0.0, 40.0))
    assert rough > smooth + 1.0


def test_level_changes_loudness_and_nothing_else(rng):
    audio, pitch = tone(rng, noise_db=-20.0, vibrato_cents=20.0)
    loud, soft = (describe(a, pitch, spec=SPEC).values for a in (audio, audio / 4))
    for name, values in loud.items():
        shift = -20 * np.log10(4) if name == "loudness_db" else 0.0
        np.testing.assert_allclose(soft[name], values + shift, atol=0.02, err_msg=name)


def test_a_long_note_gives_several_examples_and_one_attack(rng):
    audio, pitch = tone(rng, duration_s=3.0)
    blocks = describe(audio, pitch, spec=SPEC)
    assert 4 <= blocks.n_blocks <= 6
    assert np.isfinite(blocks.values["attack_octaves"]).sum() == 1
    assert (np.diff(blocks.start_s) > 0).all()


def test_silence_has_no_notes(rng):
    _, pitch = tone(rng)
    blocks = describe(np.zeros(2 * SPEC.sample_rate), pitch, spec=SPEC)
    assert blocks.n_blocks == 0
    assert all(len(values) == 0 for values in blocks.values.values())


def test_where_the_pitch_is_not_sure_nothing_is_told(rng):
    audio, pitch = tone(rng)
    doubtful = Pitch(pitch.f0_hz, np.arange(len(pitch.f0_hz)) < 100)
    frames = describe_frames(audio, doubtful, spec=SPEC)
    assert np.isfinite(frames.brightness_octaves[10:100]).all()
    assert np.isnan(frames.brightness_octaves[100:]).all()


def test_blocks_belong_where_half_of_them_lies(rng):
    audio, pitch = tone(rng, duration_s=2.0)
    blocks = describe(audio, pitch, spec=SPEC)
    first, rest = blocks.inside(0.0, 1.0), blocks.inside(1.0, 2.0)
    assert first.any()
    assert rest.any()
    assert not blocks.inside(5.0, 6.0).any()
