"""What a sound is like, frame by frame and note by note, once its pitch is known.

Conventions: frames are centred, frame i on sample i * hop_size; what cannot be told is NaN.

  brightness_octaves   spectral centroid of the harmonics' amplitudes, in octaves above f0
  tilt_db              slope of the harmonics' levels, in dB an octave, by least squares
  odd_even_db          power of the harmonics 3, 5, 7 ... against that of 2, 4, 6 ..., in dB
  noise_db             power between the harmonics against that of the harmonics, in dB
  roughness_db         standard deviation of the level faster than 60 ms, in dB
  attack_octaves       log2 of the attack's duration in seconds, one to a note
  vibrato_*            of the pitch, one to a note of half a second or more
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from amadeus.audio import AudioSpec
from amadeus.features.attacks import envelope_db, find_attack
from amadeus.features.loudness import compute_loudness
from amadeus.features.notes import Note, detect_notes, hz_to_midi
from amadeus.features.types import Features
from amadeus.features.vibrato import MIN_NOTE_S, find_vibrato
from amadeus.feedback.traits import TRAITS

MAX_HARMONICS = 60
BLOCK_S = 0.6  # a longer note gives several examples
MIN_BLOCK_S = 0.08
SILENCE_DB = -70.0  # A-weighted; softer frames are nothing to judge

_PERIODS = 6.0  # in a window, so that what lies between two harmonics is free of both
_WINDOW_S = (0.024, 0.128)
_HIGHEST_SHARE = 0.45  # of the sample rate
_HARMONIC_RANGE_DB = 60.0  # a harmonic below the strongest by more is not heard
_FLOOR = 1e-14
_NOISE_NEIGHBOURS = 7  # gaps between harmonics whose noise is taken as one
_NOISE_MARGIN = 10.0  # in power; so far above it noise hardly ever reaches by chance
_CHUNK_FRAMES = 512
_SMOOTH_S = 0.06
_BODY_DB = 15.0  # below its peak a note is ringing out
_TAIL_GAP_S, _TAIL_SEMITONES, _TAIL_DB = 0.05, 0.7, 12.0
_EDGE_S = 0.03  # of a note, left out of its timbre: there it is still becoming


class Pitch(NamedTuple):
    """What is known of the pitch of a sound. Shapes [n_frames]."""

    f0_hz: np.ndarray  # positive
    is_sure: np.ndarray  # voiced, and no other note beside it


class Frames(NamedTuple):
    """What each frame is like; NaN where no pitch is known. Shapes [n_frames]."""

    loudness_db: np.ndarray
    pitch_midi: np.ndarray
    brightness_octaves: np.ndarray
    tilt_db: np.ndarray
    odd_even_db: np.ndarray
    noise_db: np.ndarray
    roughness_db: np.ndarray


class Blocks(NamedTuple):
    """Examples: notes, or parts of long ones.

    Attributes:
      start_s: Shape [n_blocks].
      end_s: Shape [n_blocks].
      values: Of each trait by name, NaN where it cannot be told. Shapes [n_blocks].
    """

    start_s: np.ndarray
    end_s: np.ndarray
    values: dict[str, np.ndarray]

    @property
    def n_blocks(self) -> int:
        """How many there are."""
        return len(self.start_s)

    def inside(self, start_s: float, end_s: float) -> np.ndarray:
        """Those that lie in a stretch by half or more. Bool, shape [n_blocks]."""
        shared_s = np.minimum(self.end_s, end_s) - np.maximum(self.start_s, start_s)
        return np.asarray(shared_s >= 0.5 * (self.end_s - self.start_s))


def describe(audio: np.ndarray, pitch: Pitch, *, spec: AudioSpec) -> Blocks:
    """Describes the notes of a sound.

    Args:
      audio: Shape [n_samples].
      pitch: Of its frames.
      spec: The clock.
    """
    frames = describe_frames(audio, pitch, spec=spec)
    features = Features(
        pitch.f0_hz.astype(np.float32),
        pitch.is_sure.astype(np.float32),
        frames.loudness_db.astype(np.float32),
    )
    notes = detect_notes(features, spec=spec, threshold=0.5)
    notes = [n for i, n in enumerate(notes) if not _is_tail(n, notes[:i], spec)]
    level_db = envelope_db(audio, sample_rate=spec.sample_rate)
    rows: list[tuple[float, float, dict[str, float]]] = []
    for index, note in enumerate(notes):
        whole = _describe_note(note, notes[:index], pitch, level_db, spec)
        for number, (start, end) in enumerate(_cut(_body(note, frames), spec)):
            values = _mean_frames(frames, start, end, spec)
            if values is None:
                continue
            if not number:
                values |= whole
            rows.append((start / spec.frame_rate, end / spec.frame_rate, values))
    return _stack(rows)


def describe_frames(audio: np.ndarray, pitch: Pitch, *, spec: AudioSpec) -> Frames:
    """Describes every frame of a sound; arguments as for `describe`."""
    audio = np.asarray(audio, np.float64)
    n_frames = len(pitch.f0_hz)
    loudness_db = _fit(
        compute_loudness(
            audio.astype(np.float32),
            sample_rate=spec.sample_rate,
            frame_rate=spec.frame_rate,
            range_db=120.0,
        ),
        n_frames,
    )
    known = pitch.is_sure & (loudness_db > SILENCE_DB)
    harmonic = np.full([4, n_frames], np.nan)
    at = np.flatnonzero(known)
    size = _window_size(pitch.f0_hz[known], spec.sample_rate)
    for start in range(0, len(at), _CHUNK_FRAMES):
        chunk = at[start : start + _CHUNK_FRAMES]
        spectra = _spectra(audio, chunk * spec.hop_size, size)
        harmonic[:, chunk] = _describe_spectra(
            spectra, pitch.f0_hz[chunk], size, spec.sample_rate
        )
    roughness_db = np.where(known, _fit(_roughness(audio, spec), n_frames), np.nan)
    pitch_midi = np.where(known, hz_to_midi(pitch.f0_hz), np.nan)
    level_db = np.asarray(loudness_db, np.float64)
    return Frames._make([level_db, pitch_midi, *harmonic, roughness_db])


def _describe_spectra(
    spectra: np.ndarray, f0_hz: np.ndarray, size: int, sample_rate: int
) -> np.ndarray:
    """Brightness, tilt, odd against even, and noise. Shape [4, n_frames]."""
    n_harmonics = int(
        np.clip(_HIGHEST_SHARE * sample_rate / f0_hz.min(), 1, MAX_HARMONICS)
    )
    numbers = np.arange(1, n_harmonics + 1)
    bin_hz = sample_rate / (2 * size)  # spectra are padded to twice their window
    places = f0_hz[:, None] * numbers / bin_hz
    is_there = places * bin_hz <= _HIGHEST_SHARE * sample_rate
    window_sum, window_power = size / 2, 3 * size / 8  # of a Hann window
    tones = 2 * _peak(spectra, places, reach=2) / window_sum**2
    between = (numbers - 0.5) * f0_hz[:, None] / bin_hz
    hiss = _peak(spectra, between, reach=0) / window_power
    hiss = hiss * 2 * f0_hz[:, None] / sample_rate * is_there
    tones = np.maximum(tones * is_there, 0.0)
    # What a window hears of the noise at a harmonic is no harmonic; single bins of noise vary, so neighbours join.
    own_noise = 2 * _peak(spectra, between, reach=0) / window_sum**2
    own_noise = ndimage.uniform_filter1d(own_noise, _NOISE_NEIGHBOURS, axis=1)
    tones = np.where(tones > _NOISE_MARGIN * own_noise, tones, 0.0)
    strongest = tones.max(axis=1, keepdims=True)
    heard = tones > np.maximum(strongest * 10 ** (-_HARMONIC_RANGE_DB / 10), _FLOOR)
    power = np.where(heard, tones, 0.0)
    total = np.maximum(power.sum(axis=1), _FLOOR)
    amplitude = np.sqrt(power)
    centroid = (amplitude * numbers).sum(axis=1) / np.maximum(
        amplitude.sum(axis=1), _FLOOR
    )
    odd = power[:, 2::2].sum(axis=1)
    even = power[:, 1::2].sum(axis=1)
    described = np.array(
        [
            np.log2(np.maximum(centroid, 1.0)),
            _tilt(power, heard, numbers),
            10 * np.log10((odd + 1e-4 * total) / (even + 1e-4 * total)),
            10 * np.log10(np.maximum(hiss.sum(axis=1), _FLOOR) / total),
        ]
    )
    described[:, ~heard.any(axis=1)] = np.nan
    described[1, heard.sum(axis=1) < 3] = np.nan
    described[2, is_there.sum(axis=1) < 3] = np.nan
    return described


def _tilt(power: np.ndarray, heard: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Slope in dB an octave. Shape [n_frames]."""
    octaves = np.broadcast_to(np.log2(numbers), power.shape)
    # Each octave counts alike, not each harmonic.
    weight = heard / numbers
    weight_sum = np.maximum(weight.sum(axis=1, keepdims=True), _FLOOR)
    level_db = 10 * np.log10(np.maximum(power, _FLOOR))
    x = octaves - (weight * octaves).sum(axis=1, keepdims=True) / weight_sum
    y = level_db - (weight * level_db).sum(axis=1, keepdims=True) / weight_sum
    spread = (weight * x * x).sum(axis=1)
    return np.asarray((weight * x * y).sum(axis=1) / np.maximum(spread, 1e-9))


