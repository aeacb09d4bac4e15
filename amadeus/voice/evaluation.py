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
from amadeus.voice.diversity import Item, Showcase

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


class Measured(NamedTuple):
    """What one passage says of a voice, in numbers only: it travels between processes, and sounds stay behind.

    Attributes:
      name: Name of the take.
      n_samples: Samples that were compared.
      peak: Highest absolute sample that the voice played.
      is_finite: Whether all samples that it played are numbers; if not, nothing else was measured.
      shares: What the passage adds to each mean, as (total, weight), in order.
      attacks_ms: Differences of the attacks' lengths.
      traits: What tells passages apart.
      render_duration_s: Time the voice took to play it.
    """

    name: str
    n_samples: int
    peak: float
    is_finite: bool
    shares: dict[str, list[tuple[float, float]]]
    attacks_ms: list[float]
    traits: list[float]
    render_duration_s: float


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


class Meter:
    """Measures a voice, passage by passage."""

    def __init__(self, voice: Player, profile: profiles_pb2.LearnerProfile) -> None:
        """Loads the pitch tracker.

        Args:
          voice: Played with all of its reverb.
          profile: Complete; the one the features were extracted with.
        """
        self._voice, self._profile = voice, profile
        self._spec, self._tracker = profiles.spec(profile), make_tracker(profile)
        self._threshold = profile.f0_confidence_threshold

    def measure(self, record: HeldOut) -> Measured | None:
        """Has the voice play a passage, and measures how far that is from it; None where it is shorter than a frame."""
        answered = self.answer(record)
        return answered and answered[0]

    def example(self, record: HeldOut) -> Example | None:
        """Has the voice play a passage again, to listen to; None where nothing can be heard or measured."""
        answered = self.answer(record)
        return answered and answered[1]

    def answer(self, record: HeldOut) -> tuple[Measured, Example | None] | None:
        """Measures, and hands out what was heard; the example is None where the voice plays what are no numbers."""
        if len(record.audio) < self._spec.hop_size:
            return None
        started_at = time.perf_counter()
        sound = _resynthesise(self._voice, record, self._threshold)
        duration_s = time.perf_counter() - started_at
        peak = float(np.abs(sound).max())
        if not np.isfinite(sound).all():
            nothing = Measured(record.name, 0, peak, False, {}, [], [], duration_s)
            return nothing, None
        pair = _pair(
            record,
            sound,
            profile=self._profile,
            tracker=self._tracker,
            spec=self._spec,
        )
        measured = Measured(
            pair.name,
            len(pair.original),
            peak,
            True,
            self._shares(pair),
            self._attacks_ms(pair),
            _traits(pair, self._threshold).tolist(),
            duration_s,
        )
        return measured, _example(pair, self._spec)

    def _shares(self, pair: _Pair) -> dict[str, list[tuple[float, float]]]:
        loudness, leak = _loudness_shares(pair)
        pitch, outliers = self._pitch_shares(pair)
        return {
            "loss": self._loss_shares(pair),
            "loudness": loudness,
            "leak": leak,
            "pitch": pitch,
            "outliers": outliers,
            "silence": self._silence_shares(pair),
        }

    def _loss_shares(self, pair: _Pair) -> list[tuple[float, float]]:
        rate, shares = self._spec.sample_rate, []
        size = round(LOSS_WINDOW_S * rate)
        for start in range(0, len(pair.original), size):
            original, resynthesis = (
                tf.constant(audio[None, start : start + size])
                for audio in (pair.original, pair.resynthesis)
            )
            n_samples = original.shape[1]
            sizes = fft_sizes_for(rate)
            loss = float(spectral_loss(original, resynthesis, fft_sizes=sizes))
            shares.append((loss * n_samples, n_samples))
        return shares

    def _pitch_shares(self, pair: _Pair) -> tuple[list, list]:
        f0_hz, found_hz = pair.features.f0_hz, pair.resynthesis_features.f0_hz
        semitones = 12 * np.abs(np.log2(found_hz / f0_hz))
        sure = _sure(pair.features, self._threshold)
        found = _sure(pair.resynthesis_features, self._threshold)
        size = round(PITCH_WINDOW_S * self._spec.frame_rate)
        pitch, outliers = [], []
        for start in range(0, len(sure), size):
            kept = np.flatnonzero(sure[start : start + size]) + start
            if not len(kept):
                continue
            errors = semitones[kept]
            is_outlier = not found[kept].any() or errors.mean() > OUTLIER_SEMITONES
            outliers.append((float(is_outlier), 1))
            if not is_outlier:
                pitch.append((float(errors.sum()), len(kept)))
        return pitch, outliers

    def _silence_shares(self, pair: _Pair) -> list[tuple[float, float]]:
        rate, shares = self._spec.sample_rate, []
        for start, end in silent_stretches(pair.original, sample_rate=rate):
            heard = pair.resynthesis[start:end].astype(np.float64)
            shares.append((float(np.square(heard).sum()), end - start))
        return shares

    def _attacks_ms(self, pair: _Pair) -> list[float]:
        notes = detect_notes(pair.features, spec=self._spec, threshold=self._threshold)
        errors = compare_attacks(
            pair.original, pair.resynthesis, notes, spec=self._spec
        )
        return errors.duration_ms.tolist()


