"""Who plays what: the notes of a score, shared out among monophonic lines.

A voice sings one pitch at a time, so a chord takes as many lines as it has notes. A part is what
one track sends on one channel. Note by note, in order of start and from low to high:

  1. a line of the same part that is free takes it: one that just ended before one long silent,
     then the nearest in pitch;
  2. else a new line, while there are fewer than may sound at once;
  3. else a free line of another part;
  4. else the note that would end first is cut short.

A line is free when its note has ended. A short overlap is a slur, not a chord: it frees the line
when it is at most 0.12 s and at most half as long as either note.
"""

from collections.abc import Iterable
from typing import NamedTuple

from amadeus.play.notation import Note, score_order

SLUR_OVERLAP_S = 0.12
LEGATO_GAP_S = 0.02  # notes this close follow each other without a break


class Allocation(NamedTuple):
    """Lines of notes, each in order of start, and how many notes had to give way."""

    lines: list[list[Note]]
    cut_count: int


def allocate_lines(notes: Iterable[Note], *, n_lines_max: int) -> Allocation:
    """Shares notes out among monophonic lines; within a line no two notes sound together."""
    lines: list[list[Note]] = []
    cut_count = 0
    for note in sorted(notes, key=score_order):
        line = _find_line(lines, note, n_lines_max=n_lines_max)
        if line is None:
            cut_count += 1
            line = min(lines, key=lambda taken: taken[-1].end_s)
            if line[-1].start_s >= note.start_s:  # all lines began this very instant
                continue
        if line:
            line[-1] = line[-1]._replace(end_s=min(line[-1].end_s, note.start_s))
        line.append(note)
    return Allocation(lines, cut_count)


def is_same_part(one: Note, other: Note) -> bool:
    """Whether two notes come from the same track and channel."""
    return (one.track, one.channel) == (other.track, other.channel)


def _find_line(
    lines: list[list[Note]], note: Note, *, n_lines_max: int
) -> list[Note] | None:
    free = [line for line in lines if _is_free(line[-1], note)]
    own = [line for line in free if is_same_part(line[-1], note)]
    if own:
        return min(own, key=lambda line: _distance(line[-1], note))
    if len(lines) < n_lines_max:
        lines.append([])
        return lines[-1]
    return min(free, key=lambda line: line[-1].end_s, default=None)


def _is_free(last: Note, note: Note) -> bool:
    if last.start_s >= note.start_s:  # a chord, be its notes of no length
        return False
    overlap_s = last.end_s - note.start_s
    if overlap_s <= 0:
        return True
    shorter_s = min(last.end_s - last.start_s, note.end_s - note.start_s)
    is_slur = (
        overlap_s <= min(SLUR_OVERLAP_S, shorter_s / 2) and last.end_s < note.end_s
    )
    return is_slur and is_same_part(last, note)


def _distance(last: Note, note: Note) -> tuple[bool, int]:
    has_rested = note.start_s - last.end_s > LEGATO_GAP_S
    return has_rested, abs(note.pitch_midi - last.pitch_midi)
