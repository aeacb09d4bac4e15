"""The contract of everything that plays in blocks: blocks joined equal the whole.

Blocks of one frame, of a prime number of frames, of all frames but the last, and of mixed sizes; in a
batch with strangers, one of whom joins while the other is under way; beside a row of NaN.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

Arrays = tuple[np.ndarray, ...]
Unit = Callable[[Arrays, Arrays], tuple[np.ndarray, Arrays]]

PRIME = 7
MIXED = (1, 5, 2, 11, 3)  # block sizes, over and over


def verify_streaming(
    unit: Unit,
    controls: Sequence[np.ndarray],
    *,
    start: Arrays,
    hop_size: int,
    atol: float,
) -> None:
    """Asserts that `unit` plays the same sound in blocks, in company and at once.

    Args:
      unit: Maps (controls, state) to (audio [batch, n_frames * hop_size], state); takes any n_frames >= 1.
      controls: Arrays [batch, n_frames, ...]; at least 2 rows, more than 2 * PRIME frames.
      start: State at a start: arrays [batch, ...].
      hop_size: Samples per frame.
      atol: Largest difference allowed in audio and state.
    """
    controls = tuple(np.asarray(control) for control in controls)
    n_frames = controls[0].shape[1]
    assert len(controls[0]) >= 2
    assert n_frames > 2 * PRIME
    whole, last = unit(controls, start)
    assert np.abs(whole).max() > 0, "silence proves nothing"
    for sizes in ((1,), (PRIME,), (n_frames - 1,), (n_frames,), MIXED):
        audio, state = _play(unit, controls, start, sizes)
        _assert_close((audio, *state), (whole, *last), atol)
    _verify_interleaved(unit, controls, start, whole, hop_size, atol)
    _verify_neighbour(unit, controls, start, whole, atol)


def _play(
    unit: Unit, controls: Arrays, state: Arrays, sizes: Sequence[int]
) -> tuple[np.ndarray, Arrays]:
    blocks, first, sizes = [], 0, itertools.cycle(sizes)
    while first < controls[0].shape[1]:
        last = first + next(sizes)
        block = tuple(control[:, first:last] for control in controls)
        audio, state = unit(block, state)
        blocks.append(audio)
        first = last
    return np.concatenate(blocks, axis=1), state


def _verify_interleaved(
    unit: Unit,
    controls: Arrays,
    start: Arrays,
    whole: np.ndarray,
    hop_size: int,
    atol: float,
) -> None:
    """Row 0 plays PRIME frames alone; then row 1 joins the batch from its own beginning."""
    first, second = _row(controls, 0), _row(controls, 1)
    alone, state = unit(tuple(c[:, :PRIME] for c in first), _row(start, 0))
    together = tuple(
        np.concatenate([a[:, PRIME:], b[:, :-PRIME]])
        for a, b in zip(first, second, strict=True)
    )
    state = tuple(
        np.concatenate([a, b]) for a, b in zip(state, _row(start, 1), strict=True)
    )
    audio, _ = _play(unit, together, state, (PRIME,))
    joined = np.concatenate([alone[0], audio[0]])
    _assert_close((joined,), (whole[0],), atol)
    _assert_close((audio[1],), (whole[1][: -PRIME * hop_size],), atol)


def _verify_neighbour(
    unit: Unit, controls: Arrays, start: Arrays, whole: np.ndarray, atol: float
) -> None:
    """Not a number in row 1, as in padding, leaves row 0 alone."""
    spoiled = tuple(np.array(control) for control in controls)
    for control in spoiled:
        control[1] = np.nan
    audio, _ = unit(spoiled, start)
    _assert_close((audio[0],), (whole[0],), atol)


def _row(arrays: Arrays, i: int) -> Arrays:
    return tuple(array[i : i + 1] for array in arrays)


def _assert_close(given: Arrays, expected: Arrays, atol: float) -> None:
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)
