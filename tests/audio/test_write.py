"""What is written can be read, and nothing half or clipped is ever written."""

import io

import numpy as np
import pytest
import soundfile

from amadeus.audio import decode, write
from amadeus.errors import ConfigError, HomeError


@pytest.mark.parametrize(
    ("subtype", "tolerance"), [("PCM_16", 2**-15), ("PCM_24", 2**-23), ("FLOAT", 0)]
)
def test_what_is_written_is_what_is_read(tmp_path, rng, subtype, tolerance):
    audio = rng.uniform(-1, 1, 1_000).astype(np.float32)
    write.write_wav(tmp_path / "a.wav", audio, sample_rate=16_000, subtype=subtype)
    back, sample_rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert sample_rate == 16_000
    np.testing.assert_allclose(back, audio, atol=tolerance)


@pytest.mark.parametrize("bad", [1.001, -1.001, np.nan, np.inf])
def test_a_sample_beyond_full_scale_is_refused_and_the_old_file_stays(tmp_path, bad):
    path = tmp_path / "a.wav"
    write.write_wav(path, np.zeros(10), sample_rate=16_000)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"\[-1, 1\].*limit or scale"):
        write.write_wav(path, np.array([0.0, bad]), sample_rate=16_000)
    assert path.read_bytes() == before


def test_an_unknown_subtype_is_refused_with_the_known(tmp_path):
    with pytest.raises(ConfigError, match="PCM_16, PCM_24, FLOAT"):
        write.write_wav(
            tmp_path / "a.wav", np.zeros(1), sample_rate=16_000, subtype="MP3"
        )


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(HomeError, match=r"cannot write .*No such file"):
        write.write_wav(tmp_path / "no" / "a.wav", np.zeros(1), sample_rate=16_000)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(HomeError, match="cannot write"):
        write.write_wav(tmp_path / "a.wav", np.zeros(1), sample_rate=16_000)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("sample_rate", [16_000, 20_000, 96_000])
def test_an_mp3_sounds_like_its_source(sine, sample_rate):
    tone = sine(440, 1.0, sample_rate)
    encoded = write.encode_mp3(tone, sample_rate=sample_rate)
    back, rate = soundfile.read(io.BytesIO(encoded), dtype="float32")
    assert len(encoded) < tone.nbytes / 2
    spectrum = np.abs(np.fft.rfft(back))
    assert np.argmax(spectrum) * rate / len(back) == pytest.approx(440, abs=1.5)
    assert back.std() == pytest.approx(tone.std(), rel=0.05)


def test_resampling_there_and_back_is_the_same(rng):
    noise = rng.uniform(-0.5, 0.5, 16_000).astype(np.float32)
    smooth = write.resample(noise, from_rate=8_000, to_rate=16_000)
    up = write.resample(smooth, from_rate=16_000, to_rate=44_100)
    back = write.resample(up, from_rate=44_100, to_rate=16_000)
    np.testing.assert_allclose(back[500:-500], smooth[500:-500], atol=1e-3)


def test_resampling_in_memory_equals_decoding_at_that_rate(save, rng):
    noise = rng.uniform(-0.5, 0.5, 44_100).astype(np.float32)
    path = save(noise - noise.mean(), 44_100, subtype="FLOAT")
    expected = write.resample(noise - noise.mean(), from_rate=44_100, to_rate=16_000)
    streamed = decode.read(path, sample_rate=16_000)
    np.testing.assert_allclose(streamed, expected, atol=1e-5)
