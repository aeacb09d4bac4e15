"""Notes that sound, as control frames: those of all performances at once, as arrays.

The live twin of `amadeus.play.controls`: the same styles and shapes, but nothing is known of what comes. So a learned
attack takes its full time however short a note will be, and a slur glides after the key is struck, not around it.

What a note costs is hardly more than what the first costs, if they are asked together. So notes live in a bank that
performances share: each note brings the manner of its own player.

Conventions: times are seconds from the start of a note's performance; a slot is the place of a note in the bank. Shapes
are [n_notes, n_frames] for what changes by frame, [n_notes, 1] for what is a note's own.
"""

from typing import Any, NamedTuple

import numpy as np

from amadeus.live.events import Expression, NoteStarted
from amadeus.play.controls import LEVEL_VARIATION_DB
from amadeus.play.dynamics import peak_db
from amadeus.play.envelope import attacked, release, slurred
from amadeus.play.gestures import brightness, glide, swell_db, vibrato
from amadeus.play.style import Style, settle_pitch_offset
from amadeus.v1 import profiles_pb2

MIN_HZ = 8.0

_START_CAPACITY = 64  # notes; a bank grows as it needs
_N_REST = 2  # silent frames until a voice has fallen silent itself


class Frames(NamedTuple):
    """What voices are told, frame by frame. Float32, each of shape [n_notes, n_frames]."""

    f0_hz: np.ndarray  # negative where unvoiced
    loudness_db: np.ndarray
    harmonic_gain_db: np.ndarray
    noise_gain_db: np.ndarray
    brightness: np.ndarray


class _Manner(NamedTuple):
    """How a note is played: what its style and profile say of it. Numbers, or arrays [n_notes, 1].

    It stands for a `Style` in the functions of `amadeus.play`, which ask for fields by these names.
    """

    attack_s: Any
    attack_scale: Any
    decay_s: Any
    decay_depth_db: Any
    sustain_slope_db_per_s: Any
    sustain_scale: Any
    is_struck: Any
    release_s: Any
    legato_s: Any
    glide_s: Any
    soft_db: Any
    loud_db: Any
    max_db: Any
    silence_db: Any
    pressure_scale: Any
    brightness: Any
    timbre_scale: Any
    vibrato_rate_hz: Any
    vibrato_depth_cents: Any
    vibrato_delay_s: Any
    vibrato_scale: Any
    modulation_depth_cents: Any
    loudness_offset_db: Any
    pitch_offset: Any
    a4_hz: Any
    harmonic_gain_db: Any
    noise_gain_db: Any
    max_hz: Any


class _Note(NamedTuple):
    """Where a note stands. Numbers, or arrays [n_notes, 1]."""

    key: Any
    onset_s: Any
    end_s: Any  # infinite while it is held
    peak_db: Any
    depth_db: Any  # of its attack
    from_db: Any  # of a slur; NaN without
    from_key: Any
    is_cut: Any  # 1: to fall silent at once
    rate_variation: Any
    depth_variation: Any
    bend: Any  # semitones
    pressure: Any  # in [0, 1]
    timbre: Any  # in [-1, 1]
    wheel: Any  # in [0, 1]
    controllers_db: Any


