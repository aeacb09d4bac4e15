"""From any sound file to one channel of float32 at the rate that is asked for.

A file is read twice. The first pass (`survey`) measures each channel: length, peak, mean and how the
channels correlate; the second renders. What is decided between them holds for the whole file, so
blocks join without a seam and memory stays constant however long the take:

- Mono: channels are averaged, each with the sign it has in the dominant eigenvector of the channels'
  covariance. Two channels in opposite phase therefore add up instead of cancelling, and equal channels
  give just themselves. Channels more than 30 dB below the loudest are left out.
- DC: the mean of each channel over the whole file is taken off; phase and low notes are untouched.
- Level: as recorded. Only a file whose mix exceeds full scale (float files may) is scaled to peak at 1.
- Rate: soxr, high quality, as a stream; n samples become round(n * to / from).

A file that ends more than 0.1 s before the length it promises is refused as truncated: half a take
is more often a failed copy than a wish. Files that promise nothing (raw AAC, recorders that never
wrote their length) are read as far as they go.
"""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
import soxr

from amadeus.audio import containers
from amadeus.audio.ffmpeg import FfmpegDecoder
from amadeus.audio.sndfile import SndfileDecoder
from amadeus.errors import RecordingError

MIN_SAMPLE_RATE = 8_000  # Hz
MISSING_TOLERANCE_S = 0.1  # codecs count their padding differently, by up to 50 ms
QUIET_CHANNEL_DB = 30.0  # below the loudest channel

_SURVEY_BLOCK_SAMPLES = 1 << 16

Decoder = SndfileDecoder | FfmpegDecoder


class AudioInfo(NamedTuple):
    """What a sound file says of itself; `duration_s` is None where it does not say."""

    sample_rate: int
    n_channels: int
    duration_s: float | None
    format: str


class Survey(NamedTuple):
    """What the first pass measured, before mixing.

    Attributes:
      sample_rate: In Hz.
      n_samples: Samples per channel.
      mean: Of each channel. Shape [n_channels].
      weights: What each channel contributes to the mono mix. Shape [n_channels].
      peak: Largest magnitude that the mono mix can reach without its mean.
    """

    sample_rate: int
    n_samples: int
    mean: np.ndarray
    weights: np.ndarray
    peak: float


def probe(path: Path | str) -> AudioInfo:
    """Reads what a sound file is, without decoding it.

    Raises:
      RecordingError: It is missing, empty, truncated, not audio, or below 8 kHz.
    """
    with _open(Path(path)) as decoder:
        promised = decoder.n_samples
        duration_s = None if promised is None else promised / decoder.sample_rate
        return AudioInfo(
            decoder.sample_rate, decoder.n_channels, duration_s, decoder.format
        )


def survey(path: Path | str) -> Survey:
    """Measures a file in one pass of constant memory.

    Raises:
      RecordingError: It cannot be read, is truncated, or holds NaN or infinite samples.
    """
    path = Path(path)
    with _open(path) as decoder:
        sums = _Sums(decoder.n_channels)
        for block in decoder.blocks(_SURVEY_BLOCK_SAMPLES):
            _check_finite(path, block, sums.n_samples, decoder.sample_rate)
            sums.add(block)
        _check_length(path, sums.n_samples, decoder)
        return sums.result(decoder.sample_rate)


def stream(
    path: Path | str,
    *,
    sample_rate: int,
    block_s: float = 10.0,
    measured: Survey | None = None,
) -> Iterator[np.ndarray]:
    """Decodes a file of any length into blocks of mono sound.

    Args:
      path: A sound file.
      sample_rate: Of the blocks, in Hz.
      block_s: Length of a block before resampling, in seconds.
      measured: What `survey` found, where the same bytes were surveyed before; None surveys them now.

    Yields:
      Consecutive blocks, float32 in [-1, 1]; never empty. Shape [n_samples].

    Raises:
      RecordingError: It cannot be read, is truncated, below 8 kHz, or holds NaN samples.
    """
    path = Path(path)
    measured = survey(path) if measured is None else measured
    with _open(path) as decoder:
        n_block = max(1, round(block_s * decoder.sample_rate))
        yield from _render(decoder.blocks(n_block), measured, sample_rate)


def read(path: Path | str, *, sample_rate: int) -> np.ndarray:
    """Decodes a whole file into memory; see `stream`. Shape [n_samples]."""
    return np.concatenate(list(stream(path, sample_rate=sample_rate)))


