"""What a knob does to a voice, measured: a short phrase is played with the knob turned down and up.

The phrase lies in the middle of what the voice learned, low and high, soft and loud, so that the answer is that of the
instrument and not of one note.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from amadeus.feedback.descriptors import Blocks
from amadeus.feedback.steps import WAYS, knob_range, place, value_at, with_values
from amadeus.feedback.takes import listen_to
from amadeus.feedback.traits import TRAITS
from amadeus.play.notation import Note, Score
from amadeus.play.perform import Voice, perform_score
from amadeus.play.style import settle_pitch_range, settle_style
from amadeus.v1 import personality_pb2, profiles_pb2

NOTE_S, REST_S = 1.1, 0.25
MIN_VIBRATO_CENTS = 5.0  # below it there is nothing to scale
NEEDS_BENDING = ("brightness", "noise_gain_db")  # voices of before have no such knobs

_PITCH_SHARES = (0.3, 0.5, 0.7, 0.4)
_VELOCITIES = (60, 100, 80, 110)
_USUAL_RANGE = (55.0, 79.0)
_DEAF_SHARE = 0.15  # of what is audible: a knob that does less does nothing


class Answer(NamedTuple):
    """How a voice answers to a knob.

    Attributes:
      knob: Which.
      sensitivities: Change of each trait for one step of the knob's scale; traits that cannot be told are left out.
    """

    knob: str
    sensitivities: dict[str, float]

    def moves(self, trait: str) -> bool:
        """Whether turning the knob by a stride is heard in a trait."""
        change = self.sensitivities.get(trait, 0.0) * WAYS[self.knob].stride
        return abs(change) >= _DEAF_SHARE * TRAITS[trait].audible


def phrase(statistics: personality_pb2.Statistics) -> Score:
    """A few notes in the middle of what a voice learned."""
    low, high = settle_pitch_range(statistics) or _USUAL_RANGE
    notes = []
    for number, (share, velocity) in enumerate(
        zip(_PITCH_SHARES, _VELOCITIES, strict=True)
    ):
        start_s = number * (NOTE_S + REST_S)
        pitch_midi = round(low + share * (high - low))
        notes.append(Note(start_s, start_s + NOTE_S, pitch_midi, velocity))
    return Score(notes=tuple(notes))


def play(
    voice: Voice, profile: profiles_pb2.PlayerProfile, score: Score | None = None
) -> Blocks:
    """Plays the phrase and describes its notes."""
    score = score or phrase(voice.personality.statistics)
    return listen_to(perform_score(voice, score, player_profile=profile)).blocks


def measure(voice: Voice, profile: profiles_pb2.PlayerProfile, knob: str) -> Answer:
    """Measures how a voice answers to a knob, around where it stands.

    Args:
      voice: Who plays.
      profile: Complete; how it plays now.
      knob: One of `WAYS`.
    """
    if knob in NEEDS_BENDING and not voice.can_bend:
        return Answer(knob, {})
    here = place(knob, knob_value(knob, profile, voice.personality.statistics))
    low, high = knob_range(knob)
    places = [
        min(max(here + way, low), high) for way in (-WAYS[knob].probe, WAYS[knob].probe)
    ]
    span = places[1] - places[0]
    if span <= 0:
        return Answer(knob, {})
    down, up = (
        play(voice, with_values(profile, {knob: value_at(knob, at)})) for at in places
    )
    changes = {name: _change(down.values, up.values, name) for name in TRAITS}
    return Answer(
        knob,
        {name: c / span for name, c in changes.items() if math.isfinite(c)},
    )


def knob_value(
    knob: str,
    profile: profiles_pb2.PlayerProfile,
    statistics: personality_pb2.Statistics,
) -> float:
    """Where a knob stands; a rate of vibrato that is left to the voice is the learned one."""
    if knob == "vibrato_rate_hz":
        return settle_style(statistics, profile).vibrato_rate_hz
    return float(getattr(profile, knob))


def choose_knob(
    trait: str,
    profile: profiles_pb2.PlayerProfile,
    statistics: personality_pb2.Statistics,
) -> str:
    """The knob that turns a trait; empty where none does."""
    knob = TRAITS[trait].knob
    if knob == "vibrato_scale":
        depth_cents = settle_style(statistics, profile).vibrato_depth_cents
        if depth_cents < MIN_VIBRATO_CENTS:
            return "vibrato_depth_cents"
    return knob


def _change(
    down: Mapping[str, np.ndarray], up: Mapping[str, np.ndarray], name: str
) -> float:
    """How a trait changes from one playing of the phrase to another, note by note where they agree."""
    before, after = down[name], up[name]
    if len(before) == len(after):
        both = np.isfinite(before) & np.isfinite(after)
        return float(np.median((after - before)[both])) if both.any() else math.nan
    if not (np.isfinite(before).any() and np.isfinite(after).any()):
        return math.nan
    return float(np.nanmedian(after) - np.nanmedian(before))
