"""One note at a time: which of the keys that are held sounds.

While keys of a part overlap, one of them leads: the one pressed last, the lowest or the highest. When the
lead passes from key to key the line sings on without a new attack, and so it does when a key is let go
while others are still held. A part is what one track sends on one channel.
"""

import heapq
from collections.abc import Iterable, Sequence
from itertools import groupby

from amadeus.play.notation import Note, score_order
from amadeus.v1 import profiles_pb2

_SHORTEST_S = 1e-3  # a note of no length takes its turn all the same

Rank = tuple[float, int]


def lead_rank(pitch_midi: float, order: int, priority: int) -> Rank:
    """Ranks a held key: the least of all leads.

    Args:
      pitch_midi: Its pitch.
      order: How many keys were pressed before it.
      priority: A `NotePriority`; unspecified is last.
    """
    heights: dict[int, float] = {
        profiles_pb2.NOTE_PRIORITY_LOW: pitch_midi,
        profiles_pb2.NOTE_PRIORITY_HIGH: -pitch_midi,
    }
    return heights.get(priority, 0.0), -order


def sing_in_turn(notes: Iterable[Note], *, priority: int) -> list[Note]:
    """Makes one melody of each part, in order of start.

    Args:
      notes: In any order.
      priority: A `NotePriority`.
    """
    by_part = sorted(notes, key=lambda note: (_part(note), score_order(note)))
    melodies = [_sing(list(part), priority) for _, part in groupby(by_part, _part)]
    return sorted((note for notes in melodies for note in notes), key=score_order)


def _sing(notes: Sequence[Note], priority: int) -> list[Note]:
    """The melody of one part, whose notes come in order of start."""
    ends_s = [max(note.end_s, note.start_s + _SHORTEST_S) for note in notes]
    held: list[tuple[Rank, int]] = []  # a heap; keys let go leave it when they come up
    melody: list[Note] = []
    leader, coming = None, 0
    for time_s in sorted({*ends_s, *(note.start_s for note in notes)}):
        _let_go(held, ends_s, time_s)
        is_legato = bool(held)
        while coming < len(notes) and notes[coming].start_s <= time_s:
            rank = lead_rank(notes[coming].pitch_midi, coming, priority)
            heapq.heappush(held, (rank, coming))
            coming += 1
        before, leader = leader, held[0][1] if held else None
        if leader == before:
            continue
        if before is not None:
            melody[-1] = melody[-1]._replace(end_s=time_s)
        if leader is not None:
            melody.append(notes[leader]._replace(start_s=time_s, is_legato=is_legato))
    return melody


def _let_go(
    held: list[tuple[Rank, int]], ends_s: Sequence[float], time_s: float
) -> None:
    while held and ends_s[held[0][1]] <= time_s:
        heapq.heappop(held)


def _part(note: Note) -> tuple[int, int]:
    return note.track, note.channel
