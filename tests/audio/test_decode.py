"""Laws of decoding: mono, DC, rates, levels, memory; and a sentence for every bad file."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile

from amadeus.audio import decode, ffmpeg
from amadeus.errors import RecordingError


def level_db(audio):
    return 10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20)


@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_equal_channels_give_just_themselves(sine, save, n_channels):
    tone = sine(440, 0.5)
    path = save(np.tile(tone[:, None], n_channels), subtype="FLOAT")
    np.testing.assert_allclose(decode.read(path, sample_rate=16_000), tone, atol=1e-6)


def test_opposite_channels_do_not_cancel(sine, save):
    tone = sine(440, 0.5)
    path = save(np.stack([tone, -tone], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(decode.read(path, sample_rate=16_000), tone, atol=1e-6)


def test_a_channel_in_opposite_phase_is_turned_among_many(sine, save, rng):
    tone = sine(440, 0.5)
    channels = np.stack([tone, -0.9 * tone, 0.8 * tone, -tone], axis=1)
    channels += rng.normal(0, 0.01, channels.shape)
    mono = decode.read(save(channels, subtype="FLOAT"), sample_rate=16_000)
    assert level_db(mono) > level_db(tone) - 1


def test_a_silent_channel_does_not_make_the_other_softer(sine, save):
    tone = sine(440, 0.5)
    path = save(np.stack([np.zeros_like(tone), tone], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(decode.read(path, sample_rate=16_000), tone, atol=1e-6)


def test_mixing_weights_do_not_change_within_a_file(sine, save):
    # In phase at first, opposite for longer: decided once, so blocks join without a seam.
    tone = sine(437, 3.0)
    other = np.where(np.arange(len(tone)) < 16_000, tone, -tone)
    path = save(np.stack([tone, other], axis=1), subtype="FLOAT")
    blocks = list(decode.stream(path, sample_rate=16_000, block_s=0.5))
    mono = np.concatenate(blocks)
    np.testing.assert_allclose(mono[:16_000], 0, atol=1e-3)
    np.testing.assert_allclose(mono[16_000:], tone[16_000:], atol=1e-3)


def test_an_offset_is_removed(sine, save):
    tone = sine(440, 1.0, amplitude=0.3)
    mono = decode.read(save(tone + 0.2, subtype="FLOAT"), sample_rate=16_000)
    np.testing.assert_allclose(mono, tone, atol=1e-5)


def test_a_mix_beyond_full_scale_is_scaled_to_its_peak(sine, save):
    path = save(sine(440, 0.5, amplitude=8_000.0), subtype="FLOAT")
    mono = decode.read(path, sample_rate=16_000)
    assert np.max(np.abs(mono)) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("from_rate", [8_000, 11_025, 44_100, 48_000, 96_000, 192_000])
def test_a_tone_keeps_its_pitch_and_level_at_another_rate(sine, save, from_rate):
    path = save(sine(1_000, 1.0, from_rate), from_rate, subtype="FLOAT")
    mono = decode.read(path, sample_rate=16_000)
    assert len(mono) == pytest.approx(16_000, abs=1)
    middle = slice(1_000, -1_000)
    np.testing.assert_allclose(
        mono[: len(mono)][middle], sine(1_000, 1.0)[: len(mono)][middle], atol=1e-4
    )


def test_nothing_above_the_new_nyquist_folds_back(sine, save):
    path = save(sine(9_000, 1.0, 48_000), 48_000, subtype="FLOAT")
    assert level_db(decode.read(path, sample_rate=16_000)[500:-500]) < -90


@pytest.mark.parametrize("block_s", [0.001, 0.0997, 1.0, 60.0])
def test_streaming_equals_reading_at_once(save, rng, block_s):
    noise = rng.uniform(-0.5, 0.5, (44_100, 2)).astype(np.float32)
    path = save(noise, 44_100, subtype="FLOAT")
    blocks = list(decode.stream(path, sample_rate=16_000, block_s=block_s))
    assert all(len(block) and block.dtype == np.float32 for block in blocks)
    whole = decode.read(path, sample_rate=16_000)
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)


@pytest.mark.parametrize(
    "subtype",
    ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"],
)
def test_every_depth_gives_the_same_level(sine, save, subtype):
    tone = sine(440, 0.5)
    mono = decode.read(save(tone, subtype=subtype), sample_rate=16_000)
    assert level_db(mono) == pytest.approx(level_db(tone), abs=0.1)
    assert level_db(mono - tone) < -30


def test_a_long_take_streams_in_constant_memory(tmp_path, rng):
    path = tmp_path / "long.wav"
    minute = rng.uniform(-0.1, 0.1, 60 * 16_000).astype(np.float32)
    with soundfile.SoundFile(path, "w", 16_000, 1) as file:
        for _ in range(10):
            file.write(minute)
    tracemalloc.start()
    n_samples = sum(len(block) for block in decode.stream(path, sample_rate=16_000))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_samples == 600 * 16_000
    assert peak_bytes < 8e6  # ten minutes are 38 MB


def test_a_suffix_is_not_believed(sine, save):
    path = save(sine(440, 0.5), name="take.raw", format="FLAC")
    assert decode.probe(path) == decode.AudioInfo(16_000, 1, 0.5, "FLAC PCM_16")


def test_a_wav_of_a_recorder_that_never_wrote_its_length_is_read(sine, save):
    path = save(sine(440, 0.5))
    raw = bytearray(path.read_bytes())
    raw[4:8] = raw[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(raw)
    assert len(decode.read(path, sample_rate=16_000)) == 8_000


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ("empty .0 bytes.", b""),
        ("holds text", b"This is not a sound.\n" * 20),
        ("is no known format", bytes(range(256)) * 20),
        ("damaged", b"RIFF\x10\0\0\0WAVEfmt "),
    ],
)
def test_what_is_not_audio_is_refused(tmp_path, words, content):
    path = tmp_path / "take.wav"
    path.write_bytes(content)
    for door in (decode.probe, decode.survey):
        with pytest.raises(RecordingError, match=words):
            door(path)


def test_a_header_without_samples_is_refused(save):
    with pytest.raises(RecordingError, match="holds no samples"):
        decode.read(save(np.zeros(0)), sample_rate=16_000)


def test_a_wav_cut_short_is_refused_by_probe_already(sine, save):
    path = save(sine(440, 2.0))
    path.write_bytes(path.read_bytes()[:32_044])
    with pytest.raises(
        RecordingError, match=r"promises 2.00 s of sound but holds 1.00 s"
    ):
        decode.probe(path)


def test_a_few_missing_samples_are_forgiven(sine, save):
    path = save(sine(440, 2.0))
    path.write_bytes(path.read_bytes()[:-1_000])
    assert len(decode.read(path, sample_rate=16_000)) == 31_500


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_with_their_place(sine, save, bad):
    audio = sine(440, 2.0)
    audio[24_000] = bad
    with pytest.raises(RecordingError, match=r"NaN or infinite.*at 1.50 s"):
        next(decode.stream(save(audio, subtype="FLOAT"), sample_rate=16_000))


def test_three_thousand_samples_per_second_are_refused(sine, save):
    with pytest.raises(RecordingError, match=r"3000 samples per second.*at least 8000"):
        decode.probe(save(sine(440, 1.0, 3_000), 3_000))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="No such file"):
        decode.probe(tmp_path / "nothing.wav")
    with pytest.raises(RecordingError, match="is a folder"):
        decode.probe(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_rights_is_refused(sine, save):
    path = save(sine(440, 0.1))
    path.chmod(0)
    with pytest.raises(RecordingError, match=r"Permission denied.*read rights"):
        decode.probe(path)


def test_a_pipe_is_refused_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(RecordingError, match="not a regular file"):
        decode.probe(tmp_path / "pipe.wav")


@pytest.fixture
def m4a(sine, save):
    program = ffmpeg.find_ffmpeg()
    if program is None:
        pytest.skip(ffmpeg.INSTALL_HINT)
    source = save(sine(440, 20.0))
    target = source.with_suffix(".m4a")
    command = [program, "-v", "error", "-nostdin", "-i", source, target]
    subprocess.run(command, check=True)
    return target


def test_ffmpeg_ends_when_the_listener_leaves_early(m4a):
    blocks = decode.stream(m4a, sample_rate=16_000, block_s=0.1)
    next(blocks)
    blocks.close()
    assert not _children()


def test_a_killed_ffmpeg_is_no_fault_of_the_recording(m4a):
    with ffmpeg.FfmpegDecoder(m4a, container="mp4") as decoder:
        decoder._process.kill()  # 20 s of sound do not fit into a pipe
        with pytest.raises(RecordingError, match="ffmpeg was killed") as caught:
            list(decoder.blocks(1_000))
    assert caught.value.fault is None


def test_without_ffmpeg_the_sentence_says_what_to_install(m4a, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(RecordingError, match=r"needs ffmpeg.*amadeus\[formats\]"):
        decode.probe(m4a)


def test_a_playlist_is_never_followed(tmp_path, sine, save):
    secret = save(sine(440, 1.0), name="secret.wav")
    for name, text in {
        "list.m4a": f"ffconcat version 1.0\nfile {secret.name}\n",
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\n{secret.name}\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(RecordingError, match="holds text"):
            decode.read(tmp_path / name, sample_rate=16_000)


@pytest.mark.parametrize("name", ["-i.m4a", "http:take.m4a", "a b%d'.m4a"])
def test_a_strange_name_is_only_a_name(m4a, monkeypatch, name):
    monkeypatch.chdir(m4a.parent)
    os.rename(m4a, name)
    assert len(decode.read(name, sample_rate=16_000)) == pytest.approx(
        320_000, abs=2_000
    )


def _children():
    shown = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "comm="],
        capture_output=True,
        text=True,
    )
    return [line for line in shown.stdout.split() if "ffmpeg" in line]
