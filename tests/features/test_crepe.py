import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.audio import AudioSpec
from amadeus.audio.decode import read
from amadeus.errors import ConfigError
from amadeus.features.crepe import (
    CrepeTracker,
    bins_within,
    build_network,
    decode,
    normalise,
    smooth,
    weights_path,
)
from amadeus.features.torch_weights import read_state
from tests.features.sounds import EXAMPLES, SPEC, at_frames, cents, reed, sweep_hz

RANGE = {"f0_min_hz": 46.875, "f0_max_hz": 1_900.0}


@pytest.fixture(scope="module")
def tiny():
    return CrepeTracker("tiny", viterbi=False)


def _forward(frames, state):
    """The network again, in plain numpy and in PyTorch's own layout [frame, channel, time]."""
    x = frames[:, None].astype(np.float64)
    for number in range(1, 7):
        pads, stride = ((254, 254), 4) if number == 1 else ((31, 32), 1)
        x = np.pad(x, ((0, 0), (0, 0), pads))
        kernel = state[f"conv{number}.weight"][..., 0]  # [out, in, width]
        views = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[-1], axis=-1)
        x = np.einsum("nitw,oiw->not", views[:, :, ::stride], kernel, optimize=True)
        x = np.maximum(x + state[f"conv{number}.bias"][:, None], 0)
        norm = {
            name: state[f"conv{number}_BN.{name}"][:, None]
            for name in ("weight", "bias", "running_mean", "running_var")
        }
        x = (x - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-3)
        x = x * norm["weight"] + norm["bias"]
        x = x.reshape(*x.shape[:2], -1, 2).max(axis=-1)
    flat = x.transpose(0, 2, 1).reshape(len(x), -1)
    logits = flat @ state["classifier.weight"].T + state["classifier.bias"]
    return 1 / (1 + np.exp(-logits))


def test_activations_are_those_of_an_independent_forward_pass(tiny, rng):
    f0_hz = sweep_hz(80, 800, seconds=0.2, sample_rate=16_000)
    audio = reed(f0_hz, sample_rate=16_000)
    audio += rng.normal(0, 0.01, len(audio)).astype(np.float32)
    padded = np.pad(audio, 512)
    frames = np.stack([padded[i * 160 : i * 160 + 1_024] for i in range(21)])
    expected = _forward(normalise(frames), read_state(weights_path("tiny")))
    assert_allclose(tiny.activations(audio, spec=SPEC), expected, atol=1e-4)


@pytest.mark.parametrize(("sample_rate", "frame_rate"), [(16_000, 100), (44_100, 252)])
def test_a_sweep_is_followed_in_pitch_and_in_time(tiny, sample_rate, frame_rate):
    spec = AudioSpec(sample_rate=sample_rate, frame_rate=frame_rate)
    rising_hz = sweep_hz(80, 800, seconds=2, sample_rate=sample_rate)
    biases = []
    for f0_hz in (rising_hz, rising_hz[::-1]):
        audio = reed(f0_hz, sample_rate=sample_rate)
        found = tiny.track(audio, spec=spec, **RANGE)
        n_frames = spec.n_frames(len(audio))
        assert len(found.f0_hz) == n_frames
        error = cents(found.f0_hz, at_frames(f0_hz, spec, n_frames))[10:-10]
        assert np.median(np.abs(error)) < 10
        biases.append(np.median(error))
    cents_a_frame = 1200 * np.log2(10) / 2 / frame_rate
    assert abs(biases[1] - biases[0]) / 2 / cents_a_frame < 0.5


@pytest.mark.slow
def test_full_is_within_a_few_cents():
    f0_hz = np.full(4_000, 330.0)
    full = CrepeTracker("full", viterbi=True)
    found = full.track(reed(f0_hz, sample_rate=16_000), spec=SPEC, **RANGE)
    assert np.median(np.abs(cents(found.f0_hz, 330.0))) < 6
    assert np.median(found.f0_confidence) > 0.85


def test_a_cello_has_the_pitch_its_label_says(tiny):
    audio = read(EXAMPLES / "cello" / "cello-G3.flac", sample_rate=16_000)[:16_000]
    found = tiny.track(audio, spec=SPEC, **RANGE)
    sure = found.f0_confidence > 0.5
    assert sure.mean() > 0.8
    assert abs(np.median(cents(found.f0_hz[sure], 195.998))) < 20


def test_batches_are_invisible(tiny, rng, monkeypatch):
    audio = rng.normal(0, 0.1, 8_000).astype(np.float32)
    whole = tiny.activations(audio, spec=SPEC)
    monkeypatch.setattr(tiny, "_batch_frames", 7)
    assert_allclose(tiny.activations(audio, spec=SPEC), whole, atol=1e-5)


def test_the_level_does_not_matter(tiny):
    audio = reed(np.full(3_200, 440.0), sample_rate=16_000)
    loud = tiny.activations(audio, spec=SPEC)
    assert_allclose(tiny.activations(audio / 100, spec=SPEC), loud, atol=1e-3)


def test_the_range_chooses_the_octave(tiny):
    audio = reed(np.full(3_200, 220.0), sample_rate=16_000)
    found = tiny.track(audio, spec=SPEC, f0_min_hz=300, f0_max_hz=1_000)
    assert (found.f0_hz >= 300).all()
    assert found.f0_confidence[5:-5].max() < 0.5


def test_a_range_beyond_the_network_is_refused(tiny):
    with pytest.raises(ConfigError, match=r"leaves CREPE no pitch.*31\.7 to 2005 Hz"):
        tiny.track(
            np.zeros(1_600, np.float32), spec=SPEC, f0_min_hz=3_000, f0_max_hz=4_000
        )


def test_bins_are_20_cents_apart_from_c1():
    assert bins_within(440.0, 440.0 * 2).stop - bins_within(440.0, 880.0).start == 60
    assert bins_within(1.0, 8_000.0) == slice(0, 360)


def test_decoding_averages_around_the_centre_only():
    activation = np.zeros((1, 360))
    activation[0, [100, 101]] = 0.8, 0.4
    activation[0, 300] = 0.7  # far away
    found = decode(activation, np.array([100]), first_bin=0)
    expected = 10 * 2 ** ((1997.3794084376191 + 20 * (100 + 1 / 3)) / 1200)
    assert found.f0_hz[0] == pytest.approx(expected, rel=1e-6)
    assert found.f0_confidence[0] == pytest.approx(0.8)


def test_decoding_at_the_edge_does_not_wrap_around():
    activation = np.zeros((2, 10))
    activation[0, 0], activation[1, 9] = 1.0, 1.0
    found = decode(activation, np.array([0, 9]), first_bin=50)
    expected = 10 * 2 ** ((1997.3794084376191 + 20 * np.array([50, 59])) / 1200)
    assert_allclose(found.f0_hz, expected, rtol=1e-6)


def test_smoothing_follows_a_slide_and_ignores_an_outlier():
    slide = np.arange(100, 200, 2)
    assert_array_equal(smooth(slide, n_bins=360), slide)
    disturbed = slide.copy()
    disturbed[25] = 300
    found = smooth(disturbed, n_bins=360)
    assert np.abs(found - slide).max() <= 12
    assert found[24] == slide[24]


def test_weights_of_another_network_are_refused():
    state = read_state(weights_path("tiny"))
    del state["conv3.bias"]
    with pytest.raises(ConfigError, match="no weights of CREPE"):
        build_network(state)


def test_an_unknown_size_is_refused():
    with pytest.raises(ConfigError, match="choose one of full, tiny"):
        CrepeTracker("medium", viterbi=False)
