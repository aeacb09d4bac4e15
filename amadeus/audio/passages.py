"""The sounding passages of a take, cut out of a stream.

Levels are root mean square over frames of 10 ms, in dB re full scale. A frame is silent below a
threshold that follows the take: 6 dB above its background (the level of its quietest tenth), yet
never less than 40 nor more than 50 dB below its loud level (reached for half a second). So the hiss
between phrases is dropped, a pianissimo 40 dB under the loudest phrase is kept, and a take that is
faint as a whole is kept as a whole. The first 30 s are heard before the first frame is judged, and
every frame with 30 s of foresight; memory stays constant.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

FRAME_RATE = 100  # frames of 10 ms: shorter than any gap worth keeping, longer than a period of 100 Hz
LOUD_REACHED_S = 0.5
BACKGROUND_SHARE = 0.1
ABOVE_BACKGROUND_DB = 6.0
SILENCE_RANGE_DB = (40.0, 50.0)  # below the loud level; instruments span some 40 dB

_CHUNK_FRAMES = 5 * FRAME_RATE
_FORESIGHT_CHUNKS = 6
_LOWEST_DB = -140


class Passage(NamedTuple):
    """A stretch of sound; `offset_samples` is where in the take it begins."""

    offset_samples: int
    audio: np.ndarray


class _Chunk(NamedTuple):
    offset_samples: int
    audio: np.ndarray
    level_db: np.ndarray  # [n_frames]


def split_passages(
    blocks: Iterable[np.ndarray],
    *,
    sample_rate: int,
    max_s: float = 20.0,
    margin_s: float = 0.3,
    silence_below_db: float = -80.0,
) -> Iterator[Passage]:
    """Cuts a take into its sounding passages and drops the silence between them.

    The result does not depend on how the take is divided into blocks.

    Args:
      blocks: Consecutive blocks of mono sound, float32. Each [n_samples].
      sample_rate: In Hz.
      max_s: No passage is longer, in seconds. Sound that lasts longer becomes consecutive passages
        without gap or overlap, none shorter than half of this.
      margin_s: Silence kept before and after sound, in seconds, at most 5.
      silence_below_db: Level that is silence whatever the take, in dB re full scale.

    Yields:
      Passages in order of time.
    """
    hop = max(1, sample_rate // FRAME_RATE)
    margin = min(round(margin_s * sample_rate / hop), _CHUNK_FRAMES)
    levels = _Levels(silence_below_db)
    pieces = _Pieces(max(2 * hop, int(max_s * sample_rate)))
    # The frames before the chunk that is judged: silence before the take begins.
    heard = np.zeros(margin, bool)
    for chunk, following_db in _with_foresight(
        _chunks(blocks, hop), levels, max(margin, 1)
    ):
        threshold_db = levels.threshold_db()
        is_sound = np.concatenate(
            [heard, chunk.level_db > threshold_db, following_db[:margin] > threshold_db]
        )
        keep = _dilate(is_sound, margin)[margin : margin + len(chunk.level_db)]
        heard = is_sound[: margin + len(chunk.level_db)][-margin:] if margin else heard
        yield from _cut(chunk, keep, hop, pieces)
    yield from pieces.finish()


class _Levels:
    """Histogram of the frame levels heard so far, in bins of 1 dB."""

    def __init__(self, silence_below_db: float) -> None:
        self._silence_below_db = silence_below_db
        self._counts = np.zeros(-_LOWEST_DB + 30, np.int64)

    def add(self, level_db: np.ndarray) -> None:
        bins = np.clip(level_db - _LOWEST_DB, 0, len(self._counts) - 1).astype(int)
        self._counts += np.bincount(bins, minlength=len(self._counts))

    def threshold_db(self) -> float:
        n_frames = int(self._counts.sum())
        rising = np.cumsum(self._counts)
        # A sound shorter than the whole still counts as loud: a tenth of a very short take.
        n_loud = min(LOUD_REACHED_S * FRAME_RATE, max(1, n_frames / 10))
        loud_db = _LOWEST_DB + int(np.searchsorted(rising, n_frames - n_loud, "right"))
        background_db = _LOWEST_DB + int(
            np.searchsorted(rising, n_frames * BACKGROUND_SHARE)
        )
        nearest, farthest = SILENCE_RANGE_DB
        threshold_db = np.clip(
            background_db + ABOVE_BACKGROUND_DB, loud_db - farthest, loud_db - nearest
        )
        return max(self._silence_below_db, float(threshold_db))


class _Pieces:
    """Joins kept stretches of sound and hands them out as passages of limited length."""

    def __init__(self, max_samples: int) -> None:
        self._max = max_samples
        self._parts: list[np.ndarray] = []
        self._offset = 0
        self._n_samples = 0

    def add(self, offset: int, audio: np.ndarray) -> Iterator[Passage]:
        if not self._n_samples:
            self._offset = offset
        self._parts.append(audio)
        self._n_samples += len(audio)
        # What would be left is at least half a passage, so that none ends up as a splinter.
        while self._n_samples >= self._max + (self._max + 1) // 2:
            yield self._take(self._max)

    def finish(self) -> Iterator[Passage]:
        if self._n_samples > self._max:
            yield self._take((self._n_samples + 1) // 2)
        if self._n_samples:
            yield self._take(self._n_samples)

    def _take(self, n_samples: int) -> Passage:
        audio = np.concatenate(self._parts)
        passage = Passage(self._offset, audio[:n_samples].copy())
        self._parts = [audio[n_samples:]]
        self._offset += n_samples
        self._n_samples -= n_samples
        return passage


def _cut(
    chunk: _Chunk, keep: np.ndarray, hop: int, pieces: _Pieces
) -> Iterator[Passage]:
    edges = [0, *(np.flatnonzero(np.diff(keep)) + 1).tolist(), len(keep)]
    for start, end in itertools.pairwise(edges):
        if keep[start]:
            audio = chunk.audio[start * hop : end * hop]
            yield from pieces.add(chunk.offset_samples + start * hop, audio)
        else:
            yield from pieces.finish()


def _chunks(blocks: Iterable[np.ndarray], hop: int) -> Iterator[_Chunk]:
    """Divides a stream anew, so that block sizes do not matter; only the last chunk is short."""
    size = _CHUNK_FRAMES * hop
    offset, rest = 0, np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= size:
            yield _Chunk(offset, rest[:size], _level_db(rest[:size], hop))
            offset, rest = offset + size, rest[size:]
    if len(rest):
        yield _Chunk(offset, rest, _level_db(rest, hop))


def _with_foresight(
    chunks: Iterator[_Chunk], levels: _Levels, n_following: int
) -> Iterator[tuple[_Chunk, np.ndarray]]:
    """Yields each chunk, and the frame levels after it, once the chunks to come were heard."""
    waiting: deque[_Chunk] = deque()
    for chunk in chunks:
        levels.add(chunk.level_db)
        waiting.append(chunk)
        if len(waiting) > _FORESIGHT_CHUNKS:
            yield waiting.popleft(), _following_db(waiting, n_following)
    while waiting:
        yield waiting.popleft(), _following_db(waiting, n_following)


def _following_db(waiting: deque[_Chunk], n_frames: int) -> np.ndarray:
    nearest = [chunk.level_db for chunk in itertools.islice(waiting, 2)]
    return np.concatenate([*nearest, np.full(n_frames, _LOWEST_DB)])[:n_frames]


def _level_db(audio: np.ndarray, hop: int) -> np.ndarray:
    starts = np.arange(0, len(audio), hop)
    energy = np.add.reduceat(np.square(audio, dtype=np.float64), starts)
    power = energy / np.diff(np.append(starts, len(audio)))
    return 10 * np.log10(np.maximum(power, 10 ** (_LOWEST_DB / 10)))


def _dilate(mask: np.ndarray, margin: int) -> np.ndarray:
    if not margin:
        return mask
    return np.convolve(mask, np.ones(2 * margin + 1), "same") > 0.5
