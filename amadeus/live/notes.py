"""Notes that sound, as control frames: all of them at once, as arrays.

The live twin of `amadeus.play.controls`: the same style and shapes, but nothing is known of what comes. So a learned
attack takes its full time however short a note will be, and a slur glides after the key is struck, not around it.

Conventions: times are seconds from the start of the performance; a slot is the place of a note in the arrays. Shapes
are [n_notes, n_frames] for what changes by frame, [n_notes, 1] for what is a note's own.
"""

from typing import NamedTuple

import numpy as np

from amadeus.live.events import Expression, NoteStarted
from amadeus.play.controls import LEVEL_VARIATION_DB
from amadeus.play.dynamics import peak_db
from amadeus.play.envelope import attacked, release, slurred
from amadeus.play.gestures import brightness, glide, swell_db, vibrato
from amadeus.play.style import Style, settle_pitch_offset
from amadeus.v1 import profiles_pb2

MIN_HZ = 8.0
CAPACITY = 128  # slots: notes that sound and notes that fall silent

_N_REST = 2  # silent frames until a voice has fallen silent itself


class Frames(NamedTuple):
    """What voices are told, frame by frame. Float32, each of shape [n_notes, n_frames]."""

    f0_hz: np.ndarray  # negative where unvoiced
    loudness_db: np.ndarray
    harmonic_gain_db: np.ndarray
    noise_gain_db: np.ndarray
    brightness: np.ndarray


