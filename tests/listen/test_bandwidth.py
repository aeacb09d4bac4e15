"""How far up a sound reaches, on sounds whose reach is known by making."""

import math

import numpy as np
import pytest
import soundfile
import soxr

from amadeus.audio.write import encode_mp3
from amadeus.listen.bandwidth import BandwidthMeter, content_bandwidth_hz

RATE = 48_000


def low_passed(audio, cut_hz, sample_rate):
    """As an mp3 encoder cuts: everything above is gone."""
    spectrum = np.fft.rfft(audio)
    spectrum[round(len(audio) * cut_hz / sample_rate) :] = 0
    return np.fft.irfft(spectrum, len(audio))


def rounded(audio):
    return np.round(audio * 32_767) / 32_768


@pytest.fixture
def bright(note, rng):
    """A note with partials to the top, in the faint noise of a microphone."""
    audio = note(220, 4.0, sample_rate=RATE)
    return audio + rng.normal(0, 10 ** (-80 / 20), len(audio))


@pytest.mark.parametrize("from_rate", [8_000, 16_000, 22_050, 32_000])
@pytest.mark.parametrize("quality", ["HQ", "MQ"])
def test_what_was_upsampled_ends_where_it_did(bright, from_rate, quality):
    small = soxr.resample(bright, RATE, from_rate)
    again = rounded(soxr.resample(small, from_rate, RATE, quality=quality))
    found_hz = content_bandwidth_hz(again, sample_rate=RATE)
    assert 0.86 * from_rate / 2 < found_hz < 1.03 * from_rate / 2


@pytest.mark.parametrize("cut_hz", [11_000, 16_000, 19_000])
def test_what_an_encoder_cut_is_not_there(bright, cut_hz):
    cut = rounded(low_passed(bright, cut_hz, RATE))
    found_hz = content_bandwidth_hz(cut, sample_rate=RATE)
    assert found_hz == pytest.approx(cut_hz, rel=0.03)


def test_the_level_does_not_matter(bright):
    cut = low_passed(bright, 9_000, RATE)
    for gain in (0.03, 1.0):
        found_hz = content_bandwidth_hz(gain * cut, sample_rate=RATE)
        assert found_hz == pytest.approx(9_000, rel=0.03)


def test_noise_that_was_added_later_does_not_hide_a_cut(bright, rng):
    dithered = low_passed(bright, 9_000, RATE) + rng.normal(0, 10**-4.6, len(bright))
    assert content_bandwidth_hz(dithered, sample_rate=RATE) == pytest.approx(
        9_000, rel=0.05
    )


def test_what_reaches_the_top_has_no_end(bright):
    assert content_bandwidth_hz(bright, sample_rate=RATE) == RATE / 2


@pytest.mark.parametrize("name", ["sax-phrase", "singing-female"])
def test_a_recording_of_16_khz_ends_below_8_khz(name, recording):
    again = soxr.resample(recording(name), 16_000, RATE)
    assert 6_900 < content_bandwidth_hz(again, sample_rate=RATE) < 8_200


def test_an_mp3_of_a_16_khz_recording_is_seen_through(recording, tmp_path):
    wide = soxr.resample(recording("sax-phrase"), 16_000, RATE)
    (tmp_path / "take.mp3").write_bytes(encode_mp3(wide, sample_rate=RATE))
    audio, rate = soundfile.read(tmp_path / "take.mp3")
    assert 6_500 < content_bandwidth_hz(audio, sample_rate=rate) < 8_200


def test_channels_count_as_one_sound(bright):
    stereo = np.stack([bright, low_passed(bright, 6_000, RATE)], axis=1)
    assert content_bandwidth_hz(stereo, sample_rate=RATE) > 23_000


def test_silence_has_no_bandwidth():
    assert math.isnan(content_bandwidth_hz(np.zeros(RATE), sample_rate=RATE))


def test_a_meter_hears_in_blocks_what_it_hears_at_once(bright):
    cut = low_passed(bright, 12_000, RATE)
    meter = BandwidthMeter(sample_rate=RATE)
    for block in np.array_split(cut, 7):
        meter.add(block)
    whole_hz = content_bandwidth_hz(cut, sample_rate=RATE)
    assert meter.bandwidth_hz() == pytest.approx(whole_hz, abs=200)
