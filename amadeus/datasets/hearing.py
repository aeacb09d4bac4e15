"""Whether a recording of a single note is the note that it is called."""

from typing import Literal, NamedTuple

import numpy as np

from amadeus.features.extract import extract, make_tracker
from amadeus.features.types import PitchTracker
from amadeus.listen.words import note_name
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

SAMPLE_RATE = 16_000  # of the pitch trackers' networks

Status = Literal["right", "wrong", "unsure"]

_WRONG_CENTS = 60.0  # beyond a quarter tone another note is nearer; instruments are tuned within a fifth of that
_STEADY_CENTS = 100.0  # vibrato and attacks stay within it
_MIN_STEADY_SHARE = 0.6  # less is a melody, or noise
_MIN_VOICED_S = 0.1
_LOUD_RANGE_DB = 30.0  # below the loudest frame: what rings on is not judged


class Verdict(NamedTuple):
    """What was heard of a note.

    Attributes:
      status: `unsure` where no pitch is heard that could contradict the name.
      heard_midi: The pitch as a MIDI note with its fraction; None where none is heard.
      cents: How far it lies above the pitch it is called; None where none is heard.
      text: Half a sentence; empty where all is well.
    """

    status: Status
    heard_midi: float | None
    cents: float | None
    text: str


class Listener:
    """Hears pitches; loads its networks once."""

    def __init__(self) -> None:
        self._profile = profiles.complete_learner_profile(
            profiles_pb2.LearnerProfile(sample_rate=SAMPLE_RATE)
        )
        self._tracker: PitchTracker = make_tracker(self._profile)

    def judge(self, audio: np.ndarray, pitch: int) -> Verdict:
        """Holds a note against its name.

        Args:
          audio: At 16 kHz, in [-1, 1]. Shape [n_samples].
          pitch: The MIDI note that it is called.
        """
        midi = self._pitches(audio)
        frame_rate = self._profile.frame_rate
        if len(midi) < _MIN_VOICED_S * frame_rate:
            return Verdict("unsure", None, None, "no pitch is heard")
        heard = float(np.median(midi))
        cents = 100 * (heard - pitch)
        steady = float(np.mean(np.abs(midi - heard) * 100 < _STEADY_CENTS))
        if steady < _MIN_STEADY_SHARE:
            text = f"several notes are heard: {steady:.0%} of it lies around {note_name(heard)}"
            return Verdict("wrong", heard, cents, text)
        if abs(cents) <= _WRONG_CENTS:
            return Verdict("right", heard, cents, "")
        return Verdict("wrong", heard, cents, _say(heard, cents))

    def _pitches(self, audio: np.ndarray) -> np.ndarray:
        """Finds the pitch of the frames that sound and have one, as MIDI notes."""
        if not len(audio):
            return np.zeros(0)
        features = extract(audio, profile=self._profile, tracker=self._tracker)
        loud = features.loudness_db > features.loudness_db.max() - _LOUD_RANGE_DB
        sure = features.f0_confidence >= self._profile.f0_confidence_threshold
        return 69 + 12 * np.log2(features.f0_hz[loud & sure] / 440.0)


def _say(heard: float, cents: float) -> str:
    octaves = round(cents / 1200)
    rest = cents - 1200 * octaves
    where = "above" if cents > 0 else "below"
    if octaves and abs(rest) <= _WRONG_CENTS:
        n = f"{abs(octaves)} octaves" if abs(octaves) > 1 else "an octave"
        return f"{note_name(heard)} is heard, {n} {where}"
    return f"{note_name(heard)} is heard, {abs(cents):.0f} cents {where}"
