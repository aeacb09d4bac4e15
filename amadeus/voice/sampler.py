"""Crops to learn from: reads the records of DdspTransform, and cuts random crops out of them.

The crops of step n are a function of (seed, n) and the passages, so a practice that is resumed or run
again sees what it would have seen.
"""

import glob
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError, PracticeError
from amadeus.features import Features
from amadeus.features.voicing import signed_f0

RESIDENT_LIMIT_BYTES = 2 * 2**30  # audio beyond this stays on disk
SILENCE_DB = -80.0  # floor of the loudness feature
WARM_UP_FRAMES = 1  # the frame before a crop, whose controls the first block ramps from
_OVERHANG = 0.25  # starts are drawn so far beyond the ends, in crops, and clipped: ends are rarely heard else

_RECORD = {
    "take": tf.io.FixedLenFeature([], tf.string),
    "name": tf.io.FixedLenFeature([], tf.string),
    "offset_samples": tf.io.FixedLenFeature([], tf.int64, 0),
    "sample_rate": tf.io.FixedLenFeature([], tf.int64),
    "frame_rate": tf.io.FixedLenFeature([], tf.int64),
    **{
        key: tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True)
        for key in ("audio", *Features._fields)
    },
}


class Passage(NamedTuple):
    """A sounding stretch of a take, with its features.

    Attributes:
      audio: Float32, in [-1, 1]. Shape [n_samples].
      features: Frames centred on hops, `spec.n_frames(n_samples)` of them.
      take: Content digest of the recording, sha256 in hexadecimal.
      name: File name of the recording.
      offset_samples: Where in the take the passage starts.
      spec: The clock of audio and features.
    """

    audio: np.ndarray
    features: Features
    take: str
    name: str
    offset_samples: int
    spec: AudioSpec


class Crops(NamedTuple):
    """A batch to learn from: frame 0 warms up, frame j is reached at the end of block j - 1 of the audio.

    Attributes:
      audio: Float32. Shape [batch, n_frames * hop_size].
      f0_hz: Negative where unvoiced. Float32, shape [batch, n_frames + 1].
      loudness_db: Float32. Shape [batch, n_frames + 1].
    """

    audio: np.ndarray
    f0_hz: np.ndarray
    loudness_db: np.ndarray


def read_passages(
    file_pattern: str | Sequence[str],
    *,
    resident_limit_bytes: int = RESIDENT_LIMIT_BYTES,
) -> list[Passage]:
    """Reads all passages of a split into memory, or, where they are too long for it, onto disk.

    Args:
      file_pattern: Glob, or files and globs, of gzipped TFRecords. An empty list gives no passages.
      resident_limit_bytes: Audio kept in memory; what is beyond lies in a temporary file that the system
        removes when the passages are gone.

    Raises:
      PracticeError: A file is missing or no record of DdspTransform.
    """
    shelf = _Shelf(resident_limit_bytes)
    passages = [_to_passage(record, shelf) for record in _read_records(file_pattern)]
    return [
        passage._replace(audio=audio)
        for passage, audio in zip(passages, shelf.audio(), strict=True)
    ]


