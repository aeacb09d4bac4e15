import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

from amadeus.errors import ConfigError
from amadeus.export import impulse_response
from amadeus.voice.player import Voice
from tests.export.voices import SMALL, write_voice


def test_the_file_makes_of_the_dry_voice_what_the_reverb_makes(small_path, tmp_path):
    path = tmp_path / "room.wav"
    assert impulse_response.export(small_path, path) == 8_000
    response, sample_rate = soundfile.read(path, dtype="float32")
    assert (sample_rate, response.shape) == (8_000, (400,))
    assert soundfile.info(path).subtype == "FLOAT"
    voice = Voice.load(small_path)
    controls = np.full(50, 220.0), np.full(50, -30.0)
    dry = voice.render(*controls, reverb_mix=0.0)
    wet = voice.render(*controls, reverb_mix=1.0)
    assert_allclose(np.convolve(dry, response)[: len(dry)], wet, atol=1e-4)
    assert np.abs(wet - dry).max() > 0.01


@pytest.mark.parametrize("to_rate", [8_000, 24_000, 44_100, 48_000])
def test_at_another_rate_it_is_the_same_room(rng, to_rate):
    """Its frequency response, as far as both rates reach."""
    taps = rng.normal(size=1_600) * np.geomspace(1, 1e-3, 1_600) * 0.1
    own = impulse_response.impulse_response(taps, from_rate=16_000, to_rate=16_000)
    other = impulse_response.impulse_response(taps, from_rate=16_000, to_rate=to_rate)
    assert len(other) == round(1_600 * to_rate / 16_000)
    assert (own[0], other[0]) == (1.0, 1.0)
    frequencies_hz = np.linspace(100, 0.4 * min(to_rate, 16_000), 50)

    def response(taps, rate):
        angles = 2 * np.pi * np.outer(frequencies_hz, np.arange(len(taps))) / rate
        return np.exp(-1j * angles) @ taps

    theirs, ours = response(own, 16_000), response(other, to_rate)
    # the first tap carries the dry sound alone, so what a resampler rings before the reverb is lost
    assert np.abs(ours - theirs).max() < 0.05 * np.abs(theirs - 1).max()


def test_the_first_tap_is_the_dry_sound_whatever_was_learned(rng):
    taps = rng.normal(size=64).astype(np.float32)
    response = impulse_response.impulse_response(taps, from_rate=8_000, to_rate=8_000)
    assert response[0] == 1.0
    assert_allclose(response[1:], taps[1:])


def test_a_voice_without_reverb_is_refused(tmp_path):
    settings = SMALL | {"reverb_duration_s": 0.0}
    dry_path = write_voice(tmp_path / "voice" / "1", **settings)
    with pytest.raises(ConfigError, match="no reverb to export"):
        impulse_response.export(dry_path, tmp_path / "room.wav")
    assert not (tmp_path / "room.wav").exists()
