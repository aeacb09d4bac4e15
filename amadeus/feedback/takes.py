"""A take that is judged: its sound, its notes, and what is known of how it was played."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import RecordingError
from amadeus.feedback.descriptors import Blocks, Pitch, describe
from amadeus.personality import profiles
from amadeus.play.notation import Controls
from amadeus.play.perform import Performance
from amadeus.play.record import Record, read_record
from amadeus.v1 import personality_pb2, profiles_pb2

MAX_DURATION_S = 1800.0

_ALONE_DB = (
    20.0  # by so much the other notes must be softer, or none of them can be told
)
_SILENCE_PEAK = 1e-4  # -80 dBFS


class Take(NamedTuple):
    """A take, listened to.

    Attributes:
      name: What to call it.
      digest: SHA-256 of the file, hexadecimal.
      audio: Mono, at the rate of the voice. Shape [n_samples].
      spec: The clock of `audio` and `pitch`.
      blocks: Its notes and what they are like.
      record: What it says of itself; None where it says nothing.
    """

    name: str
    digest: str
    audio: np.ndarray
    spec: AudioSpec
    blocks: Blocks
    record: Record | None

    @property
    def duration_s(self) -> float:
        """Its length."""
        return len(self.audio) / self.spec.sample_rate

    @property
    def player_profile(self) -> profiles_pb2.PlayerProfile | None:
        """How it was played, where that is known."""
        return self.record.player_profile if self.record else None


def read_take(
    path: Path, personality: personality_pb2.Personality, *, name: str = ""
) -> Take:
    """Reads a take and listens to it.

    What was played exactly is taken from the take itself; where it does not say, its pitch is found as a practice
    finds that of recordings.

    Args:
      path: A sound file.
      personality: Whose clock and pitch tracker are used.
      name: What to call it; empty: by its file name.

    Raises:
      RecordingError: It cannot be read, is silent, too long, or says of itself what cannot be.
    """
    from amadeus.audio.decode import probe, read

    record = read_record(path)
    duration_s = probe(path).duration_s
    if duration_s is not None and duration_s > MAX_DURATION_S:
        raise RecordingError(
            f"{path} lasts {duration_s / 60:.0f} minutes and at most {MAX_DURATION_S / 60:g} can be judged at once: "
            "cut out the part that matters."
        )
    learner_profile = profiles.complete_learner_profile(personality.learner_profile)
    spec = profiles.spec(learner_profile)
    audio = read(path, sample_rate=spec.sample_rate)
    if np.abs(audio).max(initial=0.0) < _SILENCE_PEAK:
        raise RecordingError(
            f"{path} is silent: nothing can be concluded from it; perform again, and mark what sounds."
        )
    if record is not None and record.gain_db:
        audio = audio * np.float32(10 ** (-record.gain_db / 20))
    pitch = (
        pitch_of_lines(record.lines, record.spec, spec.n_frames(len(audio)), spec)
        if record is not None and record.lines
        else _track(audio, learner_profile)
    )
    return Take(
        name=name or path.name,
        digest=_digest(path),
        audio=audio,
        spec=spec,
        blocks=describe(audio, pitch, spec=spec),
        record=record,
    )


def listen_to(performance: Performance, name: str = "") -> Take:
    """Listens to a performance that never was a file; it must have its record."""
    audio, sample_rate, _, record = performance
    if record is None:
        raise ValueError("a performance without a record is a file: use read_take.")
    spec = record.spec
    if sample_rate != spec.sample_rate:
        raise ValueError(f"it plays at {sample_rate} Hz and its controls at another.")
    audio = audio * np.float32(10 ** (-record.gain_db / 20))
    pitch = pitch_of_lines(record.lines, spec, spec.n_frames(len(audio)), spec)
    digest = hashlib.sha256(audio.tobytes()).hexdigest()
    return Take(name, digest, audio, spec, describe(audio, pitch, spec=spec), record)


def pitch_of_lines(
    lines: Sequence[Controls],
    clock: AudioSpec,
    n_frames: int,
    spec: AudioSpec,
) -> Pitch:
    """Joins the lines of a performance: the pitch of the loudest, sure where it is alone.

    Args:
      lines: At least one; control i is reached at the end of block i.
      clock: Of the lines.
      n_frames: Frames wanted, centred on hops.
      spec: The clock wanted.
    """
    n_controls = max(len(line.f0_hz) for line in lines)
    f0_hz = np.full([len(lines), n_controls], -440.0)
    loudness_db = np.full([len(lines), n_controls], -120.0)
    for row, line in enumerate(lines):
        f0_hz[row, : len(line.f0_hz)] = line.f0_hz
        loudness_db[row, : len(line.f0_hz)] = line.loudness_db
    loudness_db = np.where(f0_hz > 0, loudness_db, -120.0)
    columns = np.arange(n_controls)
    first = loudness_db.argmax(axis=0)
    ranked = np.sort(np.vstack([loudness_db, np.full(n_controls, -120.0)]), axis=0)
    is_alone = (f0_hz[first, columns] > 0) & (ranked[-1] - ranked[-2] >= _ALONE_DB)
    pitch_hz = np.abs(f0_hz[first, columns])
    # Frame j of the sound is where control j - 1 is reached.
    times = np.arange(n_frames) / spec.frame_rate * clock.frame_rate - 1
    nearest = np.clip(np.rint(times).astype(int), 0, n_controls - 1)
    inside = times <= n_controls - 0.5
    smooth_hz = np.interp(times, columns, pitch_hz)
    is_near = np.abs(smooth_hz / pitch_hz[nearest] - 1) < 0.03  # not across a leap
    return Pitch(
        np.where(is_near, smooth_hz, pitch_hz[nearest]), is_alone[nearest] & inside
    )


def _track(audio: np.ndarray, profile: profiles_pb2.LearnerProfile) -> Pitch:
    from amadeus.features.extract import extract
    from amadeus.features.voicing import voiced_mask

    features = extract(audio.astype(np.float32), profile=profile)
    is_voiced = voiced_mask(features, threshold=profile.f0_confidence_threshold)
    return Pitch(features.f0_hz.astype(np.float64), is_voiced)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