class CropSampler:
    """Cuts random crops out of passages, all times equally likely unless some weigh more."""

    def __init__(
        self,
        passages: Sequence[Passage],
        *,
        n_frames: int,
        batch_size: int,
        f0_confidence_threshold: float,
        seed: int,
        frame_weights: Sequence[np.ndarray] | None = None,
    ) -> None:
        """Prepares the passages.

        Args:
          passages: At least one, all on one clock.
          n_frames: Frames a crop.
          batch_size: Crops a step.
          f0_confidence_threshold: Below it frames are unvoiced.
          seed: Decides the crops of all steps.
          frame_weights: How often a crop shall lie around each frame, for each passage, positive; None means that all
            frames count alike. Shapes [n_frames] of the passages.
        """
        if not passages:
            raise PracticeError(
                "there is nothing to learn from: no passage of the recordings sounds; give longer or louder ones."
            )
        self._passages = list(passages)
        self._n_frames, self._batch_size, self._seed = n_frames, batch_size, seed
        self._f0_hz = [
            signed_f0(passage.features, threshold=f0_confidence_threshold)
            for passage in passages
        ]
        lengths = [len(passage.features.f0_hz) - 1 for passage in passages]
        self._ends = np.cumsum(np.maximum(lengths, 1))
        self._sums: list[np.ndarray] | None = None
        if frame_weights is not None:
            self._sums = [
                np.cumsum(np.asarray(weights, np.float64)[: max(length, 1)])
                for weights, length in zip(frame_weights, lengths, strict=True)
            ]
            self._ends = np.cumsum([sums[-1] for sums in self._sums])

    def crops(self, step: int) -> Crops:
        """Cuts the crops of a step."""
        rng = np.random.default_rng([self._seed, step])
        # one crop from each of equal parts of the material: less uneven than drawing freely
        places = (
            np.arange(self._batch_size) + rng.random(self._batch_size)
        ) / self._batch_size
        passages = np.searchsorted(self._ends, places * self._ends[-1], side="right")
        return stack([self._draw(int(passage), rng) for passage in passages])

    def dataset(self, first_step: int) -> tf.data.Dataset:
        """Streams the crops of all steps from `first_step` on, cut ahead in the background."""
        signature = tuple(
            tf.TensorSpec(field.shape, tf.float32) for field in self.crops(first_step)
        )

        def cut(step: tf.Tensor) -> tuple[tf.Tensor, ...]:
            fields = tf.numpy_function(
                lambda step: tuple(self.crops(int(step))), [step], [tf.float32] * 3
            )
            return tuple(
                tf.ensure_shape(field, spec.shape)
                for field, spec in zip(fields, signature, strict=True)
            )

        steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
        return steps.map(cut).prefetch(2)

    def _draw(self, number: int, rng: np.random.Generator) -> Crops:
        n_passage = len(self._f0_hz[number]) - 1
        spare = n_passage - self._n_frames
        overhang = int(_OVERHANG * self._n_frames)
        low, high = min(0, spare), max(0, spare)
        if self._sums is not None:
            return self._draw_weighted(number, low, high, rng)
        start = int(rng.integers(low - overhang, high + overhang, endpoint=True))
        start = int(np.clip(start, low, high))
        return cut_crop(
            self._passages[number], self._f0_hz[number], start, self._n_frames
        )

    def _draw_weighted(
        self, number: int, low: int, high: int, rng: np.random.Generator
    ) -> Crops:
        """Draws a frame by its weight, and a crop that it lies in."""
        sums = self._sums[number]
        frame = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        start = frame - int(rng.integers(0, self._n_frames))
        start = int(np.clip(start, low, high))
        return cut_crop(
            self._passages[number], self._f0_hz[number], start, self._n_frames
        )


