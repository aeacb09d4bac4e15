"""Keeps a few things that are unlike each other out of a stream of many."""

import itertools
from typing import Generic, NamedTuple, TypeVar

import numpy as np

Item = TypeVar("Item")

_OTHER_KIND = 1e3  # things of different kinds are further apart than any traits


class _Entry(NamedTuple, Generic[Item]):
    item: Item
    kind: str
    traits: np.ndarray


class Showcase(Generic[Item]):
    """Holds at most `capacity` items; of the two most alike, the one that came later has to go."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: list[_Entry[Item]] = []

    @property
    def items(self) -> list[Item]:
        """The items held, in the order they came."""
        return [entry.item for entry in self._entries]

    def offer(self, item: Item, *, kind: str, traits: np.ndarray) -> None:
        """Takes an item in, if it is unlike those held.

        Args:
          item: Anything.
          kind: Items of different kinds are always more unlike than those of one.
          traits: Numbers of like scale that tell items of one kind apart. Shape [n].
        """
        self._entries.append(_Entry(item, kind, traits))
        if len(self._entries) > self._capacity:
            pairs = itertools.combinations(range(len(self._entries)), 2)
            _, loser = min(pairs, key=self._distance, default=(0, 0))
            del self._entries[loser]

    def _distance(self, pair: tuple[int, int]) -> float:
        one, other = (self._entries[i] for i in pair)
        apart = _OTHER_KIND if one.kind != other.kind else 0.0
        return apart + float(np.linalg.norm(one.traits - other.traits))