class Tally:
    """The metrics so far. What passages say is added in their order, for sums of floats know one."""

    def __init__(self) -> None:
        self._means = {name: _Mean() for name, _, _ in _MEANS}
        self._attacks_ms: list[float] = []
        self._n_samples = 0
        self._peak = self._render_duration_s = 0.0
        self._is_finite = True

    def add(self, measured: Measured) -> bool:
        """Adds a passage; returns whether there is any use in more."""
        self._is_finite &= measured.is_finite
        if self._is_finite:
            self._n_samples += measured.n_samples
            self._peak = max(self._peak, measured.peak)
            self._render_duration_s += measured.render_duration_s
            self._attacks_ms += measured.attacks_ms
            for name, shares in measured.shares.items():
                for total, weight in shares:
                    self._means[name].add(total, weight)
        return self._is_finite

    def result(self, examples: list[Example], *, sample_rate: int) -> Evaluation:
        """Sums up."""
        if not self._is_finite:
            return Evaluation({"spectral_loss": math.nan}, [], math.nan, 0.0, 0.0)
        return Evaluation(
            self._metrics(),
            examples,
            self._peak,
            self._n_samples / sample_rate,
            self._render_duration_s,
        )

    def _metrics(self) -> dict[str, float]:
        metrics: dict[str, float] = {}
        for name, metric, to_unit in _MEANS:
            metrics |= self._means[name].report(metric, to_unit)
        if self._attacks_ms:
            metrics["attack_error_ms"] = float(np.median(self._attacks_ms))
        return metrics


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
    meter, tally = Meter(voice, profile), Tally()
    showcase: Showcase[Example] = Showcase(max_examples)
    for record in records:
        answered = meter.answer(record)
        if answered is None:
            continue
        measured, example = answered
        if not tally.add(measured):
            break
        show(showcase, example, measured)
    return tally.result(showcase.items, sample_rate=profiles.spec(profile).sample_rate)


def show(showcase: Showcase[Item], item: Item, measured: Measured) -> None:
    """Offers what stands for a passage to those who keep a few that are unlike each other."""
    showcase.offer(item, kind=measured.name, traits=np.array(measured.traits))


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


def _loudness_shares(pair: _Pair) -> tuple[list, list]:
    original_db = pair.features.loudness_db
    resynthesis_db = pair.resynthesis_features.loudness_db.astype(np.float64)
    error_db = float(np.abs(original_db - resynthesis_db).sum())
    power = 10 ** (resynthesis_db[original_db <= -RANGE_DB] / 10)
    return [(error_db, len(original_db))], [(float(power.sum()), len(power))]


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


_MEANS: tuple[tuple[str, str, Callable[[float], float]], ...] = (
    ("loss", "spectral_loss", float),
    ("loudness", "loudness_error_db", float),
    ("pitch", "f0_error_semitones", float),
    ("outliers", "f0_outlier_ratio", float),
    ("leak", "silent_leak_db", _power_to_db),
    ("silence", "silence_level_dbfs", _power_to_dbfs),
)