def read_excerpt(
    path: Path | str, *, sample_rate: int, offset_s: float, duration_s: float
) -> np.ndarray:
    """Decodes a part of a file without reading the rest; mix and mean are those of the part.

    Returns:
      Float32 in [-1, 1], shorter than asked where the file ends. Shape [n_samples].

    Raises:
      RecordingError: It cannot be read, is below 8 kHz, or holds NaN samples in this part.
    """
    path = Path(path)
    with _open(path, offset_s=offset_s) as decoder:
        wanted = max(1, round(duration_s * decoder.sample_rate))
        block = next(decoder.blocks(wanted), None)
        if block is None:
            return np.zeros(0, np.float32)
        offset = round(offset_s * decoder.sample_rate)
        _check_finite(path, block, offset, decoder.sample_rate)
        sums = _Sums(decoder.n_channels)
        sums.add(block)
        measured = sums.result(decoder.sample_rate)
        return np.concatenate(list(_render(iter([block]), measured, sample_rate)))


def stream_channels(path: Path | str) -> Iterator[np.ndarray]:
    """Decodes a file as it is: its own rate, its channels, its level.

    Yields:
      Consecutive blocks, float32. Shape [n_samples, n_channels].

    Raises:
      RecordingError: It cannot be read.
    """
    with _open(Path(path)) as decoder:
        yield from decoder.blocks(_SURVEY_BLOCK_SAMPLES)


class _Sums:
    """Sums over a stream of blocks [n, n_channels]."""

    def __init__(self, n_channels: int) -> None:
        self.n_samples = 0
        self._sum = np.zeros(n_channels)
        self._products = np.zeros((n_channels, n_channels))
        self._low = np.full(n_channels, np.inf)
        self._high = np.full(n_channels, -np.inf)

    def add(self, block: np.ndarray) -> None:
        self.n_samples += len(block)
        self._sum += block.sum(axis=0, dtype=np.float64)
        wide = block.astype(np.float64)
        # Not by BLAS: for so little work its threads cost more than they bring.
        self._products += np.einsum("ni,nj->ij", wide, wide)
        self._low = np.minimum(self._low, block.min(axis=0))
        self._high = np.maximum(self._high, block.max(axis=0))

    def result(self, sample_rate: int) -> Survey:
        mean = self._sum / self.n_samples
        covariance = self._products / self.n_samples - np.outer(mean, mean)
        weights = choose_weights(covariance)
        reach = np.maximum(self._high - mean, mean - self._low)
        peak = float(reach @ np.abs(weights))
        return Survey(sample_rate, self.n_samples, mean, weights, peak)


def choose_weights(covariance: np.ndarray) -> np.ndarray:
    """Decides how channels are mixed to mono; see the module's docstring.

    Args:
      covariance: Of the channels. Shape [n_channels, n_channels].

    Returns:
      Weights whose magnitudes sum to 1; the loudest channel's is positive. Shape [n_channels].
    """
    power = np.diag(covariance)
    loudest = int(np.argmax(power))
    is_heard = power >= power[loudest] * 10 ** (-QUIET_CHANNEL_DB / 10)
    _, vectors = np.linalg.eigh(covariance)
    signs = np.where(vectors[:, -1] * vectors[loudest, -1] < 0, -1.0, 1.0)
    return signs * is_heard / is_heard.sum()


def _render(
    blocks: Iterator[np.ndarray], measured: Survey, sample_rate: int
) -> Iterator[np.ndarray]:
    gain = 1.0 / max(1.0, measured.peak)
    weights = (measured.weights * gain).astype(np.float32)
    offset = np.float32(measured.mean @ measured.weights * gain)
    mono: Iterator[np.ndarray] = (block @ weights - offset for block in blocks)
    if sample_rate != measured.sample_rate:
        mono = _resample(mono, measured.sample_rate, sample_rate)
    for block in mono:
        if len(block):
            # The resampler may overshoot full scale where a file is at its peak.
            yield np.clip(block, -1.0, 1.0)


def _resample(
    blocks: Iterator[np.ndarray], from_rate: int, to_rate: int
) -> Iterator[np.ndarray]:
    resampler = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


@contextlib.contextmanager
def _open(path: Path, *, offset_s: float = 0.0) -> Iterator[Decoder]:
    with _open_file(path) as file:
        container = containers.sniff(file)
        promise = containers.read_promise(file, container)
        _check_before_decoding(path, file, container, promise)
        with _choose_decoder(path, file, container, offset_s) as decoder:
            _check_rate(path, decoder)
            _check_promise(path, decoder, promise)
            yield decoder


