import struct

import numpy as np
import pytest
import soundfile

from amadeus.audio import riff
from amadeus.audio.write import write_wav


@pytest.fixture
def take(tmp_path, rng):
    path = tmp_path / "take.wav"
    write_wav(
        path, rng.uniform(-0.5, 0.5, 801), sample_rate=16_000, record=b"who and how\n\0"
    )
    return path


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("n_samples", [0, 1, 800, 801])
def test_what_is_appended_is_read_and_the_sound_stays(
    tmp_path, rng, subtype, n_samples
):
    plain, sealed = tmp_path / "plain.wav", tmp_path / "sealed.wav"
    audio = rng.uniform(-0.5, 0.5, n_samples)
    write_wav(plain, audio, sample_rate=16_000, subtype=subtype)
    write_wav(sealed, audio, sample_rate=16_000, subtype=subtype, record=b"odd")
    assert riff.read(sealed) == (b"odd", True)
    assert riff.read(plain) is None
    np.testing.assert_array_equal(soundfile.read(sealed)[0], soundfile.read(plain)[0])
    size = struct.unpack("<I", sealed.read_bytes()[4:8])[0]
    assert size == sealed.stat().st_size - 8


def test_it_survives_a_copy(take, tmp_path):
    copy = tmp_path / "copy.wav"
    copy.write_bytes(take.read_bytes())
    assert riff.read(copy) == (b"who and how\n\0", True)


def test_an_edited_sound_is_told(take):
    content = bytearray(take.read_bytes())
    content[60] ^= 1  # within the sound, which begins at 44
    take.write_bytes(content)
    assert riff.read(take) == (b"who and how\n\0", False)


@pytest.mark.parametrize("n_bytes", [0, 3, 12, 43, 44, 500])
def test_what_is_cut_short_holds_none(take, n_bytes):
    take.write_bytes(take.read_bytes()[:n_bytes])
    assert riff.read(take) is None


def test_a_chunk_that_ends_early_is_none(take):
    take.write_bytes(take.read_bytes()[:-4])
    assert riff.read(take) is None


def test_what_is_no_wav_holds_none(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"RIFFling through notes" * 10)
    assert riff.read(path) is None
    assert not riff.append(path, b"x")