def spread_windows(
    passages: Sequence[Passage],
    *,
    n_frames: int,
    max_windows: int,
    f0_confidence_threshold: float,
) -> Crops:
    """Cuts the same windows every time, evenly spread over all passages.

    Args:
      passages: At least one.
      n_frames: Frames a window.
      max_windows: At most so many windows; fewer where the passages are short.
      f0_confidence_threshold: Below it frames are unvoiced.
    """
    lengths = np.array([max(1, len(p.features.f0_hz) - 1) for p in passages])
    total, ends = lengths.sum(), np.cumsum(lengths)
    n_windows = int(np.clip(total // n_frames, 1, max_windows))
    centres = (np.arange(n_windows) + 0.5) * total / n_windows
    windows = []
    for centre in centres:
        number = int(np.searchsorted(ends, centre, side="right"))
        passage, length = passages[number], lengths[number]
        start = int(centre - (ends[number] - length)) - n_frames // 2
        start = int(
            np.clip(start, min(0, length - n_frames), max(0, length - n_frames))
        )
        f0_hz = signed_f0(passage.features, threshold=f0_confidence_threshold)
        windows.append(cut_crop(passage, f0_hz, start, n_frames))
    return stack(windows)


def cut_crop(
    passage: Passage, f0_hz: np.ndarray, start_frame: int, n_frames: int
) -> Crops:
    """Cuts one crop, without a batch axis; what lies outside the passage is silent and unvoiced."""
    hop = passage.spec.hop_size
    audio = _cut(passage.audio, start_frame * hop, n_frames * hop, edge=False)
    pitch_hz = np.abs(_cut(f0_hz, start_frame, n_frames + 1, edge=True))
    voiced = _cut((f0_hz > 0).astype(np.float32), start_frame, n_frames + 1, edge=False)
    level = _cut(
        passage.features.loudness_db - SILENCE_DB, start_frame, n_frames + 1, edge=False
    )
    signed = np.where(voiced > 0, pitch_hz, -pitch_hz)
    return Crops(
        audio, signed.astype(np.float32), (level + SILENCE_DB).astype(np.float32)
    )


def stack(crops: Sequence[Crops]) -> Crops:
    """Gives crops of one length a batch axis."""
    return Crops(*(np.stack(fields) for fields in zip(*crops, strict=True)))


def _cut(signal: np.ndarray, start: int, size: int, *, edge: bool) -> np.ndarray:
    inside = np.asarray(signal[max(0, start) : max(0, start + size)], np.float32)
    before = min(size, max(0, -start))
    padding = (before, size - before - len(inside))
    return np.pad(inside, padding, mode="edge" if edge else "constant")


def _read_records(file_pattern: str | Sequence[str]) -> Iterator[dict]:
    patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
    paths = sorted({path for pattern in patterns for path in _find(pattern)})
    if not paths:
        return
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP")
    try:
        for record in records:
            parsed = tf.io.parse_single_example(record, _RECORD)
            yield {key: value.numpy() for key, value in parsed.items()}
    except tf.errors.OpError as error:
        raise PracticeError(
            f"the training records in {Path(paths[0]).parent} are damaged or of another kind ({error.message}): "
            "practise again without the cache."
        ) from error


def _find(pattern: str) -> list[str]:
    # a file may have a name that reads as a glob
    paths = [pattern] if Path(pattern).is_file() else glob.glob(pattern)
    if not paths:
        raise PracticeError(
            f"no training records match {pattern}: run DdspTransform first."
        )
    return paths


def _to_passage(record: dict, shelf: "_Shelf") -> Passage:
    """Reads a passage but for its audio, which goes onto the shelf."""
    spec = AudioSpec(
        sample_rate=int(record["sample_rate"]), frame_rate=int(record["frame_rate"])
    )
    features = Features(*(record[key] for key in Features._fields))
    n_frames = spec.n_frames(len(record["audio"]))
    name = record["name"].decode()
    for key, values in features._asdict().items():
        if len(values) != n_frames:
            raise ConfigError(
                f"the record of {name} has {len(values)} frames of {key} but its audio needs {n_frames}: run "
                "DdspTransform again."
            )
    shelf.put(record["audio"])
    return Passage(
        audio=np.zeros(0, np.float32),
        features=features,
        take=record["take"].decode(),
        name=name,
        offset_samples=int(record["offset_samples"]),
        spec=spec,
    )


class _Shelf:
    """Keeps audio in memory up to a limit, and the rest in a file without a name.

    The file is mapped once and not by passages: each map holds a file open, and a data set has more notes than a
    process may have open files.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._left_bytes = limit_bytes
        self._file = None
        self._n_filed = 0
        self._places: list[np.ndarray | slice] = []

    def put(self, audio: np.ndarray) -> None:
        """Takes the audio of one passage."""
        self._left_bytes -= audio.nbytes
        if self._left_bytes >= 0 or not audio.size:
            self._places.append(audio)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it is mapped)
        audio.tofile(self._file)
        self._places.append(slice(self._n_filed, self._n_filed + len(audio)))
        self._n_filed += len(audio)

    def audio(self) -> list[np.ndarray]:
        """Hands out the audio of all passages, in their order."""
        filed = np.zeros(0, np.float32)
        if self._file is not None:
            with self._file:  # its map outlives it
                self._file.flush()
                filed = np.memmap(self._file, np.float32, mode="r")
        return [
            filed[place] if isinstance(place, slice) else place
            for place in self._places
        ]
