"""Lets performances make sound side by side: what they ask of the same is asked once.

A performance is a generator that yields what it wants and is sent the answer (amadeus.live.bus). Here those of a round
go on in step: their questions, frames and strips are put together, asked as one, and the answers handed back.
"""

from collections.abc import Generator, Hashable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from amadeus.live.bus import Answer, Question, Request, Sung, Wish
from amadeus.live.notes import Frames
from amadeus.live.strip import Fed, feed_together

Making = Generator[Wish, Answer, np.ndarray | None]
WhoT = TypeVar("WhoT")


def perform_together(
    work: Sequence[tuple[WhoT, Making]],
) -> list[tuple[WhoT, np.ndarray | Exception | None]]:
    """Goes on with several performances until each has made what it makes.

    Args:
      work: Whose it is, and what is to be done.

    Returns:
      What each has made, None if it only sang, or why it could not: nobody's fault is another's silence.
    """
    done: list[tuple[WhoT, np.ndarray | Exception | None]] = []
    waiting: list[_Waiting[WhoT]] = []

    def advance(who: WhoT, making: Making, answer: Answer | None) -> None:
        try:
            wish = next(making) if answer is None else making.send(answer)
            waiting.append(_Waiting(who, making, wish))
        except StopIteration as end:
            done.append((who, end.value))
        except Exception as error:
            done.append((who, error))

    for who, making in work:
        advance(who, making, None)
    while waiting:
        asked, waiting = waiting, []
        for group in _group(asked):
            answers = _answer_together([entry.wish for entry in group])
            for (who, making, _), answer in zip(group, answers, strict=True):
                if isinstance(answer, Exception):
                    making.close()
                    done.append((who, answer))
                else:
                    advance(who, making, answer)
    return done


class _Waiting(NamedTuple, Generic[WhoT]):
    """A performance that waits for an answer."""

    who: WhoT
    making: Making
    wish: Wish


def _group(asked: Sequence[_Waiting[WhoT]]) -> Iterable[list[_Waiting[WhoT]]]:
    """Puts together what may be asked as one."""
    groups: dict[tuple[Hashable, int], list[_Waiting[WhoT]]] = {}
    for entry in asked:
        wish = entry.wish
        if isinstance(wish, Question):
            key: tuple[Hashable, int] = id(wish.source), wish.times_s.shape[1]
        elif isinstance(wish, Fed):
            key = Fed, 0
        else:
            key = wish.singer.identity, wish.frames.f0_hz.shape[1]
        groups.setdefault(key, []).append(entry)
    return groups.values()


def _answer_together(wishes: Sequence[Wish]) -> list[Answer | Exception]:
    fed = [wish for wish in wishes if isinstance(wish, Fed)]
    if fed:
        return _feed_together(fed)
    asked = [wish for wish in wishes if not isinstance(wish, Fed)]
    if len(asked) == 1:
        return [_answer(asked[0])]
    rows = [wish[1] if isinstance(wish, Question) else wish.state for wish in asked]
    ends = np.cumsum([len(row) for row in rows])[:-1]
    together = _answer(_join(asked))
    if isinstance(together, Exception):  # find out whose it is
        return [_answer(wish) for wish in asked]
    parts = zip(*(np.split(curve, ends) for curve in together), strict=True)
    return [type(together)(*part) for part in parts]


def _feed_together(fed: Sequence[Fed]) -> list[Answer | Exception]:
    try:
        return list(feed_together(fed))
    except Exception as error:
        return [error] * len(fed)


def _join(wishes: Sequence[Any]) -> Question | Request:
    first = wishes[0]
    if isinstance(first, Question):
        _, slots, times_s = zip(*wishes, strict=True)
        return Question(first.source, np.concatenate(slots), np.concatenate(times_s))
    curves = zip(*(wish.frames for wish in wishes), strict=True)
    frames = Frames(*(np.concatenate(curve) for curve in curves))
    return Request(first.singer, frames, np.concatenate([w.state for w in wishes]))


def _answer(wish: Question | Request) -> Frames | Sung | Exception:
    try:
        if isinstance(wish, Question):
            return wish.source.frames(wish.slots, wish.times_s)
        return wish.singer.sing(wish.frames, wish.state)
    except Exception as error:
        return error
