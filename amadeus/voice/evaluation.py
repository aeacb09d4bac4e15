"""How well a voice imitates: held-out passages resynthesised from their features, and compared.

The metrics are those of `ddsp.training.metrics`:

    spectral_loss        `ddsp.losses.SpectralLoss` (L1 of magnitudes and of their logarithms)
    loudness_error_db    L1 distance of A-weighted loudness
    f0_error_semitones   L1 distance of pitch where the original's pitch is sure
    f0_outlier_ratio     share of 4 s excerpts whose pitch is more than 12 semitones off, or lost
    silent_leak_db       loudness of the voice where the original is silent; ours, not ddsp's

Where these deviate from ddsp, and why:

- "Sure" is the profile's own `f0_confidence_threshold`, not 0.85: that number is CREPE's, and each
  tracker is calibrated differently.
- ddsp's data are excerpts of 4 s, so passages are cut into such for the outlier ratio. As there,
  excerpts without a sure pitch are left out, and outliers do not count in `f0_error_semitones`.
- ddsp says that it counts untrackable sound as an outlier, but asks the original's confidence again.
  Here an excerpt is one when the resynthesis has no sure pitch wherever the original has one.
- Means are taken over frames (the spectral loss: over durations), so a short passage weighs less.

A metric that nothing can be said about is left out, such as pitch errors of unpitched sound.
"""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.dsp.spectral_loss import spectral_loss
from amadeus.errors import VoiceError
from amadeus.features.extract import extract, make_tracker
from amadeus.features.loudness import RANGE_DB
from amadeus.features.types import Features, PitchTracker
from amadeus.features.voicing import signed_f0
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2
from amadeus.voice.diversity import Showcase

LOSS_WINDOW_S = 20.0  # longer passages are compared in windows, to bound memory
PITCH_WINDOW_S = 4.0  # the length of ddsp's examples
OUTLIER_SEMITONES = 12.0  # ddsp.training.metrics.OUTLIER_MIDI_THRESH
EXAMPLE_S = 8.0


class Player(Protocol):
    """What is asked of a voice here; `amadeus.voice.player.Voice` is one."""

    def render(
        self, f0_hz: np.ndarray, loudness_db: np.ndarray, reverb_mix: float = 1.0
    ) -> np.ndarray:
        """Plays a phrase: control i is reached at the end of block i."""
        ...


class HeldOut(NamedTuple):
    """A passage the voice has not learned from.

    Attributes:
      name: Name of its take.
      audio: Shape [n_samples].
      features: Of `audio`.
    """

    name: str
    audio: np.ndarray
    features: Features


class Example(NamedTuple):
    """The beginning of a passage and of its resynthesis.

    Attributes:
      name: Name of its take.
      sample_rate, frame_rate: In Hz.
      original, resynthesis: Shape [n_samples], aligned.
      f0_hz, f0_confidence, loudness_db: Features of the original. Shape [n_frames].
      resynthesis_f0_hz, resynthesis_loudness_db: Extracted from the resynthesis. Shape [n_frames].
    """

    name: str
    sample_rate: int
    frame_rate: int
    original: np.ndarray
    resynthesis: np.ndarray
    f0_hz: np.ndarray
    f0_confidence: np.ndarray
    loudness_db: np.ndarray
    resynthesis_f0_hz: np.ndarray
    resynthesis_loudness_db: np.ndarray


class Evaluation(NamedTuple):
    """The outcome.

    Attributes:
      metrics: By name; lower is better for all.
      examples: Unlike each other, to listen to and to look at.
      duration_s: Sound that was compared.
      render_duration_s: Time the voice took to play it. Not a metric: it is not a function of the inputs.
    """

    metrics: dict[str, float]
    examples: list[Example]
    duration_s: float
    render_duration_s: float


class _Pair(NamedTuple):
    """A passage and its resynthesis, of equal length, with features of equal length."""

    name: str
    original: np.ndarray
    resynthesis: np.ndarray
    features: Features
    resynthesis_features: Features


class _Mean:
    """A weighted mean that grows; nothing before the first weight."""

    def __init__(self) -> None:
        self._total = self._weight = 0.0

    def add(self, total: float, weight: float) -> None:
        self._total += total
        self._weight += weight

    def report(
        self, name: str, to_unit: Callable[[float], float] = float
    ) -> dict[str, float]:
        return {name: to_unit(self._total / self._weight)} if self._weight else {}


def evaluate(
    voice: Player,
    records: Iterable[HeldOut],
    *,
    profile: profiles_pb2.LearnerProfile,
    max_examples: int = 4,
) -> Evaluation:
    """Resynthesises held-out passages and measures how far they are from the originals.

    Args:
      voice: The voice, played with all of its reverb.
      records: Passages, read one by one. Those shorter than a frame are passed over.
      profile: Complete; the one the features were extracted with.
      max_examples: Excerpts to keep.

    Raises:
      VoiceError: The voice plays samples that are not finite.
    """
    spec, tracker = profiles.spec(profile), make_tracker(profile)
    threshold = profile.f0_confidence_threshold
    loss, loudness, pitch, outliers, leak = (_Mean() for _ in range(5))
    showcase: Showcase[Example] = Showcase(max_examples)
    n_samples, render_duration_s = 0, 0.0
    for record in records:
        if len(record.audio) < spec.hop_size:
            continue
        started_at = time.perf_counter()
        sound = _resynthesise(voice, record, threshold)
        render_duration_s += time.perf_counter() - started_at
        pair = _pair(record, sound, profile=profile, tracker=tracker, spec=spec)
        n_samples += len(pair.original)
        _add_loss(loss, pair, spec)
        _add_loudness(loudness, leak, pair)
        _add_pitch(pitch, outliers, pair, spec=spec, threshold=threshold)
        showcase.offer(
            _example(pair, spec), kind=pair.name, traits=_traits(pair, threshold)
        )
    metrics = {
        **loss.report("spectral_loss"),
        **loudness.report("loudness_error_db"),
        **pitch.report("f0_error_semitones"),
        **outliers.report("f0_outlier_ratio"),
        **leak.report("silent_leak_db", _power_to_db),
    }
    return Evaluation(
        metrics, showcase.items, n_samples / spec.sample_rate, render_duration_s
    )


