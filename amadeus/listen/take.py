"""Hears one take: from its passages to the numbers of a `TakeReport`."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec, decode, write
from amadeus.audio.passages import Passage, split_passages
from amadeus.features import extract
from amadeus.features.notes import Note, detect_notes, hz_to_midi
from amadeus.features.types import Features, PitchTracker
from amadeus.features.voicing import voiced_mask
from amadeus.listen import spectra
from amadeus.listen.bandwidth import BandwidthMeter
from amadeus.listen.clipping import ClippingMeter
from amadeus.listen.material import Material, join, measure_material
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
_WIDEST_HZ = (46.875, 2_093.75)  # heard whatever the profile asks: SwiftF0's own range
_RANGE_SLACK = 1.01  # pitch at the edge of the profile's range, with its vibrato
_PLACE_S = 4.0  # long enough to see what is wrong


class Excerpt(NamedTuple):
    """A part of a take to be heard, in seconds."""

    offset_s: float
    duration_s: float


class _Heard(NamedTuple):
    """What one passage told."""

    at_s: float
    n_samples: int
    n_frames: int
    pitched_midi: np.ndarray
    n_steady: int
    note_peaks_db: np.ndarray
    foreign_share: np.ndarray
    background_power: float
    sound_power: float
    partial_decays_s: np.ndarray
    outside_midi: np.ndarray
    outside_s: float
    polyphonic_at_s: float
    material: Material


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
    meters = _Meters(
        ClippingMeter(sample_rate=info.sample_rate),
        BandwidthMeter(sample_rate=info.sample_rate),
    )
    n_samples, heard = 0, []
    for start_s, blocks in _parts(path, info, excerpts, rate, meters):
        counted = _Counter(blocks)
        for passage in split_passages(counted, sample_rate=rate):
            at_s = start_s + passage.offset_samples / rate
            heard.append(_hear(passage, at_s, profile, tracker))
        n_samples += counted.n_samples
    heard_s = n_samples / rate
    told_s = info.duration_s or heard_s
    is_whole = excerpts is None or told_s <= heard_s + _SAMPLED_SAME_S
    return _summarise(
        path, heard_s if is_whole else told_s, heard_s, heard, meters, profile
    )


class _Meters(NamedTuple):
    """What hears a take as it was decoded, before resampling bends it."""

    clipping: ClippingMeter
    bandwidth: BandwidthMeter

    def add(self, block: np.ndarray, *, at_s: float) -> None:
        self.clipping.add(block, at_s=at_s)
        # The loudest channel tells how far up a recording reaches.
        loudest = int(np.argmax(np.square(block).sum(axis=0)))
        self.bandwidth.add(block[:, loudest])


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
    meters: _Meters,
) -> Iterator[tuple[float, Iterator[np.ndarray]]]:
    if excerpts is None:
        at_s = 0.0
        for block in decode.stream_channels(path):
            meters.add(block, at_s=at_s)
            at_s += len(block) / info.sample_rate
        yield 0.0, decode.stream(path, sample_rate=sample_rate)
        return
    for offset_s, duration_s in excerpts:
        audio = decode.read_excerpt(
            path,
            sample_rate=info.sample_rate,
            offset_s=offset_s,
            duration_s=duration_s,
        )
        meters.add(audio[:, None], at_s=offset_s)
        resampled = write.resample(
            audio, from_rate=info.sample_rate, to_rate=sample_rate
        )
        yield offset_s, iter([resampled])


class _Pitched(NamedTuple):
    """What the tracker told of a passage; masks are bool, shape [n_frames]."""

    features: Features
    notes: list[Note]
    voiced: np.ndarray
    loud: np.ndarray
    inside: np.ndarray  # of the profile's f0 range


def _hear(
    passage: Passage,
    at_s: float,
    profile: profiles_pb2.LearnerProfile,
    tracker: PitchTracker,
) -> _Heard:
    spec = profiles.spec(profile)
    told = _track(passage.audio, profile, tracker)
    features, voiced = told.features, told.voiced
    pitched = voiced & told.loud & told.inside
    steady = steady_mask(features.f0_hz, voiced, frame_rate=spec.frame_rate)
    audio_16k = write.resample(
        passage.audio, from_rate=spec.sample_rate, to_rate=spectra.SAMPLE_RATE
    )
    power = spectra.power_spectra(audio_16k)
    total = power[:, 12:].sum(axis=1)
    sounding = total > np.percentile(total, 90) * 10 ** (-SOUNDING_RANGE_DB / 10)
    at = _frames_under(len(power), spec, n_frames=len(voiced))
    foreign_share = np.full(len(power), np.nan)
    foreign_share[sounding] = spectra.foreign_share(
        power[sounding], features.f0_hz[at][sounding]
    )
    extreme_hz = spectra.extreme_pitch_hz(power[sounding & ~voiced[at]])
    extreme_hz = extreme_hz[~np.isnan(extreme_hz)]
    outside_hz = features.f0_hz[voiced & told.loud & ~told.inside]
    return _Heard(
        at_s=at_s,
        n_samples=len(passage.audio),
        n_frames=int(np.count_nonzero(told.loud)),
        pitched_midi=hz_to_midi(features.f0_hz[pitched]),
        n_steady=int(np.count_nonzero(steady & pitched)),
        note_peaks_db=np.array([note.loudness_db for note in told.notes]),
        foreign_share=foreign_share[sounding],
        background_power=spectra.background_power(power),
        sound_power=float(np.mean(total[sounding])) if sounding.any() else 0.0,
        partial_decays_s=spectra.partial_decays_s(power),
        outside_midi=hz_to_midi(np.concatenate([outside_hz, extreme_hz])),
        outside_s=len(outside_hz) / spec.frame_rate
        + len(extreme_hz) * spectra.HOP_SIZE / spectra.SAMPLE_RATE,
        polyphonic_at_s=at_s + _worst_place_s(foreign_share),
        material=measure_material(features, told.notes, pitched=pitched, spec=spec),
    )


def _track(
    audio: np.ndarray, profile: profiles_pb2.LearnerProfile, tracker: PitchTracker
) -> _Pitched:
    threshold = profile.f0_confidence_threshold
    features = extract.extract(audio, profile=_widen(profile), tracker=tracker)
    loud_db = np.percentile(features.loudness_db, 95)
    return _Pitched(
        features,
        detect_notes(features, spec=profiles.spec(profile), threshold=threshold),
        voiced=voiced_mask(features, threshold=threshold),
        loud=features.loudness_db > loud_db - SOUNDING_RANGE_DB,
        inside=(features.f0_hz >= profile.f0_min_hz / _RANGE_SLACK)
        & (features.f0_hz <= profile.f0_max_hz * _RANGE_SLACK),
    )


def _frames_under(n_spectra: int, spec: AudioSpec, *, n_frames: int) -> np.ndarray:
    """Returns the frame of the voice's clock under each spectrum."""
    samples = np.arange(n_spectra) * spectra.HOP_SIZE
    frames = samples * spec.frame_rate // spectra.SAMPLE_RATE
    return np.minimum(frames, n_frames - 1)