class NoteBank:
    """Notes of any number of performances. Not for several threads at once."""

    def __init__(self) -> None:
        self._notes = np.zeros((0, len(_Note._fields)))
        self._manners = np.zeros((0, len(_Manner._fields)))
        self._n_silent = np.zeros(0, int)  # frames since a note that ended fell silent
        self._level_db = np.zeros(0)  # where it stood last
        self._free: list[int] = []

    def take(self) -> int:
        """Finds a slot for a note."""
        if not self._free:
            self._grow()
        return self._free.pop()

    def free(self, slot: int) -> None:
        """Gives a slot to others."""
        self._free.append(slot)

    def is_over(self, slot: int) -> bool:
        """Whether a note has ended and its voice is silent."""
        return bool(self._n_silent[slot] >= _N_REST)

    def begin(self, slot: int, note: _Note, manner: _Manner) -> None:
        """Puts a note into its slot."""
        self._notes[slot], self._manners[slot] = note, manner
        self._n_silent[slot], self._level_db[slot] = 0, -np.inf

    def read(self, slot: int, name: str) -> float:
        """Tells one thing about a note, by the name of `_Note`'s field."""
        return float(self._notes[slot, _Note._fields.index(name)])

    def write(self, slot: int, **values: float) -> None:
        """Changes things about a note, by the names of `_Note`'s fields."""
        for name, value in values.items():
            self._notes[slot, _Note._fields.index(name)] = value

    def set_manner(self, slot: int, manner: _Manner) -> None:
        """Lets a note be played otherwise from now on."""
        self._manners[slot] = manner

    def level_db(self, slot: int) -> float:
        """Loudness a note was last played at."""
        return float(self._level_db[slot])

    def stand(self, slot: int, time_s: float) -> tuple[float, float]:
        """Says which pitch, in MIDI note numbers without ornaments, and which level of its own a note has."""
        slots, times_s = np.array([slot]), np.array([[time_s]])
        note, manner = self._look_up(slots)
        pitch_midi = _pitch(note, manner, times_s)
        return float(pitch_midi[0, 0]), float(_own_level(note, manner, times_s)[0, 0])

    def frames(self, slots: np.ndarray, times_s: np.ndarray) -> Frames:
        """Says what sounds at `times_s`, and notes which notes have become silent.

        Args:
          slots: Which notes. Shape [n_notes].
          times_s: Not before those asked for last. Shape [n_notes, n_frames].
        """
        note, manner = self._look_up(slots)
        level_db = _level(note, manner, times_s) + manner.loudness_offset_db
        silent = (level_db <= manner.silence_db) | (note.is_cut > 0)
        level_db = np.where(silent, manner.silence_db, level_db)
        self._level_db[slots] = level_db[:, -1]
        self._count_silent(slots, note, silent)
        pitch_midi = _pitch(note, manner, times_s) + _ornament(note, manner, times_s)
        f0_hz = manner.a4_hz * np.exp2((pitch_midi - 69 + manner.pitch_offset) / 12)
        f0_hz = np.minimum(np.maximum(f0_hz, MIN_HZ), manner.max_hz)
        own = (
            manner.harmonic_gain_db,
            manner.noise_gain_db,
            brightness(note.timbre, manner),
        )
        told = (np.where(silent, -f0_hz, f0_hz), level_db, *own)
        frames = np.empty((len(told), *times_s.shape), np.float32)
        for curve, values in zip(frames, told, strict=True):
            curve[:] = values
        return Frames(*frames)

    def _look_up(self, slots: np.ndarray) -> tuple[_Note, Any]:
        notes, manners = self._notes[slots].T[..., None], self._manners[slots].T
        return _Note(*notes), _Manner(*manners[..., None])

    def _count_silent(self, slots: np.ndarray, note: _Note, silent: np.ndarray) -> None:
        done = ((note.end_s < np.inf) | (note.is_cut > 0))[:, 0]
        if not done.any():
            return
        n_frames = silent.shape[1]
        after = np.argmin(silent[:, ::-1], axis=1)  # silent frames at the end
        n_silent = np.where(silent.all(axis=1), self._n_silent[slots] + n_frames, after)
        self._n_silent[slots] = np.where(done, n_silent, 0)  # a held rest is no end

    def _grow(self) -> None:
        n_old = len(self._notes)
        n_new = max(_START_CAPACITY, n_old)
        self._notes = np.pad(self._notes, [(0, n_new), (0, 0)])
        self._manners = np.pad(self._manners, [(0, n_new), (0, 0)])
        self._n_silent = np.pad(self._n_silent, (0, n_new))
        self._level_db = np.pad(self._level_db, (0, n_new))
        self._free.extend(range(n_old + n_new - 1, n_old - 1, -1))