def _peak(spectra: np.ndarray, places: np.ndarray, *, reach: int) -> np.ndarray:
    """Power at fractional bins: the strongest within `reach` bins, between bins by a straight line."""
    last = spectra.shape[1] - 2
    rows = np.arange(len(spectra))[:, None]
    low = np.clip(places.astype(np.int64), 0, last)
    if reach:
        centre = np.clip(np.rint(places).astype(np.int64), reach, last - reach)
        return np.max(
            [spectra[rows, centre + step] for step in range(-reach, reach + 1)], axis=0
        )
    share = np.clip(places - low, 0.0, 1.0)
    return (1 - share) * spectra[rows, low] + share * spectra[rows, low + 1]


def _spectra(audio: np.ndarray, centres: np.ndarray, size: int) -> np.ndarray:
    """Power spectra through a Hann window, padded to twice its size. Shape [n_frames, size + 1]."""
    padded = np.pad(audio, (size // 2, size))
    starts = np.minimum(centres, len(audio))
    cut = padded[starts[:, None] + np.arange(size)]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    return np.abs(np.fft.rfft(cut * window, 2 * size)) ** 2


def _window_size(f0_hz: np.ndarray, sample_rate: int) -> int:
    lowest_hz = float(np.quantile(f0_hz, 0.05)) if len(f0_hz) else 440.0
    return int(2 * (np.clip(_PERIODS / lowest_hz, *_WINDOW_S) * sample_rate // 2))


def _roughness(audio: np.ndarray, spec: AudioSpec) -> np.ndarray:
    """Fast changes of the level, around each frame. Shape [about n_frames]."""
    level_db = np.maximum(envelope_db(audio, sample_rate=spec.sample_rate), -100.0)
    n_smooth = round(_SMOOTH_S * 1000) | 1
    kernel = np.hanning(n_smooth + 2)[1:-1]
    kernel /= kernel.sum()
    padded = np.pad(level_db, n_smooth // 2, mode="edge")
    fast_db = level_db - np.convolve(padded, kernel, mode="valid")
    power = np.convolve(np.pad(fast_db**2, n_smooth // 2, mode="edge"), kernel, "valid")
    places = np.arange(spec.n_frames(len(audio))) * 1000 // spec.frame_rate
    return np.sqrt(power[np.minimum(places, len(power) - 1)])


def _is_tail(note: Note, before: list[Note], spec: AudioSpec) -> bool:
    """Whether it is but the ringing out of the note before, cut off by a ripple."""
    if not before:
        return False
    last = before[-1]
    return (
        note.start_frame - last.end_frame <= _TAIL_GAP_S * spec.frame_rate
        and abs(note.pitch_midi - last.pitch_midi) < _TAIL_SEMITONES
        and last.loudness_db - note.loudness_db > _TAIL_DB
    )


def _body(note: Note, frames: Frames) -> Note:
    """A note without its release."""
    level_db = frames.loudness_db[note.start_frame : note.end_frame]
    loud = np.flatnonzero(level_db >= level_db.max() - _BODY_DB)
    return note._replace(end_frame=note.start_frame + int(loud[-1]) + 1)


def _cut(note: Note, spec: AudioSpec) -> list[tuple[int, int]]:
    """Parts of a note of about `BLOCK_S`, as frames."""
    n_frames = note.end_frame - note.start_frame
    n_parts = max(1, round(n_frames / (BLOCK_S * spec.frame_rate)))
    edges = np.linspace(note.start_frame, note.end_frame, n_parts + 1).astype(int)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _mean_frames(
    frames: Frames, start: int, end: int, spec: AudioSpec
) -> dict[str, float] | None:
    """Medians over the inner frames of a block; None where too little sounds."""
    edge = min(round(_EDGE_S * spec.frame_rate), (end - start) // 4)
    inner = slice(start + edge, end - edge)
    n_known = int(np.isfinite(frames.brightness_octaves[inner]).sum())
    if n_known < max(1, MIN_BLOCK_S * spec.frame_rate / 2):
        return None
    values = {}
    for name, curve in frames._asdict().items():
        known = curve[inner][np.isfinite(curve[inner])]
        values[name] = float(np.median(known)) if len(known) else math.nan
    return values


def _describe_note(
    note: Note, before: list[Note], pitch: Pitch, level_db: np.ndarray, spec: AudioSpec
) -> dict[str, float]:
    values: dict[str, float] = {}
    frames = slice(note.start_frame, note.end_frame)
    if note.end_frame - note.start_frame >= MIN_NOTE_S * spec.frame_rate:
        found = find_vibrato(hz_to_midi(pitch.f0_hz[frames]), spec=spec)
        values["vibrato_depth_cents"] = found.depth_cents if found else 0.0
        if found:
            values["vibrato_rate_hz"] = found.rate_hz
    if not note.is_legato:
        not_before_s = before[-1].end_frame / spec.frame_rate if before else 0.0
        attack = find_attack(level_db, note, spec=spec, not_before_s=not_before_s)
        if attack is not None and attack.duration_s > 0:
            values["attack_octaves"] = math.log2(max(attack.duration_s, 0.002))
    return values


def _stack(rows: list[tuple[float, float, dict[str, float]]]) -> Blocks:
    return Blocks(
        np.array([start for start, _, _ in rows]),
        np.array([end for _, end, _ in rows]),
        {
            name: np.array([values.get(name, math.nan) for _, _, values in rows])
            for name in TRAITS
        },
    )


def _fit(curve: np.ndarray, n_frames: int) -> np.ndarray:
    """Cuts a curve to so many frames, or holds its last."""
    if not len(curve):
        return np.full(n_frames, -120.0)
    return np.asarray(curve)[np.minimum(np.arange(n_frames), len(curve) - 1)]