def _resynthesise(voice: Player, record: HeldOut, threshold: float) -> np.ndarray:
    f0_hz = signed_f0(record.features, threshold=threshold)
    # frame 0 is centred on the first sample: what block i ends on is frame i + 1
    audio = voice.render(f0_hz[1:], record.features.loudness_db[1:])
    n_bad = np.count_nonzero(~np.isfinite(audio))
    if n_bad:
        raise VoiceError(
            f"the voice plays {n_bad} of {len(audio)} samples of {record.name!r} that are not finite numbers: its "
            "training has diverged; practise again with a lower learning_rate."
        )
    return audio


def _pair(
    record: HeldOut,
    resynthesis: np.ndarray,
    *,
    profile: profiles_pb2.LearnerProfile,
    tracker: PitchTracker,
    spec: AudioSpec,
) -> _Pair:
    n_samples = min(
        len(record.audio) // spec.hop_size * spec.hop_size, len(resynthesis)
    )
    n_frames = spec.n_frames(n_samples)
    resynthesis = np.asarray(resynthesis[:n_samples], np.float32)
    return _Pair(
        record.name,
        np.asarray(record.audio[:n_samples], np.float32),
        resynthesis,
        Features(*(frames[:n_frames] for frames in record.features)),
        extract(resynthesis, profile=profile, tracker=tracker),
    )


def _add_loss(loss: _Mean, pair: _Pair, spec: AudioSpec) -> None:
    size = round(LOSS_WINDOW_S * spec.sample_rate)
    for start in range(0, len(pair.original), size):
        original, resynthesis = (
            tf.constant(audio[None, start : start + size])
            for audio in (pair.original, pair.resynthesis)
        )
        n_samples = original.shape[1]
        loss.add(float(spectral_loss(original, resynthesis)) * n_samples, n_samples)


def _add_loudness(loudness: _Mean, leak: _Mean, pair: _Pair) -> None:
    original_db = pair.features.loudness_db
    resynthesis_db = pair.resynthesis_features.loudness_db
    loudness.add(float(np.abs(original_db - resynthesis_db).sum()), len(original_db))
    silent = original_db <= -RANGE_DB
    leak.add(
        float(np.sum(10 ** (resynthesis_db[silent].astype(float) / 10))),
        np.count_nonzero(silent),
    )


def _add_pitch(
    pitch: _Mean, outliers: _Mean, pair: _Pair, *, spec: AudioSpec, threshold: float
) -> None:
    semitones = 12 * np.abs(
        np.log2(pair.resynthesis_features.f0_hz / pair.features.f0_hz)
    )
    sure = _sure(pair.features, threshold)
    found = _sure(pair.resynthesis_features, threshold)
    size = round(PITCH_WINDOW_S * spec.frame_rate)
    for start in range(0, len(sure), size):
        kept = np.flatnonzero(sure[start : start + size]) + start
        if not len(kept):
            continue
        errors = semitones[kept]
        is_outlier = not found[kept].any() or errors.mean() > OUTLIER_SEMITONES
        outliers.add(is_outlier, 1)
        if not is_outlier:
            pitch.add(float(errors.sum()), len(kept))


def _sure(features: Features, threshold: float) -> np.ndarray:
    # digital silence has a confidence of 0, whatever the threshold
    return (features.f0_confidence >= threshold) & (features.f0_confidence > 0)


def _example(pair: _Pair, spec: AudioSpec) -> Example:
    n_frames = min(round(EXAMPLE_S * spec.frame_rate), len(pair.features.f0_hz) - 1)
    frames, samples = slice(n_frames + 1), slice(n_frames * spec.hop_size)
    return Example(
        pair.name,
        spec.sample_rate,
        spec.frame_rate,
        pair.original[samples].copy(),
        pair.resynthesis[samples].copy(),
        *(array[frames].copy() for array in pair.features),
        resynthesis_f0_hz=pair.resynthesis_features.f0_hz[frames].copy(),
        resynthesis_loudness_db=pair.resynthesis_features.loudness_db[frames].copy(),
    )


def _traits(pair: _Pair, threshold: float) -> np.ndarray:
    """Pitch in octaves and loudness in steps of 20 dB: an octave is as unlike as piano and forte."""
    sure = _sure(pair.features, threshold)
    octave = float(np.median(np.log2(pair.features.f0_hz[sure]))) if sure.any() else 0.0
    return np.array([octave, np.percentile(pair.features.loudness_db, 90) / 20])


def _power_to_db(power: float) -> float:
    return float(10 * np.log10(power))
