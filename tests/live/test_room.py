"""The streaming reverb against plain convolution."""

import numpy as np
import pytest

from amadeus.live.room import Room


def response(rng, n_taps):
    fall = 10 ** (-3 * np.arange(n_taps) / max(n_taps, 1))
    return (0.1 * rng.normal(size=n_taps) * fall).astype(np.float32)


def convolved(sound, taps, mix):
    heard = taps.copy()
    heard[:1] = 0  # the dry sound stands for it
    wet = np.convolve(sound, heard)[: len(sound)] if len(taps) else 0 * sound
    return sound + mix * wet


@pytest.mark.parametrize(
    "n_taps", [0, 1, 2, 255, 256, 257, 2_047, 2_048, 2_049, 16_000]
)
def test_it_is_convolution(n_taps, rng):
    taps, sound = response(rng, n_taps), rng.normal(size=5_000).astype(np.float32)
    wet = Room(taps).feed(sound, 0.7)
    np.testing.assert_allclose(wet, convolved(sound, taps, 0.7), atol=2e-5)


def test_blocks_joined_equal_the_whole(rng):
    taps, sound = response(rng, 3_000), rng.normal(size=9_000).astype(np.float32)
    cuts = np.sort(rng.integers(0, len(sound), 60))
    room = Room(taps)
    joined = np.concatenate([room.feed(part, 1.0) for part in np.split(sound, cuts)])
    np.testing.assert_allclose(joined, Room(taps).feed(sound, 1.0), atol=2e-5)


def test_it_rings_out_and_then_rests(rng):
    room = Room(response(rng, 1_000))
    assert room.is_silent
    room.feed(rng.normal(size=100).astype(np.float32), 1.0)
    tail = [room.feed(np.zeros(50, np.float32), 1.0) for _ in range(20)]
    assert np.abs(tail[0]).max() > 0
    assert np.abs(tail[-1]).max() > 0  # the last taps of the last sample
    assert room.is_silent
    assert not room.feed(np.zeros(50, np.float32), 1.0).any()


def test_it_can_be_woken_after_it_rested(rng):
    taps, sound = response(rng, 700), rng.normal(size=400).astype(np.float32)
    room = Room(taps)
    silence = np.zeros(1_500, np.float32)
    parts = [sound, silence, silence, sound, silence]
    wet = np.concatenate([room.feed(part, 1.0) for part in parts])
    np.testing.assert_allclose(
        wet, convolved(np.concatenate(parts), taps, 1.0), atol=2e-5
    )


def test_a_mix_that_is_turned_does_not_jump(rng):
    taps = np.zeros(300, np.float32)
    taps[1] = 1.0
    room, sound = Room(taps), np.ones(400, np.float32)
    room.feed(sound, 0.0)
    turned = room.feed(sound, 1.0)
    assert turned[0] == pytest.approx(1.0, abs=0.01)
    assert turned[-1] == pytest.approx(2.0, abs=0.01)
    assert np.abs(np.diff(turned)).max() < 0.01