class Notes:
    """The notes of one personality in one performance."""

    def __init__(
        self,
        bank: NoteBank,
        style: Style,
        profile: profiles_pb2.PlayerProfile,
        *,
        seed: int,
        max_hz: float,
    ) -> None:
        """Begins without notes.

        Args:
          bank: Where they live.
          style: Of the personality.
          profile: Complete.
          seed: Of the small differences between notes.
          max_hz: Highest pitch the voice can be asked for.
        """
        self.source = bank
        self._seed, self._max_hz = seed, max_hz
        self._slots: set[int] = set()
        self.retune(style, profile)

    def retune(self, style: Style, profile: profiles_pb2.PlayerProfile) -> None:
        """Turns the knobs, for notes that sound as well."""
        self.style = style
        told = {
            "is_struck": float(style.is_struck),
            "glide_s": max(style.portamento_s or style.legato_s, 1e-3),
            "loudness_offset_db": profile.loudness_offset_db,
            "pitch_offset": settle_pitch_offset(profile),
            "a4_hz": profile.a4_hz,
            "harmonic_gain_db": profile.harmonic_gain_db,
            "noise_gain_db": profile.noise_gain_db,
            "max_hz": self._max_hz,
        }
        self._manner = _Manner(
            *(told.get(name, getattr(style, name, None)) for name in _Manner._fields)
        )
        for slot in self._slots:
            self.source.set_manner(slot, self._manner)

    def start(self, event: NoteStarted, time_s: float) -> int:
        """Begins a note and returns its slot."""
        slot = self.source.take()
        self._slots.add(slot)
        varied = np.random.default_rng([self._seed, event.note_id]).uniform(-1, 1, 3)
        peak = peak_db(event.velocity, self.style) + LEVEL_VARIATION_DB * varied[0]
        note = _Note(
            key=event.key,
            onset_s=time_s,
            end_s=np.inf,
            peak_db=float(peak),
            depth_db=self.style.attack_depth_db,
            from_db=np.nan,
            from_key=np.nan,
            is_cut=0.0,
            rate_variation=varied[1],
            depth_variation=varied[2],
            **_shape(event.expression),
        )
        self.source.begin(slot, note, self._manner)
        return slot

    def slur(self, slot: int, event: NoteStarted, time_s: float) -> None:
        """Lets a voice that sounds go over to another note, without a new attack."""
        from_key, from_db = self.source.stand(slot, time_s)
        self.source.write(
            slot,
            key=event.key,
            onset_s=time_s,
            end_s=np.inf,
            peak_db=float(peak_db(event.velocity, self.style)),
            from_key=from_key,
            from_db=from_db,
            **_shape(event.expression),
        )

    def change(self, slot: int, expression: Expression) -> None:
        """Takes over what shapes a note from now on."""
        self.source.write(slot, **_shape(expression))

    def end(self, slot: int, time_s: float) -> None:
        """Lets a note fade as it was learned."""
        ended_s = min(self.source.read(slot, "end_s"), time_s)
        self.source.write(slot, end_s=ended_s)

    def cut(self, slot: int) -> None:
        """Lets a note fall silent within the next frame."""
        self.source.write(slot, is_cut=1.0)

    def is_over(self, slot: int) -> bool:
        """Whether a note has ended and its voice is silent."""
        return self.source.is_over(slot)

    def free(self, slot: int) -> None:
        """Gives the slot of a note that is over to another."""
        self._slots.discard(slot)
        self.source.free(slot)

    def is_released(self, slot: int) -> bool:
        """Whether a note fades."""
        return self.source.read(slot, "end_s") < np.inf

    def is_cut(self, slot: int) -> bool:
        """Whether a note falls silent at once."""
        return self.source.read(slot, "is_cut") > 0

    def level_db(self, slot: int) -> float:
        """Loudness a note was last played at."""
        return self.source.level_db(slot)

    def onset_s(self, slot: int) -> float:
        """When a note began."""
        return self.source.read(slot, "onset_s")


def _shape(expression: Expression) -> dict[str, float]:
    return {
        "bend": expression.bend_semitones,
        "pressure": expression.pressure_unit,
        "timbre": expression.timbre_unit,
        "wheel": expression.modulation_unit,
        "controllers_db": expression.volume_db + expression.expression_db,
    }


def _level(note: _Note, manner: Any, times_s: np.ndarray) -> np.ndarray:
    level_db = _own_level(note, manner, times_s) + note.controllers_db
    level_db = np.minimum(level_db + swell_db(note.pressure, manner), manner.max_db)
    return level_db - release(times_s - note.end_s, manner)


def _own_level(note: _Note, manner: Any, times_s: np.ndarray) -> np.ndarray:
    """Attack, decay and sustain; of a slurred note the way over instead."""
    ages_s = np.minimum(times_s, note.end_s) - note.onset_s
    struck_db = attacked(ages_s, note.peak_db, note.depth_db, manner)
    is_struck_anew = np.isnan(note.from_db)
    if is_struck_anew.all():
        return struck_db
    slurred_db = slurred(ages_s, note.peak_db, note.from_db, manner)
    return np.where(is_struck_anew, struck_db, slurred_db)


def _pitch(note: _Note, manner: Any, times_s: np.ndarray) -> np.ndarray:
    """As written, glides included."""
    is_struck_anew = np.isnan(note.from_key)
    if is_struck_anew.all():
        return np.broadcast_to(note.key, times_s.shape)
    ages_s = times_s - note.onset_s
    gliding = glide(ages_s, note.from_key, note.key, manner.glide_s)
    return np.where(is_struck_anew, note.key, gliding)


def _ornament(note: _Note, manner: Any, times_s: np.ndarray) -> np.ndarray:
    """Bend and vibrato in semitones."""
    if not (manner.vibrato_depth_cents.any() or note.wheel.any()):
        return note.bend
    variation = np.stack([note.rate_variation, note.depth_variation])
    ages_s = times_s - note.onset_s
    return note.bend + vibrato(ages_s, note.wheel, manner, variation)