def _widen(profile: profiles_pb2.LearnerProfile) -> profiles_pb2.LearnerProfile:
    """Opens the range of pitch, so that what the profile excludes is heard and can be told."""
    wide = profiles_pb2.LearnerProfile()
    wide.CopyFrom(profile)
    wide.f0_min_hz = min(profile.f0_min_hz, _WIDEST_HZ[0])
    wide.f0_max_hz = max(profile.f0_max_hz, _WIDEST_HZ[1])
    return wide


def _worst_place_s(foreign_share: np.ndarray) -> float:
    """Returns where in a passage the seconds with most foreign partials begin."""
    width = round(_PLACE_S * spectra.SAMPLE_RATE / spectra.HOP_SIZE)
    sums = np.cumsum(np.nan_to_num(foreign_share))
    if len(sums) <= width:
        return 0.0
    worst = int(np.argmax(sums[width:] - sums[:-width]))
    return worst * spectra.HOP_SIZE / spectra.SAMPLE_RATE


def _summarise(
    path: Path,
    duration_s: float,
    heard_s: float,
    heard: list[_Heard],
    meters: _Meters,
    profile: profiles_pb2.LearnerProfile,
) -> TakeReport:
    pitched_midi = _join([part.pitched_midi for part in heard])
    peaks_db = _join([part.note_peaks_db for part in heard])
    foreign = _join([part.foreign_share for part in heard])
    foreign = foreign[~np.isnan(foreign)]
    decays_s = _join([part.partial_decays_s for part in heard])
    outside_midi = _join([part.outside_midi for part in heard])
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
        clipped_share=meters.clipping.share(),
        bandwidth_hz=meters.bandwidth.bandwidth_hz(),
        peak=meters.clipping.peak,
        outside_s=sum(part.outside_s for part in heard),
        outside_low_midi=_percentile(outside_midi, 2),
        outside_high_midi=_percentile(outside_midi, 98),
        places_s=_places_s(heard, meters),
        material=join([part.material for part in heard]),
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


def _places_s(heard: list[_Heard], meters: _Meters) -> dict[str, float]:
    """Says where in a take each kind of trouble can be seen."""
    if not heard:
        return {}
    first_s = max(0.0, heard[0].at_s)
    noisiest = max(heard, key=lambda part: part.background_power)
    crowded = max(heard, key=lambda part: _mean(part.foreign_share))
    places_s = {
        "polyphony": crowded.polyphonic_at_s,
        "noise": noisiest.at_s,
        "clipping": meters.clipping.worst_s,
    }
    return {
        kind: first_s if math.isnan(place_s) else place_s
        for kind, place_s in places_s.items()
    }


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *arrays])


def _percentile(values: np.ndarray, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else math.nan


def _share(mask: np.ndarray) -> float:
    return float(np.mean(mask)) if len(mask) else math.nan
