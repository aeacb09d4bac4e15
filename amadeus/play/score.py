"""Scores: Standard MIDI Files as notes and controllers in seconds.

Conventions:
  - Times are seconds from the start of the file; channels count from 0 inside (MIDI's channel 10,
    the drums, is 9 here) and from 1 in messages.
  - Tracks are numbered from 1. A file of format 0 has one track; its channels count as tracks.

Reference: Standard MIDI Files 1.0, RP-001.
"""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amadeus.errors import ConfigError, ScoreError
from amadeus.play.midi_file import TimedMessage, load_midi
from amadeus.play.notation import Channel, Note, Score, Steps, score_order
from amadeus.play.reading import Reading

__all__ = [
    "Channel",
    "Note",
    "Score",
    "Steps",
    "Track",
    "list_tracks",
    "read_events",
    "read_score",
]

DRUM_CHANNEL = 9
MAX_DURATION_S = 3600.0
MAX_NOTES = 100_000


class Track(NamedTuple):
    """A track to choose from."""

    number: int  # from 1
    name: str
    note_count: int
    channels: tuple[int, ...]

    @property
    def is_drums(self) -> bool:
        """Whether all its notes are on the drum channel."""
        return self.channels == (DRUM_CHANNEL,)


def list_tracks(path: str | Path) -> list[Track]:
    """Lists the tracks of a MIDI file, silent ones included.

    Raises:
      ScoreError: The file cannot be read as MIDI.
    """
    return _list_tracks(load_midi(path))


def read_score(path: str | Path, *, tracks: Sequence[int | str] | None = None) -> Score:
    """Reads the notes and controllers of a MIDI file.

    Args:
      path: A Standard MIDI File of format 0 or 1.
      tracks: Numbers or names of the tracks to play; by default all that have notes.

    Raises:
      ScoreError: The file cannot be read, has nothing to play, or is too long.
      ConfigError: A chosen track is not there.
    """
    messages = load_midi(path)
    chosen = _choose(_list_tracks(messages), tracks, path)
    wanted = [timed for timed in messages if _is_wanted(timed, chosen)]
    drum_count = sum(map(_is_drum_strike, messages))
    reading = Reading(end_s=messages[-1].time_s if messages else 0.0)
    for timed in wanted:
        reading.take(timed)
    notes = sorted(reading.finish(), key=score_order)
    _check_playable(notes, path, drum_count=drum_count)
    notices = list(reading.notices)
    if drum_count and tracks is None:
        notices.append(
            f"drum notes (channel 10) left out, for a voice has no drums: {drum_count}."
        )
    return Score(tuple(notes), reading.channels(), tuple(notices))


def read_events(
    path: str | Path, *, tracks: Sequence[int | str] | None = None
) -> list[tuple[float, bytes]]:
    """Reads a MIDI file as what would be played into a receiver: seconds and MIDI bytes, in order of time.

    Args:
      path: See `read_score`.
      tracks: See `read_score`.

    Raises:
      ScoreError: See `read_score`.
      ConfigError: A chosen track is not there.
    """
    read_score(path, tracks=tracks)  # refuses what cannot be played
    messages = load_midi(path)
    chosen = _choose(_list_tracks(messages), tracks, path)
    return [
        (timed.time_s, bytes(timed.message.bytes()))
        for timed in messages
        if not timed.message.is_meta and _is_wanted(timed, chosen)
    ]


def _is_wanted(timed: TimedMessage, chosen: set[int]) -> bool:
    message = timed.message
    is_note = message.type in ("note_on", "note_off")
    return not is_note or (timed.track in chosen and message.channel != DRUM_CHANNEL)


def _is_drum_strike(timed: TimedMessage) -> bool:
    message = timed.message
    is_strike = message.type == "note_on" and message.velocity > 0
    return is_strike and message.channel == DRUM_CHANNEL


def _list_tracks(messages: Iterable[TimedMessage]) -> list[Track]:
    names: dict[int, str] = {}
    counts: dict[int, int] = {}
    channels: dict[int, set[int]] = {}
    for timed in messages:
        names.setdefault(timed.track, "")
        message: Any = timed.message
        if message.type == "track_name":
            names[timed.track] = names[timed.track] or _readable(message.name)
        elif message.type == "note_on" and message.velocity:
            counts[timed.track] = counts.get(timed.track, 0) + 1
            channels.setdefault(timed.track, set()).add(message.channel)
    return [
        Track(n, names[n], counts.get(n, 0), tuple(sorted(channels.get(n, ()))))
        for n in sorted(names)
    ]


def _readable(name: str) -> str:
    with contextlib.suppress(UnicodeError):  # the file format names no charset
        name = name.encode("latin-1").decode("utf-8")
    return " ".join(name.replace("\0", " ").split())


def _choose(
    tracks: list[Track], wanted: Sequence[int | str] | None, path: str | Path
) -> set[int]:
    if wanted is None:
        return {track.number for track in tracks}
    chosen = [_find(tracks, one, path) for one in wanted]
    for track in chosen:
        if track.is_drums or not track.note_count:
            what = "only drums" if track.is_drums else "no notes"
            raise ScoreError(
                f"track {_describe(track)} of {path} has {what}: choose one of {_offer(tracks)}."
            )
    return {track.number for track in chosen}


def _find(tracks: list[Track], wanted: int | str, path: str | Path) -> Track:
    text = str(wanted).strip().casefold()
    by_rank = (
        [t for t in tracks if str(t.number) == text],
        [t for t in tracks if t.name.casefold() == text],
        [t for t in tracks if text and text in t.name.casefold()],
    )
    for found in by_rank:
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(
                f"track {wanted!r} of {path} could be {', '.join(map(_describe, found))}: choose by number."
            )
    raise ConfigError(
        f"{path} has no track {wanted!r}: choose one of {_offer(tracks)}."
    )


def _offer(tracks: list[Track]) -> str:
    playable = [t for t in tracks if t.note_count and not t.is_drums]
    return ", ".join(map(_describe, playable)) or "another file, for this one has none"


def _describe(track: Track) -> str:
    return f"{track.number} ({track.name})" if track.name else str(track.number)


def _check_playable(notes: list[Note], path: str | Path, *, drum_count: int) -> None:
    if not notes:
        what = "only drum notes (channel 10)" if drum_count else "no notes"
        raise ScoreError(f"{path} has {what}: give a MIDI file with a melody in it.")
    if len(notes) > MAX_NOTES:
        raise ScoreError(
            f"{path} has {len(notes)} notes and at most {MAX_NOTES} can be played: choose fewer tracks or split it."
        )
    end_s = max(note.end_s for note in notes)
    if end_s > MAX_DURATION_S:
        raise ScoreError(
            f"{path} lasts {end_s / 60:.0f} minutes and at most {MAX_DURATION_S / 60:.0f} can be played: split it, or "
            "check its tempo and its last notes."
        )
