"""The streaming resampler against its own whole, against sines, and against the clock."""

import numpy as np
import pytest

from amadeus.live.resampling import StreamResampler

PAIRS = [
    (16_000, 48_000),
    (16_000, 44_100),
    (16_000, 22_050),
    (48_000, 16_000),
    (44_100, 48_000),
    (16_000, 96_000),
    (48_000, 24_000),
]


def resampler(pair):
    return StreamResampler(from_rate=pair[0], to_rate=pair[1])


@pytest.mark.parametrize("pair", PAIRS)
def test_blocks_joined_equal_the_whole(pair, rng):
    sound = rng.normal(size=4_000).astype(np.float32)
    cuts = np.sort(rng.integers(0, len(sound), 20))
    stream = resampler(pair)
    joined = np.concatenate([stream.feed(part) for part in np.split(sound, cuts)])
    np.testing.assert_allclose(joined, resampler(pair).feed(sound), atol=5e-6)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
def test_a_sine_stays_the_sine_it_was(pair, share):
    hz = share * min(pair) / 2
    sine = np.sin(2 * np.pi * hz * np.arange(pair[0]) / pair[0])
    sound = resampler(pair).feed(sine.astype(np.float32))
    wanted = np.sin(2 * np.pi * hz * np.arange(len(sound)) / pair[1])
    error = (sound - wanted)[len(sound) // 4 : -len(sound) // 4]
    assert np.sqrt(2 * np.mean(error**2)) < 10 ** (-60 / 20)


@pytest.mark.parametrize("pair", [(48_000, 16_000), (48_000, 22_050)])
def test_what_the_lower_rate_cannot_hold_is_gone(pair):
    sine = np.sin(2 * np.pi * 0.62 * pair[1] * np.arange(pair[0]) / pair[0])
    sound = resampler(pair).feed(sine.astype(np.float32))[1_000:]
    assert np.abs(sound).max() < 10 ** (-70 / 20)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("n_out", [1, 32, 240, 1_111])
def test_it_knows_what_it_needs(pair, n_out):
    stream = resampler(pair)
    made = 0
    for _ in range(20):
        made += len(stream.feed(np.zeros(stream.needed(n_out), np.float32)))
        step = max(1, -(-pair[1] // pair[0]))
        assert n_out <= made < n_out + step + 1
        made -= n_out
        n_out = max(1, n_out - made)
        made = 0


def test_equal_rates_are_no_work_and_no_delay(rng):
    stream = resampler((16_000, 16_000))
    sound = rng.normal(size=100).astype(np.float32)
    assert stream.latency_samples == 0
    np.testing.assert_array_equal(stream.feed(sound), sound)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_delay_is_short_enough_to_play(pair):
    assert (
        resampler(pair).latency_samples / pair[1] <= 0.0016 * 16_000 / min(pair) + 1e-4
    )
