"""Standard MIDI Files as messages in order of time, with seconds instead of ticks.

Chunks that are no tracks are skipped, as RP-001 asks; a RIFF wrapper (.rmi) is taken off.
"""

import io
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amadeus.errors import ScoreError

MAX_FILE_BYTES = 8_000_000
DEFAULT_TEMPO = 500_000  # microseconds per quarter note until the file says otherwise

# What mido raises on bytes that are not what it expects.
_PARSE_ERRORS = (OSError, EOFError, ValueError, LookupError, TypeError, struct.error)


class TimedMessage(NamedTuple):
    """A MIDI or meta message, when it happens and in which track (from 1)."""

    time_s: float
    track: int
    message: Any


def load_midi(path: str | Path) -> list[TimedMessage]:
    """Reads all messages of a MIDI file in order of time.

    In a file of format 0 every channel becomes a track of its own.

    Raises:
      ScoreError: The file cannot be read, is no MIDI file, is damaged, or has format 2.
    """
    midi = _parse(_read_bytes(path), path)
    ticked = _merge(midi.tracks)
    clock = _Clock(midi.ticks_per_beat, ticked)
    times_s = clock.seconds(np.array([tick for tick, _, _ in ticked], np.float64))
    by_channel = midi.type == 0
    messages = [
        TimedMessage(float(time_s), track, message)
        for time_s, (_, track, message) in zip(times_s, ticked, strict=True)
    ]
    return _split_channels(messages) if by_channel else messages


class _Clock:
    """Turns ticks into seconds along the tempo map of a file."""

    def __init__(self, division: int, ticked: list[tuple[int, int, Any]]) -> None:
        if (
            division < 0
        ):  # SMPTE: frames per second, negated, in the high byte; ticks per frame in the low
            frame_rate = 30_000 / 1001 if division >> 8 == -29 else -(division >> 8)
            ticks_per_s = frame_rate * max(division & 0xFF, 1)
            self._ticks, self._per_tick_s = np.zeros(1), np.array([1 / ticks_per_s])
        else:
            tempos = [(0, DEFAULT_TEMPO)]
            tempos += [
                (tick, m.tempo) for tick, _, m in ticked if m.type == "set_tempo"
            ]
            self._ticks = np.array([tick for tick, _ in tempos], np.float64)
            per_beat_s = 1e-6 * np.array([tempo for _, tempo in tempos])
            self._per_tick_s = per_beat_s / division
        spans_s = np.diff(self._ticks) * self._per_tick_s[:-1]
        self._starts_s = np.concatenate([[0.0], np.cumsum(spans_s)])

    def seconds(self, ticks: np.ndarray) -> np.ndarray:
        """Times of `ticks`. Shape of both: [n]."""
        span = np.searchsorted(self._ticks, ticks, side="right") - 1
        return (
            self._starts_s[span] + (ticks - self._ticks[span]) * self._per_tick_s[span]
        )


def _read_bytes(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ScoreError(
            f"cannot read {path}: {error.strerror or error}; check the path and your rights to it."
        ) from error
    if len(content) > MAX_FILE_BYTES:
        raise ScoreError(
            f"{path} is larger than {MAX_FILE_BYTES // 1_000_000} MB, too large for a MIDI score: give a smaller file."
        )
    return content


def _parse(content: bytes, path: str | Path) -> Any:
    import mido  # here, so that the command line can offer help without it
    from mido.midifiles.meta import KeySignatureError  # of no kind but Exception

    if content[:4] == b"RIFF" and content[8:12] == b"RMID":
        content = content[20:]
    if content[:4] != b"MThd":
        what = (
            "is empty"
            if not content
            else "is not a MIDI file (it does not begin with MThd)"
        )
        raise ScoreError(
            f"{path} {what}: give a Standard MIDI File, usually named .mid."
        )
    try:
        midi = mido.MidiFile(file=io.BytesIO(_tracks_only(content, path)), clip=True)
    except (*_PARSE_ERRORS, KeySignatureError) as error:
        reason = str(error) or "it ends in the middle of a message"
        raise ScoreError(f"{path} is damaged ({reason}): export it again.") from error
    if midi.type not in (0, 1):
        raise ScoreError(
            f"{path} is a MIDI file of format {midi.type}, whose tracks are unrelated songs: "
            "export it as format 0 or 1."
        )
    if not midi.ticks_per_beat:
        raise ScoreError(f"{path} is damaged (a beat of 0 ticks): export it again.")
    return midi


def _tracks_only(content: bytes, path: str | Path) -> bytes:
    chunks = []
    position = 0
    while position + 8 <= len(content):
        name, size = struct.unpack_from(">4sL", content, position)
        chunk = content[position : position + 8 + size]
        if name in (b"MThd", b"MTrk"):
            if len(chunk) < 8 + size:
                raise ScoreError(
                    f"{path} is truncated: a chunk promises {size} bytes and {len(chunk) - 8} are there; "
                    "copy or export it again."
                )
            chunks.append(chunk)
        position += 8 + size
    return b"".join(chunks)


def _merge(tracks: list[Any]) -> list[tuple[int, int, Any]]:
    ticked = []
    for number, track in enumerate(tracks, start=1):
        tick = 0
        for message in track:
            tick += message.time
            ticked.append((tick, number, message))
    return sorted(
        ticked, key=lambda entry: entry[0]
    )  # stable: at one tick, track by track


def _split_channels(messages: list[TimedMessage]) -> list[TimedMessage]:
    """Numbers the channels of a format 0 file as tracks, in order of channel."""
    channels = sorted(
        {t.message.channel for t in messages if t.message.type == "note_on"}
    )
    if len(channels) < 2:
        return messages
    numbers = {channel: number for number, channel in enumerate(channels, start=1)}
    return [
        t._replace(track=numbers.get(getattr(t.message, "channel", None), 1))
        for t in messages
        if t.message.type != "track_name"  # it names the file, not a channel
    ]
