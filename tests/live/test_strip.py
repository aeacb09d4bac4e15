"""Channel strips: kernels against NumPy, which is their definition."""

import numpy as np
import pytest

from amadeus.live.strip import ArrayStrip, Fed, KernelStrip, feed_together, make
from amadeus.native import library

needs_kernels = pytest.mark.skipif(
    not library.is_available(), reason="there are no kernels here"
)
RATES = [(16_000, 48_000), (16_000, 44_100), (48_000, 16_000), (16_000, 16_000)]


def response(rng, n_taps):
    fall = 10 ** (-3 * np.arange(n_taps) / max(n_taps, 1))
    return (0.1 * rng.normal(size=n_taps) * fall).astype(np.float32)


def strip_pair(taps, rates):
    return [
        kind(taps, from_rate=rates[0], to_rate=rates[1])
        for kind in (KernelStrip, ArrayStrip)
    ]


@needs_kernels
@pytest.mark.parametrize(
    "n_taps", [0, 1, 2, 255, 256, 257, 513, 2_047, 2_048, 2_049, 4_097, 16_000]
)
def test_kernels_add_the_reverb_that_numpy_does(n_taps, rng):
    pair = strip_pair(response(rng, n_taps), (16_000, 16_000))
    sound = rng.normal(size=9_000).astype(np.float32)
    kernel, array = (strip.feed(sound, 0.7) for strip in pair)
    np.testing.assert_allclose(kernel, array, atol=2e-5)


@needs_kernels
@pytest.mark.parametrize("rates", RATES)
def test_kernels_do_what_numpy_does_however_sound_is_cut(rates, rng):
    """Rests, knobs that are turned, and blocks of any size included."""
    kernel, array = strip_pair(response(rng, 5_000), rates)
    assert kernel.latency_samples == array.latency_samples
    for _ in range(120):
        n_out = int(rng.integers(1, 700))
        n_needed = kernel.needed(n_out)
        assert n_needed == array.needed(n_out)
        dry = rng.normal(size=n_needed).astype(np.float32)
        if rng.uniform() < 0.5:
            dry[:] = 0
        mix = float(rng.choice([0.0, 0.3, 1.0]))
        sounds = [strip.feed(dry, mix) for strip in (kernel, array)]
        assert sounds[0].shape == sounds[1].shape
        np.testing.assert_allclose(*sounds, atol=3e-5)
        assert kernel.is_silent == array.is_silent


@needs_kernels
def test_a_long_rest_and_a_long_block_are_nothing_special(rng):
    pair = strip_pair(response(rng, 3_000), (16_000, 48_000))
    parts = [
        rng.normal(size=100).astype(np.float32),
        np.zeros(20_000, np.float32),
        rng.normal(size=50_000).astype(np.float32),
    ]
    for part in parts:
        kernel, array = (strip.feed(part, 1.0) for strip in pair)
        np.testing.assert_allclose(kernel, array, atol=3e-5)


@needs_kernels
def test_strips_fed_together_do_not_hear_each_other(rng):
    taps = response(rng, 2_500)
    together = [make(taps, from_rate=16_000, to_rate=48_000) for _ in range(5)]
    alone = [make(taps, from_rate=16_000, to_rate=48_000) for _ in range(5)]
    together.append(ArrayStrip(taps, from_rate=16_000, to_rate=44_100))
    alone.append(ArrayStrip(taps, from_rate=16_000, to_rate=44_100))
    for _ in range(40):
        dries = [
            rng.normal(size=rng.integers(0, 300)).astype(np.float32) for _ in alone
        ]
        fed = [Fed(s, dry, 0.5) for s, dry in zip(together, dries, strict=True)]
        for sound, strip, dry in zip(feed_together(fed), alone, dries, strict=True):
            np.testing.assert_array_equal(sound, strip.feed(dry, 0.5))


def test_without_kernels_numpy_does_it(monkeypatch, rng):
    monkeypatch.setattr(library, "is_available", lambda: False)
    strip = make(response(rng, 300), from_rate=16_000, to_rate=48_000)
    assert isinstance(strip, ArrayStrip)
    assert strip.feed(np.ones(500, np.float32), 0.5).any()
