"""The kernels compute what the functions they stand for define."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.dsp import harmonic, noise, reverb, spectral_loss
from amadeus.journal import Journal, read_journal
from amadeus.native import convolution, library, ops, sources, synthesis
from amadeus.voice import recurrent

pytestmark = pytest.mark.skipif(
    not library.is_available(), reason="the kernels are not built on this machine"
)


def values_and_slopes(function, *arguments, seed=0):
    """The values of a function and the slopes of a random weighting of them by each argument."""
    arguments = [tf.constant(argument, tf.float32) for argument in arguments]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        values = function(*arguments)
        weights = np.random.default_rng(seed).standard_normal(values.shape)
        total = tf.reduce_sum(values * weights.astype(np.float32))
    return [values, *tape.gradient(total, arguments)]


def assert_agree(ours, theirs, tolerance):
    for a, b in zip(ours, theirs, strict=True):
        scale = max(1e-12, float(tf.reduce_max(tf.abs(b))))
        np.testing.assert_allclose(a / scale, b / scale, atol=tolerance)


@pytest.mark.parametrize(
    ("n_frames", "n_batch", "n_units"),
    [(1, 1, 8), (7, 3, 32), (20, 4, 33), (5, 9, 130)],
)
def test_recurrence_is_that_of_tensorflow(n_frames, n_batch, n_units, rng):
    inputs = rng.standard_normal((n_frames, n_batch, 3 * n_units))
    hidden = rng.standard_normal((n_batch, n_units))
    kernel = rng.standard_normal((n_units, 3 * n_units)) / n_units**0.5
    ours = values_and_slopes(ops.gated_recurrence, inputs, hidden, kernel)
    theirs = values_and_slopes(recurrent.gated_recurrence, inputs, hidden, kernel)
    assert_agree(ours, theirs, 1e-5)


@pytest.mark.parametrize(
    ("sample_rate", "frame_rate", "n_harmonics"),
    [(16_000, 100, 60), (16_000, 500, 7), (44_100, 100, 100), (48_000, 200, 180)],
)
def test_harmonics_are_those_of_tensorflow(sample_rate, frame_rate, n_harmonics, rng):
    spec = AudioSpec(sample_rate=sample_rate, frame_rate=frame_rate)
    f0_hz = rng.uniform(30, sample_rate / 4, (2, 9)).astype(np.float32)
    f0_hz[0, 2], f0_hz[1, 0] = 0.0, -300.0
    previous = rng.uniform(0, 500, 2).astype(np.float32)
    phase = rng.uniform(0, 1, 2).astype(np.float32)

    def play(synthesize):
        def sound(amplitudes, before):
            return synthesize(
                tf.constant(f0_hz),
                amplitudes,
                previous_f0_hz=tf.constant(previous),
                previous_amplitudes=before,
                phase=tf.constant(phase),
                spec=spec,
            ).audio

        return sound

    amplitudes = rng.uniform(0, 1, (2, 9, n_harmonics)) / n_harmonics
    before = rng.uniform(0, 1, (2, n_harmonics)) / n_harmonics
    ours = values_and_slopes(play(synthesis.synthesize), amplitudes, before)
    theirs = values_and_slopes(play(harmonic.synthesize), amplitudes, before)
    assert_agree(ours, theirs, 1e-4)


def test_harmonics_stop_where_those_of_tensorflow_stop(rng):
    spec = AudioSpec(sample_rate=16_000, frame_rate=100)
    arguments = dict(
        previous_f0_hz=tf.constant([100.0]),
        previous_amplitudes=tf.zeros([1, 4]),
        phase=tf.constant([0.25]),
        spec=spec,
    )
    f0_hz = tf.constant(rng.uniform(50, 900, (1, 30)), tf.float32)
    ours = synthesis.synthesize(f0_hz, tf.ones([1, 30, 4]), **arguments)
    theirs = harmonic.synthesize(f0_hz, tf.ones([1, 30, 4]), **arguments)
    assert ours.phase.numpy() == theirs.phase.numpy()


@pytest.mark.parametrize(
    ("hop", "n_bands"), [(160, 65), (30, 9), (441, 177), (8, 33), (480, 193)]
)
def test_filtered_noise_is_that_of_tensorflow(hop, n_bands, rng):
    spec = AudioSpec(sample_rate=hop * 100, frame_rate=100)
    white = tf.constant(rng.uniform(-1, 1, (3, 6 * hop)), tf.float32)
    tail = tf.constant(rng.standard_normal((3, noise.ir_size(n_bands) - 1)), tf.float32)

    def play(filter_noise):
        return lambda magnitudes, tail: tf.concat(
            filter_noise(magnitudes, white, tail=tail, spec=spec), axis=1
        )

    magnitudes = rng.uniform(0, 1, (3, 6, n_bands))
    ours = values_and_slopes(play(synthesis.filter_noise), magnitudes, tail)
    theirs = values_and_slopes(play(noise.filter_noise), magnitudes, tail)
    assert_agree(ours, theirs, 1e-5)


@pytest.mark.parametrize(("n_samples", "n_taps"), [(400, 160), (160, 400), (50, 1)])
def test_the_reverb_is_that_of_tensorflow(n_samples, n_taps, rng):
    audio = rng.standard_normal((3, n_samples))
    response = rng.standard_normal(n_taps)
    ours = values_and_slopes(convolution.convolve, audio, response)
    theirs = values_and_slopes(reverb.convolve, audio, response)
    assert_agree(ours[: 1 + min(n_taps, 2)], theirs[: 1 + min(n_taps, 2)], 1e-5)


def sounds(rng):
    target = 0.1 * rng.standard_normal((4, 5_000))
    audio = 0.1 * rng.standard_normal((4, 5_000))
    target[0, :2_000] = 0.0  # digital silence in either
    audio[1, 3_000:] = 0.0
    audio[2] *= 1e-3
    audio[3] = target[3]
    return target, audio


@pytest.mark.parametrize("floor", [0.0, 1e-4])
@pytest.mark.parametrize(
    "sizes", [spectral_loss.FFT_SIZES, (64,), (4096, 128), (8192, 512)]
)
def test_spectral_distances_are_those_of_tensorflow(sizes, floor, rng):
    target, audio = sounds(rng)
    target = tf.constant(target, tf.float32)

    def compare(function):
        return lambda audio: function(
            target,
            audio,
            fft_sizes=sizes,
            mag_weight=0.7,
            logmag_weight=1.3,
            floor=floor,
        )

    ours = values_and_slopes(compare(ops.spectral_distances), audio)
    theirs = values_and_slopes(compare(spectral_loss.spectral_distances), audio)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-4)
    for row in range(3):  # where sounds are equal the slope is rounding
        distance = np.linalg.norm(ours[1][row] - theirs[1][row])
        assert distance < 0.01 * np.linalg.norm(theirs[1][row])


def test_a_sound_that_is_no_number_has_a_loss_that_is_none():
    audio = np.zeros((1, 4_000), np.float32)
    audio[0, 2_000] = np.nan
    target = tf.zeros([1, 4_000])
    distances = ops.spectral_distances(target, tf.constant(audio), fft_sizes=(256,))
    assert np.isnan(distances.numpy()).all()


@pytest.mark.parametrize("level", library.LEVELS)
def test_every_level_of_instructions_agrees(level, rng, monkeypatch):
    target, audio = sounds(rng)
    target, audio = (tf.constant(sound, tf.float32) for sound in (target, audio))
    best = ops.spectral_distances(target, audio, fft_sizes=(512, 64))
    monkeypatch.setattr(library, "LEVELS", (level,))
    library.load.cache_clear()
    try:
        if not library.is_available():
            pytest.skip(f"this machine has no {level}")
        other = ops.spectral_distances(target, audio, fft_sizes=(512, 64))
    finally:
        library.load.cache_clear()
    np.testing.assert_allclose(other, best, rtol=1e-5, atol=1e-5)


def test_the_kernels_can_be_left_out(monkeypatch):
    monkeypatch.setenv("AMADEUS_NATIVE", "0")
    library.load.cache_clear()
    try:
        assert not library.is_available()
    finally:
        library.load.cache_clear()


def built_from(told, folder):
    """Builds a library that says it was built from some sources."""
    code = "int amadeus_is_supported(void) { return 1; }\n"
    if told is not None:
        code += f'const char *amadeus_sources(void) {{ return "{told}"; }}\n'
    source = folder / "stranger" / "library.c"
    source.parent.mkdir()
    source.write_text(code)
    path = folder / "_kernels_baseline.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, source], check=True)
    return path


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A folder in which kernels are looked for, with two sources."""
    (tmp_path / "filter.c").write_text("int a(void);\n")
    (tmp_path / "filter.h").write_text("int b(void);\n")
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    library.load.cache_clear()
    yield tmp_path
    library.load.cache_clear()


