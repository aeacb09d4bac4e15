"""How well a voice imitates: held-out passages resynthesised from their features, and compared.

The metrics are those of `ddsp.training.metrics`:

    spectral_loss        `ddsp.losses.SpectralLoss` (L1 of magnitudes and of their logarithms)
    loudness_error_db    L1 distance of loudness, weighted as the voice's profile says
    f0_error_semitones   L1 distance of pitch where the original's pitch is sure
    f0_outlier_ratio     share of 4 s excerpts whose pitch is more than 12 semitones off, or lost

and, ours alone:

    silent_leak_db       loudness of the voice where the original is silent
    silence_level_dbfs   level of the voice where the original stays below -70 dBFS for 0.3 s or more
    attack_error_ms      difference of the attacks' lengths, the median of all notes that have one

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

import math
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.dsp.spectral_loss import fft_sizes_for, spectral_loss
from amadeus.features.attacks import compare_attacks
from amadeus.features.extract import extract, make_tracker
from amadeus.features.loudness import RANGE_DB
from amadeus.features.notes import detect_notes
from amadeus.features.silence import FLOOR_DBFS, silent_stretches
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
      peak: Highest absolute sample that the voice played.
      duration_s: Sound that was compared.
      render_duration_s: Time the voice took to play it. Not a metric: it is not a function of the inputs.
    """

    metrics: dict[str, float]
    examples: list[Example]
    peak: float
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


class _Ledger:
    """The metrics so far."""

    def __init__(self, spec: AudioSpec, threshold: float) -> None:
        self._spec, self._threshold = spec, threshold
        self._n_samples = 0
        self._loss, self._loudness, self._leak = _Mean(), _Mean(), _Mean()
        self._pitch, self._outliers, self._silence = _Mean(), _Mean(), _Mean()
        self._attacks_ms: list[float] = []

    @property
    def duration_s(self) -> float:
        return self._n_samples / self._spec.sample_rate

    def metrics(self) -> dict[str, float]:
        return {
            **self._loss.report("spectral_loss"),
            **self._loudness.report("loudness_error_db"),
            **self._pitch.report("f0_error_semitones"),
            **self._outliers.report("f0_outlier_ratio"),
            **self._leak.report("silent_leak_db", _power_to_db),
            **self._silence.report("silence_level_dbfs", _power_to_dbfs),
            **self._attack_metric(),
        }

    def add(self, pair: _Pair) -> None:
        self._n_samples += len(pair.original)
        self._add_loss(pair)
        self._add_loudness(pair)
        self._add_pitch(pair)
        self._add_silence(pair)
        self._add_attacks(pair)

    def _attack_metric(self) -> dict[str, float]:
        if not self._attacks_ms:
            return {}
        return {"attack_error_ms": float(np.median(self._attacks_ms))}

    def _add_loss(self, pair: _Pair) -> None:
        size = round(LOSS_WINDOW_S * self._spec.sample_rate)
        for start in range(0, len(pair.original), size):
            original, resynthesis = (
                tf.constant(audio[None, start : start + size])
                for audio in (pair.original, pair.resynthesis)
            )
            n_samples = original.shape[1]
            sizes = fft_sizes_for(self._spec.sample_rate)
            loss = float(spectral_loss(original, resynthesis, fft_sizes=sizes))
            self._loss.add(loss * n_samples, n_samples)

    def _add_loudness(self, pair: _Pair) -> None:
        original_db = pair.features.loudness_db
        resynthesis_db = pair.resynthesis_features.loudness_db.astype(np.float64)
        self._loudness.add(
            float(np.abs(original_db - resynthesis_db).sum()), len(original_db)
        )
        power = 10 ** (resynthesis_db[original_db <= -RANGE_DB] / 10)
        self._leak.add(float(power.sum()), len(power))

    def _add_pitch(self, pair: _Pair) -> None:
        f0_hz, found_hz = pair.features.f0_hz, pair.resynthesis_features.f0_hz
        semitones = 12 * np.abs(np.log2(found_hz / f0_hz))
        sure = _sure(pair.features, self._threshold)
        found = _sure(pair.resynthesis_features, self._threshold)
        size = round(PITCH_WINDOW_S * self._spec.frame_rate)
        for start in range(0, len(sure), size):
            kept = np.flatnonzero(sure[start : start + size]) + start
            if not len(kept):
                continue
            errors = semitones[kept]
            is_outlier = not found[kept].any() or errors.mean() > OUTLIER_SEMITONES
            self._outliers.add(float(is_outlier), 1)
            if not is_outlier:
                self._pitch.add(float(errors.sum()), len(kept))

    def _add_silence(self, pair: _Pair) -> None:
        rate = self._spec.sample_rate
        for start, end in silent_stretches(pair.original, sample_rate=rate):
            heard = pair.resynthesis[start:end].astype(np.float64)
            self._silence.add(float(np.square(heard).sum()), end - start)

    def _add_attacks(self, pair: _Pair) -> None:
        notes = detect_notes(pair.features, spec=self._spec, threshold=self._threshold)
        errors = compare_attacks(
            pair.original, pair.resynthesis, notes, spec=self._spec
        )
        self._attacks_ms += errors.duration_ms.tolist()


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

    Returns:
      Evaluation. Of a voice that plays samples which are no numbers, all it says is a spectral loss and a peak
      of NaN.
    """
    spec, tracker = profiles.spec(profile), make_tracker(profile)
    threshold = profile.f0_confidence_threshold
    ledger = _Ledger(spec, threshold)
    showcase: Showcase[Example] = Showcase(max_examples)
    peak = render_duration_s = 0.0
    for record in records:
        if len(record.audio) < spec.hop_size:
            continue
        started_at = time.perf_counter()
        sound = _resynthesise(voice, record, threshold)
        render_duration_s += time.perf_counter() - started_at
        peak = max(peak, float(np.abs(sound).max()))
        if not np.isfinite(sound).all():
            return Evaluation({"spectral_loss": math.nan}, [], math.nan, 0.0, 0.0)
        pair = _pair(record, sound, profile=profile, tracker=tracker, spec=spec)
        ledger.add(pair)
        example, traits = _example(pair, spec), _traits(pair, threshold)
        showcase.offer(example, kind=pair.name, traits=traits)
    return Evaluation(
        ledger.metrics(), showcase.items, peak, ledger.duration_s, render_duration_s
    )


def _resynthesise(voice: Player, record: HeldOut, threshold: float) -> np.ndarray:
    f0_hz = signed_f0(record.features, threshold=threshold)
    # frame 0 is centred on the first sample: what block i ends on is frame i + 1
    return voice.render(f0_hz[1:], record.features.loudness_db[1:])


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
        pair.features.f0_hz[frames].copy(),
        pair.features.f0_confidence[frames].copy(),
        pair.features.loudness_db[frames].copy(),
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


def _power_to_dbfs(power: float) -> float:
    return _power_to_db(max(power, 10 ** (FLOOR_DBFS / 10)))
