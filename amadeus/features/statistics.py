"""What a set of recordings is like: ranges of pitch and loudness, and the typical note.

An `Accumulator` takes features passage by passage and merges with others exactly, in any order
and grouping, so it runs in Beam. It keeps histograms, never frames: pitch to 0.01 semitones,
loudness to 0.05 dB, durations to 1 ms, vibrato to 0.02 Hz and 0.2 cents. Medians are over notes;
only the slope of the sustain counts each note by its length, and vibrato counts the notes that
have it, if one in five of those long enough does.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from amadeus.audio import AudioSpec
from amadeus.features.note_shape import NoteShape, measure_note
from amadeus.features.notes import Note, detect_notes, hz_to_midi
from amadeus.features.sketch import Sketch
from amadeus.features.types import Features
from amadeus.features.voicing import voiced_mask
from amadeus.v1 import personality_pb2, profiles_pb2

N_QUANTILES = 101

_SOUNDING_DB = 40.0  # frames less than this below a passage's peak are heard as sound
_SILENCE_SHARE = 0.1  # of the frames between notes are quieter than "silence"
_SOFT_SHARE, _LOUD_SHARE = 0.1, 0.9
_MIN_VIBRATO_SHARE = 0.2  # of the notes long enough for it; fewer are ornaments

_SKETCHES: dict[str, Callable[[], Sketch]] = {
    "pitch_midi": lambda: Sketch(0.0, 140.0, step=0.01),
    "loudness_db": lambda: Sketch(-120.0, 80.0, step=0.05),
    "all_loudness_db": lambda: Sketch(-120.0, 80.0, step=0.05),
    "rest_loudness_db": lambda: Sketch(-120.0, 80.0, step=0.05),
    "peak_loudness_db": lambda: Sketch(-120.0, 80.0, step=0.05),
    "attack_duration_s": lambda: Sketch(0.0, 10.0, step=0.001),
    "attack_depth_db": lambda: Sketch(0.0, 100.0, step=0.05),
    "decay_duration_s": lambda: Sketch(0.0, 20.0, step=0.001),
    "decay_depth_db": lambda: Sketch(0.0, 100.0, step=0.05),
    "sustain_slope_db_per_s": lambda: Sketch(-300.0, 300.0, step=0.05),
    "release_duration_s": lambda: Sketch(0.0, 20.0, step=0.001),
    "vibrato_rate_hz": lambda: Sketch(0.0, 20.0, step=0.02),
    "vibrato_depth_cents": lambda: Sketch(0.0, 400.0, step=0.2),
    "vibrato_delay_s": lambda: Sketch(0.0, 10.0, step=0.001),
    "legato_duration_s": lambda: Sketch(0.0, 1.0, step=0.001),
}

_SHAPE_NAMES = [name for name in NoteShape._fields if name in _SKETCHES]


class Accumulator:
    """Gathers statistics passage by passage; bounded in memory, exact to merge."""

    def __init__(self) -> None:
        self._sketches = {name: make() for name, make in _SKETCHES.items()}
        self._n_notes = 0
        self._n_long_notes = 0
        # Counted per frame rate, so that sums stay whole numbers and merge exactly.
        self._n_sounding: dict[int, int] = {}
        self._n_voiced: dict[int, int] = {}

    def add(
        self,
        features: Features,
        *,
        spec: AudioSpec,
        profile: profiles_pb2.LearnerProfile,
    ) -> None:
        """Takes the features of one passage.

        Args:
          features: Of the passage.
          spec: The clock of `features`.
          profile: Complete; says from which confidence a frame is voiced.
        """
        threshold = profile.f0_confidence_threshold
        voiced = voiced_mask(features, threshold=threshold)
        notes = detect_notes(features, spec=spec, threshold=threshold)
        loudness_db = features.loudness_db
        sounding = voiced | (loudness_db > loudness_db.max() - _SOUNDING_DB)
        sounding &= loudness_db > loudness_db.min()  # a floor is no sound
        _count(self._n_voiced, spec.frame_rate, int(voiced.sum()))
        _count(self._n_sounding, spec.frame_rate, int(sounding.sum()))
        self._add_frames(features, notes)
        self._add_notes(features, notes, spec)

    def merge(self, other: "Accumulator") -> None:
        """Takes over what another accumulator has gathered."""
        for name, sketch in self._sketches.items():
            sketch.merge(other._sketches[name])
        self._n_notes += other._n_notes
        self._n_long_notes += other._n_long_notes
        for mine, theirs in (
            (self._n_sounding, other._n_sounding),
            (self._n_voiced, other._n_voiced),
        ):
            for frame_rate, n_frames in theirs.items():
                _count(mine, frame_rate, n_frames)

    def result(self) -> personality_pb2.Statistics:
        """Sums up. Without notes, quantiles are empty and the note's shape is all zero."""
        sketches = self._sketches
        quietest = sketches["all_loudness_db"].quantile(0.0, otherwise=-80.0)
        return personality_pb2.Statistics(
            sounding_duration_s=_seconds(self._n_sounding),
            voiced_duration_s=_seconds(self._n_voiced),
            pitch_quantiles_midi=sketches["pitch_midi"].quantiles(N_QUANTILES),
            loudness_quantiles_db=sketches["loudness_db"].quantiles(N_QUANTILES),
            silence_loudness_db=sketches["rest_loudness_db"].quantile(
                _SILENCE_SHARE, otherwise=quietest
            ),
            note_shape=self._note_shape(),
        )

    def _add_frames(self, features: Features, notes: list[Note]) -> None:
        in_note = np.zeros(len(features.f0_hz), bool)
        for note in notes:
            in_note[note.start_frame : note.end_frame] = True
        sketches, loudness_db = self._sketches, features.loudness_db
        sketches["pitch_midi"].add(hz_to_midi(features.f0_hz[in_note]))
        sketches["loudness_db"].add(loudness_db[in_note])
        sketches["rest_loudness_db"].add(loudness_db[~in_note])
        sketches["all_loudness_db"].add(loudness_db)

    def _add_notes(
        self, features: Features, notes: list[Note], spec: AudioSpec
    ) -> None:
        pitch_midi = hz_to_midi(features.f0_hz)
        self._n_notes += len(notes)
        self._sketches["peak_loudness_db"].add([note.loudness_db for note in notes])
        shapes = [
            measure_note(
                index,
                notes,
                pitch_midi=pitch_midi,
                loudness_db=features.loudness_db,
                spec=spec,
            )
            for index in range(len(notes))
        ]
        self._n_long_notes += sum(
            math.isfinite(shape.vibrato_depth_cents) for shape in shapes
        )
        for name in _SHAPE_NAMES:
            numbers = np.array([getattr(shape, name) for shape in shapes])
            self._sketches[name].add(numbers, times=_votes(name, shapes))

    def _note_shape(self) -> personality_pb2.NoteShape:
        sketches = self._sketches
        medians = {name: sketches[name].median() for name in _SHAPE_NAMES}
        n_vibrating = len(sketches["vibrato_rate_hz"])
        if n_vibrating < _MIN_VIBRATO_SHARE * self._n_long_notes:
            medians |= dict.fromkeys((n for n in medians if "vibrato" in n), 0.0)
        peaks = sketches["peak_loudness_db"]
        return personality_pb2.NoteShape(
            note_count=self._n_notes,
            soft_loudness_db=peaks.quantile(_SOFT_SHARE),
            loud_loudness_db=peaks.quantile(_LOUD_SHARE),
            **medians,
        )


def _votes(name: str, shapes: list[NoteShape]) -> ArrayLike:
    """How often each note counts: the slope of a long note tells more than a short one's."""
    if name == "vibrato_depth_cents":
        return [int(shape.vibrato_depth_cents > 0) for shape in shapes]
    if name == "sustain_slope_db_per_s":
        return [round(100 * np.nan_to_num(s.sustain_duration_s)) for s in shapes]
    return 1


def _count(counts: dict[int, int], frame_rate: int, n_frames: int) -> None:
    counts[frame_rate] = counts.get(frame_rate, 0) + n_frames


def _seconds(counts: dict[int, int]) -> float:
    return sum(n / rate for rate, n in sorted(counts.items()))