@pytest.mark.parametrize("told", [None, "", "0" * 32])
def test_kernels_of_other_sources_are_left_out_and_that_is_said(beside, caplog, told):
    built = built_from(told, beside)
    assert not library.is_available()
    assert f"{built} was built for another Amadeus" in caplog.text
    assert "run make setup" in caplog.text


def test_kernels_that_are_left_out_are_told_once_to_who_follows_a_practice(
    beside, tmp_path, caplog
):
    built = built_from("0" * 32, beside)
    for level in library.LEVELS[:-1]:
        shutil.copy(built, beside / f"_kernels_{level}.so")
    path = tmp_path / "journal.jsonl"
    with Journal(path).activated():
        assert not library.is_available()
        assert not library.is_available()
    (event,) = read_journal(path)
    assert "run make setup" in event.warning.text
    assert caplog.text.count("run make setup") == 1


def test_kernels_of_these_sources_are_taken_until_one_changes(beside):
    built_from(sources.digest(beside), beside)
    assert library.is_available()
    for name, text in (("filter.h", "int b(int);\n"), ("another.c", "")):
        (beside / name).write_text(text)
        library.load.cache_clear()
        assert not library.is_available()


def test_kernels_without_sources_are_taken_as_they_came(beside):
    for path in beside.glob("filter.*"):
        path.unlink()
    built_from("", beside)
    assert library.is_available()


def test_the_kernels_here_say_what_they_were_built_from():
    """What `setup.py` wrote into them at build time."""
    told = library.load().amadeus_sources
    told.restype = ctypes.c_char_p
    assert told().decode() == sources.digest(Path(library.__file__).parent) != ""