class Notes:
    """The notes of one personality."""

    def __init__(
        self,
        style: Style,
        profile: profiles_pb2.PlayerProfile,
        *,
        seed: int,
        max_hz: float,
    ) -> None:
        """Begins without notes.

        Args:
          style: Of the personality.
          profile: Complete.
          seed: Of the small differences between notes.
          max_hz: Highest pitch the voice can be asked for.
        """
        self._seed, self._max_hz = seed, max_hz
        self.retune(style, profile)
        self._free = list(range(CAPACITY - 1, -1, -1))

        def column(value: float = 0.0) -> np.ndarray:
            return np.full((CAPACITY, 1), value)

        self._key, self._onset_s, self._end_s = column(), column(), column(np.inf)
        self._peak_db, self._depth_db = column(), column()
        self._from_db, self._from_key = column(np.nan), column(np.nan)  # of a slur
        self._variation = np.zeros((2, CAPACITY, 1))
        self._bend, self._swell = column(), column()  # semitones, pressure in [0, 1]
        self._timbre, self._wheel, self._controllers_db = column(), column(), column()
        self._is_cut = np.zeros((CAPACITY, 1), bool)
        self._n_silent = np.zeros(CAPACITY, int)
        self._level_db = np.full(CAPACITY, -np.inf)  # where it stood last

    def retune(self, style: Style, profile: profiles_pb2.PlayerProfile) -> None:
        """Turns the knobs, for notes that sound as well."""
        self.style, self.profile = style, profile

    def start(self, note: NoteStarted, time_s: float) -> int:
        """Begins a note and returns its slot."""
        slot = self._free.pop()
        variation = np.random.default_rng([self._seed, note.note_id]).uniform(-1, 1, 3)
        self._variation[:, slot, 0] = variation[1:]
        self._begin(slot, note, time_s, LEVEL_VARIATION_DB * variation[0])
        self._depth_db[slot] = self.style.attack_depth_db
        self._from_db[slot] = self._from_key[slot] = np.nan
        self._is_cut[slot] = False
        self._level_db[slot] = -np.inf
        return slot

    def slur(self, slot: int, note: NoteStarted, time_s: float) -> None:
        """Lets a voice that sounds go over to another note, without a new attack."""
        here = np.array([slot]), np.array([[time_s]])
        from_key, from_db = self._pitch(*here)[0], self._own_level(*here)[0]
        self._begin(slot, note, time_s, 0.0)
        self._from_key[slot], self._from_db[slot] = from_key, from_db

    def _begin(
        self, slot: int, note: NoteStarted, time_s: float, variation_db: float
    ) -> None:
        self._key[slot], self._onset_s[slot] = note.key, time_s
        self._end_s[slot] = np.inf
        self._peak_db[slot] = peak_db(note.velocity, self.style) + variation_db
        self._n_silent[slot] = 0
        self.change(slot, note.expression)

    def change(self, slot: int, expression: Expression) -> None:
        """Takes over what shapes a note from now on."""
        self._bend[slot] = expression.bend_semitones
        self._swell[slot] = expression.pressure_unit
        self._timbre[slot] = expression.timbre_unit
        self._wheel[slot] = expression.modulation_unit
        self._controllers_db[slot] = expression.volume_db + expression.expression_db

    def end(self, slot: int, time_s: float) -> None:
        """Lets a note fade as it was learned."""
        self._end_s[slot] = min(self._end_s[slot, 0], time_s)

    def cut(self, slot: int) -> None:
        """Lets a note fall silent within the next frame."""
        self._is_cut[slot] = True

    def is_over(self, slot: int) -> bool:
        """Whether a note has ended and its voice is silent."""
        return bool(self._n_silent[slot] >= _N_REST)

    def free(self, slot: int) -> None:
        """Gives the slot of a note that is over to another."""
        self._free.append(slot)

    def is_released(self, slot: int) -> bool:
        """Whether a note fades."""
        return bool(self._end_s[slot, 0] < np.inf)

    def is_cut(self, slot: int) -> bool:
        """Whether a note falls silent at once."""
        return bool(self._is_cut[slot, 0])

    def level_db(self, slot: int) -> float:
        """Loudness a note was last played at."""
        return float(self._level_db[slot])

    def onset_s(self, slot: int) -> float:
        """When a note began."""
        return float(self._onset_s[slot, 0])

    def frames(self, slots: np.ndarray, times_s: np.ndarray) -> Frames:
        """Says what sounds at `times_s`, and notes which notes have become silent.

        Args:
          slots: Which notes. Shape [n_notes].
          times_s: Not before those asked for last. Shape [n_notes, n_frames].
        """
        style, profile = self.style, self.profile
        silence_db = np.float32(style.silence_db)
        level_db = self._level(slots, times_s) + profile.loudness_offset_db
        level_db = np.maximum(level_db.astype(np.float32), silence_db)
        level_db[self._is_cut[slots, 0]] = silence_db
        voiced = level_db > silence_db
        self._level_db[slots] = level_db[:, -1]
        self._count_silent(slots, voiced)
        pitch_midi = self._pitch(slots, times_s) + self._ornament(slots, times_s)
        semitones = pitch_midi - 69 + settle_pitch_offset(profile)
        f0_hz = profile.a4_hz * np.exp2(semitones / 12)
        f0_hz = np.clip(f0_hz, MIN_HZ, self._max_hz).astype(np.float32)
        tilt = brightness(self._timbre[slots], style).astype(np.float32)
        return Frames(
            np.where(voiced, f0_hz, -f0_hz),
            level_db,
            np.full_like(f0_hz, profile.harmonic_gain_db),
            np.full_like(f0_hz, profile.noise_gain_db),
            np.broadcast_to(tilt, f0_hz.shape),
        )

    def _count_silent(self, slots: np.ndarray, voiced: np.ndarray) -> None:
        done = (self._end_s[slots, 0] < np.inf) | self._is_cut[slots, 0]
        if not done.any():
            return
        n_after = np.argmax(voiced[:, ::-1], axis=1)  # silent frames at the end
        none = ~voiced.any(axis=1)
        n_silent = np.where(none, self._n_silent[slots] + voiced.shape[1], n_after)
        self._n_silent[slots] = np.where(done, n_silent, 0)  # a held rest is no end

    def _level(self, slots: np.ndarray, times_s: np.ndarray) -> np.ndarray:
        level_db = self._own_level(slots, times_s) + self._controllers_db[slots]
        level_db += swell_db(self._swell[slots], self.style)
        level_db = np.minimum(level_db, self.style.max_db)
        return level_db - release(times_s - self._end_s[slots], self.style)

    def _own_level(self, slots: np.ndarray, times_s: np.ndarray) -> np.ndarray:
        """Attack, decay and sustain; of a slurred note the way over instead."""
        ages_s = np.minimum(times_s, self._end_s[slots]) - self._onset_s[slots]
        peak_db, from_db = self._peak_db[slots], self._from_db[slots]
        struck_db = attacked(ages_s, peak_db, self._depth_db[slots], self.style)
        if np.isnan(from_db).all():
            return struck_db
        slurred_db = slurred(ages_s, peak_db, from_db, self.style)
        return np.where(np.isnan(from_db), struck_db, slurred_db)

    def _pitch(self, slots: np.ndarray, times_s: np.ndarray) -> np.ndarray:
        """As written, glides included."""
        key, from_key = self._key[slots], self._from_key[slots]
        if np.isnan(from_key).all():
            return np.broadcast_to(key, times_s.shape)
        ages_s = times_s - self._onset_s[slots]
        gliding = glide(ages_s, from_key, key, self._glide_s())
        return np.where(np.isnan(from_key), key, gliding)

    def _glide_s(self) -> float:
        return self.style.portamento_s or self.style.legato_s

    def _ornament(self, slots: np.ndarray, times_s: np.ndarray) -> np.ndarray:
        """Bend and vibrato in semitones."""
        wheel = self._wheel[slots]
        if not (self.style.vibrato_depth_cents or wheel.any()):
            return self._bend[slots]
        ages_s, variation = times_s - self._onset_s[slots], self._variation[:, slots]
        return self._bend[slots] + vibrato(ages_s, wheel, self.style, variation)
