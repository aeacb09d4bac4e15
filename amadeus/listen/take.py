"""Hears one take: from its passages to the numbers of a `TakeReport`."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.audio import decode, write
from amadeus.audio.passages import Passage, split_passages
from amadeus.features import extract
from amadeus.features.notes import detect_notes
from amadeus.features.types import PitchTracker
from amadeus.features.voicing import voiced_mask
from amadeus.listen import spectra
from amadeus.listen.clipping import ClippingMeter
from amadeus.listen.report import TakeReport
from amadeus.listen.steadiness import steady_mask
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

SOUNDING_RANGE_DB = (
    30.0  # below the loud level of a passage: what is judged, tails left out
)
POLYPHONIC_SHARE_DB = -10.0
"""Foreign partials above this share of a frame's power make it polyphonic.

Fitted on 56 recordings of solo cello, flute, saxophone and voice, an orchestra, and mixtures of two
solos: one note stays below -15 dB in the median frame, two equal notes lie above -6 dB.
"""

_ENOUGH_ENDINGS = 8
_QUICK_PERCENT = 25  # of endings: others fade because the player lets them
_SAMPLED_SAME_S = 0.5  # a file heard to within this of its length was heard whole
_EDGE_DB = (-70.0, -85.0)
_EDGE_WIDTH_SHARE = (
    0.08  # of the Nyquist frequency: a filter falls within, an instrument does not
)
_EMPTY_SHARE = 0.6  # of the Nyquist frequency: more than this is bandwidth enough


class Excerpt(NamedTuple):
    """A part of a take to be heard, in seconds."""

    offset_s: float
    duration_s: float


class _Heard(NamedTuple):
    """What one passage told."""

    n_samples: int
    n_frames: int
    pitched_midi: np.ndarray
    n_steady: int
    note_peaks_db: np.ndarray
    foreign_share: np.ndarray
    background_power: float
    sound_power: float
    partial_decays_s: np.ndarray
    spectrum: np.ndarray  # sum over sounding frames, at the voice's rate


def hear_take(
    path: Path,
    *,
    info: decode.AudioInfo,
    excerpts: list[Excerpt] | None,
    profile: profiles_pb2.LearnerProfile,
    tracker: PitchTracker,
) -> TakeReport:
    """Measures a take, whole or by excerpts; warnings are left to the coach.

    Args:
      path: A sound file.
      info: What `probe` says of it.
      excerpts: What to hear of it; None means all of it.
      profile: Complete.
      tracker: Made from `profile`.

    Raises:
      RecordingError: It cannot be read.
    """
    rate = profile.sample_rate
    meter = ClippingMeter(sample_rate=info.sample_rate)
    n_samples, heard = 0, []
    for blocks in _parts(path, info, excerpts, rate, meter):
        counted = _Counter(blocks)
        for passage in split_passages(counted, sample_rate=rate):
            heard.append(_hear(passage, profile, tracker))
        n_samples += counted.n_samples
    heard_s = n_samples / rate
    told_s = info.duration_s or heard_s
    is_whole = excerpts is None or told_s <= heard_s + _SAMPLED_SAME_S
    return _summarise(
        path, heard_s if is_whole else told_s, heard_s, heard, meter, profile
    )


class _Counter:
    def __init__(self, blocks: Iterator[np.ndarray]) -> None:
        self._blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.n_samples += len(block)
            yield block


def _parts(
    path: Path,
    info: decode.AudioInfo,
    excerpts: list[Excerpt] | None,
    sample_rate: int,
    meter: ClippingMeter,
) -> Iterator[Iterator[np.ndarray]]:
    if excerpts is None:
        for block in decode.stream_channels(path):
            meter.add(block)
        yield decode.stream(path, sample_rate=sample_rate)
        return
    for offset_s, duration_s in excerpts:
        audio = decode.read_excerpt(
            path,
            sample_rate=info.sample_rate,  # resampling would bend what was cut flat
            offset_s=offset_s,
            duration_s=duration_s,
        )
        meter.add(audio[:, None])
        yield iter(
            [write.resample(audio, from_rate=info.sample_rate, to_rate=sample_rate)]
        )


def _hear(
    passage: Passage, profile: profiles_pb2.LearnerProfile, tracker: PitchTracker
) -> _Heard:
    spec = profiles.spec(profile)
    threshold = profile.f0_confidence_threshold
    features = extract.extract(passage.audio, profile=profile, tracker=tracker)
    voiced = voiced_mask(features, threshold=threshold)
    loud = (
        features.loudness_db
        > np.percentile(features.loudness_db, 95) - SOUNDING_RANGE_DB
    )
    pitched = voiced & loud
    notes = detect_notes(features, spec=spec, threshold=threshold)
    steady = steady_mask(features.f0_hz, voiced, frame_rate=spec.frame_rate)
    audio_16k = write.resample(
        passage.audio, from_rate=spec.sample_rate, to_rate=spectra.SAMPLE_RATE
    )
    power = spectra.power_spectra(audio_16k)
    total = power[:, 12:].sum(axis=1)
    sounding = total > np.percentile(total, 90) * 10 ** (-SOUNDING_RANGE_DB / 10)
    # The frame of the voice's clock under each spectrum.
    at = (
        np.arange(len(power))
        * spectra.HOP_SIZE
        * spec.frame_rate
        // spectra.SAMPLE_RATE
    )
    f0_hz = features.f0_hz[np.minimum(at, len(voiced) - 1)]
    return _Heard(
        n_samples=len(passage.audio),
        n_frames=int(np.count_nonzero(loud)),
        pitched_midi=69 + 12 * np.log2(features.f0_hz[pitched] / 440),
        n_steady=int(np.count_nonzero(steady & pitched)),
        note_peaks_db=np.array([note.loudness_db for note in notes]),
        foreign_share=spectra.foreign_share(power[sounding], f0_hz[sounding]),
        background_power=spectra.background_power(power),
        sound_power=float(np.mean(total[sounding])) if sounding.any() else 0.0,
        partial_decays_s=spectra.partial_decays_s(power),
        spectrum=_long_spectrum(passage.audio),
    )


def _long_spectrum(audio: np.ndarray) -> np.ndarray:
    windows = np.pad(audio, (0, -len(audio) % 1_024)).reshape(-1, 1_024)
    power = np.square(np.abs(np.fft.rfft(windows * np.hanning(1_024)[None])))
    return power[:, :512].reshape(len(power), 64, 8).sum(axis=(0, 2))


def _summarise(
    path: Path,
    duration_s: float,
    heard_s: float,
    heard: list[_Heard],
    meter: ClippingMeter,
    profile: profiles_pb2.LearnerProfile,
) -> TakeReport:
    pitched_midi = _join([part.pitched_midi for part in heard])
    peaks_db = _join([part.note_peaks_db for part in heard])
    foreign = _join([part.foreign_share for part in heard])
    foreign = foreign[~np.isnan(foreign)]
    decays_s = _join([part.partial_decays_s for part in heard])
    n_pitched = len(pitched_midi)
    return TakeReport(
        name=path.name,
        path=str(path),
        duration_s=duration_s,
        heard_s=heard_s,
        silent_s=heard_s - sum(part.n_samples for part in heard) / profile.sample_rate,
        sounding_s=sum(part.n_frames for part in heard) / profile.frame_rate,
        pitched_s=n_pitched / profile.frame_rate,
        lowest_midi=_percentile(pitched_midi, 2),
        highest_midi=_percentile(pitched_midi, 98),
        soft_db=_percentile(peaks_db, 10),
        loud_db=_percentile(peaks_db, 90),
        polyphonic_share=_share(foreign > 10 ** (POLYPHONIC_SHARE_DB / 10)),
        steady_share=sum(p.n_steady for p in heard) / n_pitched
        if n_pitched
        else math.nan,
        snr_db=_snr_db(heard),
        decay_60db_s=_decay_60db_s(decays_s),
        clipped_share=meter.share(),
        bandwidth_hz=_bandwidth_hz(heard, profile.sample_rate),
        peak=meter.peak,
    )


def _snr_db(heard: list[_Heard]) -> float:
    if not heard:
        return math.nan
    lengths = np.array([part.n_samples for part in heard])
    sound = np.average([part.sound_power for part in heard], weights=lengths)
    background = np.average([part.background_power for part in heard], weights=lengths)
    return 10 * math.log10(max(sound, 1e-20) / max(background, 1e-20))


def _decay_60db_s(decays_s: np.ndarray) -> float:
    if len(decays_s) < _ENOUGH_ENDINGS:
        return math.nan
    return 3 * float(np.percentile(decays_s, _QUICK_PERCENT))


def _bandwidth_hz(heard: list[_Heard], sample_rate: int) -> float:
    if not heard:
        return math.nan
    spectrum = np.sum([part.spectrum for part in heard], axis=0)
    relative_db = 10 * np.log10(spectrum / max(spectrum.max(), 1e-20) + 1e-15)
    top, bottom = (
        (np.flatnonzero(relative_db > edge).max(initial=0) + 1) / len(spectrum)
        for edge in _EDGE_DB
    )
    is_cut = bottom - top < _EDGE_WIDTH_SHARE and bottom < _EMPTY_SHARE
    return bottom * sample_rate / 2 if is_cut else math.nan


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *arrays])


def _percentile(values: np.ndarray, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else math.nan


def _share(mask: np.ndarray) -> float:
    return float(np.mean(mask)) if len(mask) else math.nan
