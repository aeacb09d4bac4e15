"""One clip in every encoding of npm `audio-lena` decodes to the same sound."""

import numpy as np
import pytest

from amadeus.audio import decode
from tests.audio import audio_lena

RATE = 44_100
LOSSLESS = [
    "lena.flac",
    "lena.caf",
    "lena-24.aiff",
    "lena-32.aiff",
    "lena-f32.caf",
    "audacity/lena-24.aiff",
    "audacity/lena-24-dwvw.aiff",
    "audacity/lena-32.wav",
    "audacity/lena-64.aiff",
    "logic/lena-24.aif",
    "logic/lena-24.wav",
    "logic/lena-32.aif",
]
# Correlation that the codec itself leaves, and how its encoder changed the level, in dB.
LOSSY = {
    "lena.aiff": (0.999, 0.0),  # a decoded AAC, by its trailing padding
    "lena.mp3": (0.999, 0.0),
    "lena.ogg": (0.999, 0.0),
    "lena.opus": (0.998, -0.4),
    "lena.aac": (0.99, 0.0),
    "lena.m4a": (0.999, -3.0),  # made stereo at equal power
    "lena.webm": (0.999, 0.0),
    "lena-vorbis.webm": (0.999, 0.0),
    "lena-alaw.aiff": (0.98, -0.1),  # 8 kHz
    "lena-ulaw.aiff": (0.98, -0.1),
    "lena-alaw.caf": (0.98, -0.1),
    "audacity/lena-a.aiff": (0.999, 0.0),
    "audacity/lena-u.aiff": (0.999, 0.0),
    "audacity/lena-gsm.aiff": (0.98, -0.4),
    "audacity/lena-ima-adpcm.aiff": (0.999, 0.0),
}


@pytest.fixture(scope="module")
def lena():
    try:
        return audio_lena.fetch()
    except RuntimeError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def reference(lena):
    return decode.read(lena / "lena.wav", sample_rate=RATE)


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_encodings_decode_to_the_same_samples(lena, reference, name):
    audio = decode.read(lena / name, sample_rate=RATE)
    np.testing.assert_allclose(audio, reference, atol=5e-4)  # exporters dithered


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_encodings_decode_to_the_same_sound(lena, reference, name):
    correlation, level_db = LOSSY[name]
    audio = decode.read(lena / name, sample_rate=RATE)
    assert abs(len(audio) - len(reference)) < 0.06 * RATE
    assert 20 * np.log10(audio.std() / reference.std()) == pytest.approx(
        level_db, abs=0.15
    )
    assert _aligned_correlation(audio, reference) > correlation


@pytest.mark.parametrize("name", ["lena.wav", "lena.m4a", "lena.webm", "lena.opus"])
def test_probe_tells_the_length_without_decoding(lena, name):
    info = decode.probe(lena / name)
    assert info.duration_s == pytest.approx(12.27, abs=0.03)


@pytest.mark.parametrize("name", ["lena.m4a", "lena.webm", "lena.mp3", "lena.ogg"])
def test_an_excerpt_is_the_same_part_of_the_whole(lena, name):
    whole = decode.read(lena / name, sample_rate=RATE)
    part = decode.read_excerpt(
        lena / name, sample_rate=RATE, offset_s=5.0, duration_s=2.0
    )
    assert len(part) == pytest.approx(2 * RATE, abs=2)
    assert _aligned_correlation(part, whole[5 * RATE : 7 * RATE]) > 0.99


@pytest.mark.parametrize(
    "name", ["lena.wav", "lena.flac", "lena.mp3", "lena.ogg", "lena.caf", "lena.aiff"]
)
def test_half_a_file_is_refused_with_numbers(lena, tmp_path, name):
    whole = (lena / name).read_bytes()
    half = tmp_path / name
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(decode.RecordingError, match=r"(ends early|cut off).* \d"):
        decode.read(half, sample_rate=RATE)


@pytest.mark.parametrize("name", ["lena.m4a", "lena.webm"])
def test_half_a_file_for_ffmpeg_is_refused(lena, tmp_path, name):
    whole = (lena / name).read_bytes()
    half = tmp_path / name
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(decode.RecordingError, match=r"ends early|moov atom not found"):
        decode.read(half, sample_rate=RATE)


def _aligned_correlation(audio, reference):
    n_fft = 1 << (len(audio) + len(reference)).bit_length()
    cross = np.fft.irfft(
        np.fft.rfft(audio, n_fft) * np.conj(np.fft.rfft(reference, n_fft))
    )
    lag = int(np.argmax(np.abs(cross)))
    lag -= n_fft if lag > n_fft // 2 else 0
    assert abs(lag) < 0.06 * RATE  # encoders without an edit list leave their priming
    late, early = audio[max(lag, 0) :], reference[max(-lag, 0) :]
    n_common = min(len(late), len(early))
    return np.corrcoef(late[:n_common], early[:n_common])[0, 1]
