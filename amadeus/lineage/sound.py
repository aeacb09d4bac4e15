"""The phrase that every generation plays, so that they can be compared by ear."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amadeus.audio.write import encode_mp3
from amadeus.play.notation import Note, Score
from amadeus.v1 import personality_pb2

# semitones above the tonic, start and end in seconds, velocity: soft, a rise, a long loud note, a soft end
_PHRASE = (
    (0, 0.0, 0.5, 60),
    (4, 0.5, 0.9, 75),
    (7, 0.9, 1.3, 90),
    (12, 1.3, 2.5, 112),
    (7, 2.6, 3.4, 50),
)
_DEFAULT_MIDI = 60
_MIDDLE_BELOW = 5  # semitones from the tonic to the middle of the phrase
_LOW_MIDI, _HIGH_MIDI = 24, 96


def choose_phrase(statistics: personality_pb2.Statistics) -> Score:
    """Writes the phrase in the middle of what a voice has learned."""
    pitches = list(statistics.pitch_quantiles_midi)
    middle = pitches[len(pitches) // 2] if pitches else _DEFAULT_MIDI + _MIDDLE_BELOW
    tonic = int(np.clip(round(middle) - _MIDDLE_BELOW, _LOW_MIDI, _HIGH_MIDI))
    return write_phrase(tonic)


def write_phrase(tonic_midi: int) -> Score:
    """Writes the phrase on a tonic."""
    return Score(
        tuple(
            Note(start_s, end_s, tonic_midi + semitones, velocity)
            for semitones, start_s, end_s, velocity in _PHRASE
        )
    )


def say_phrase(score: Score) -> str:
    """Names the notes of a phrase."""
    from amadeus.listen.text import note_name

    return " ".join(note_name(note.pitch_midi) for note in score.notes)


def render_phrase(voice_path: Path, score: Score) -> str:
    """Has a voice play a phrase, as a data URI to listen to.

    Raises:
      VoiceError: The voice is damaged.
    """
    from amadeus.play.perform import perform_score
    from amadeus.voice.player import Voice  # TensorFlow

    performance = perform_score(Voice.load(voice_path), score)
    return encode(performance.audio, performance.sample_rate)


def encode(audio: Sequence[float] | np.ndarray, sample_rate: int) -> str:
    """Makes a data URI of sound."""
    mp3 = encode_mp3(np.asarray(audio), sample_rate=sample_rate)
    return "data:audio/mpeg;base64," + base64.b64encode(mp3).decode()