def _choose_decoder(
    path: Path, file: BinaryIO, container: str | None, offset_s: float
) -> Decoder:
    try:
        decoder = SndfileDecoder(path, file)
        if offset_s:
            decoder.seek(round(offset_s * decoder.sample_rate))
        return decoder
    except soundfile.LibsndfileError as error:
        if container is None:
            raise RecordingError(_not_audio(path, file), fault="undecodable") from error
        return FfmpegDecoder(path, container=container, offset_s=offset_s)


@contextlib.contextmanager
def _open_file(path: Path) -> Iterator[BinaryIO]:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise RecordingError(
                f"{path} is {kind}: a sound file is needed here, such as one inside it.",
                fault="unreadable",
            )
        if path.stat().st_size == 0:
            raise RecordingError(
                f"{path} is empty (0 bytes): record or copy it again, or leave it out.",
                fault="empty",
            )
        file = path.open("rb", buffering=0)  # libsndfile shares the descriptor
    except OSError as error:
        raise RecordingError(
            f"cannot open {path}: {error.strerror or error}; check the name and its read rights.",
            fault="unreadable",
        ) from error
    with file:
        yield file


def _not_audio(path: Path, file: BinaryIO) -> str:
    kind = "holds text" if containers.looks_like_text(file) else "is no known format"
    return (
        f"{path} is not audio, whatever its name says: it {kind}; "
        "give wav, flac, ogg, opus, mp3, aiff, m4a, aac, webm or caf."
    )


def _check_rate(path: Path, decoder: Decoder) -> None:
    if decoder.sample_rate < MIN_SAMPLE_RATE:
        raise RecordingError(
            f"{path} has {decoder.sample_rate} samples per second, which leaves no timbre to learn: "
            f"give a recording of at least {MIN_SAMPLE_RATE} Hz.",
            fault="undecodable",
        )


def _check_before_decoding(
    path: Path,
    file: BinaryIO,
    container: str | None,
    promise: containers.PromisedData | None,
) -> None:
    if container == "ogg" and containers.ends_inside_ogg_page(file):
        raise RecordingError(
            f"{path} ends early: its {path.stat().st_size} bytes stop inside a page of Ogg; copy or export it again.",
            fault="truncated",
        )
    # libmpg123 would complain on stderr, and cannot say how long the rest would be.
    if container == "mp3" and promise and promise.held_share < 0.99:
        raise RecordingError(
            f"{path} ends early: it holds {promise.held_bytes} of the {promise.promised_bytes} bytes of sound it "
            f"promises ({promise.held_share:.0%}); copy or export it again.",
            fault="truncated",
        )


def _check_promise(
    path: Path, decoder: Decoder, promise: containers.PromisedData | None
) -> None:
    if promise and promise.held_share < 1 and decoder.n_samples:
        # Of these containers libraries count what is there, not what the header says.
        held_s = decoder.n_samples / decoder.sample_rate
        _check_missing(path, held_s, held_s / max(promise.held_share, 1e-9))


def _check_length(path: Path, n_samples: int, decoder: Decoder) -> None:
    # Of an mp3, libsndfile's count is a guess from its size; its Xing tag was checked before.
    is_guess = decoder.format.startswith("MP3")
    promised_s = 0 if is_guess else (decoder.n_samples or 0) / decoder.sample_rate
    _check_missing(path, n_samples / decoder.sample_rate, promised_s)
    if not n_samples:
        raise RecordingError(
            f"{path} holds no samples (0 s of sound): record or export it again, or leave it out.",
            fault="empty",
        )


def _check_missing(path: Path, held_s: float, promised_s: float) -> None:
    if promised_s - held_s > MISSING_TOLERANCE_S:
        raise RecordingError(
            f"{path} ends early: it promises {promised_s:.2f} s of sound but holds {held_s:.2f} s; "
            "copy or export it again, or cut it in an audio editor.",
            fault="truncated",
        )


def _check_finite(path: Path, block: np.ndarray, offset: int, sample_rate: int) -> None:
    if np.isfinite(block.sum()):  # one bad sample spoils the sum; a sum is quick
        return
    bad = ~np.isfinite(block).all(axis=1)
    if bad.any():
        at_s = (offset + int(np.argmax(bad))) / sample_rate
        raise RecordingError(
            f"{path} holds samples that are no numbers (NaN or infinite), the first at {at_s:.2f} s: "
            "export it again without them.",
            fault="undecodable",
        )
