"""What whoever plays should know, collected while playing."""

from collections import Counter

from amadeus.v1 import perform_pb2

MAX_OF_A_KIND = 20  # told in words; the rest is only counted


class Notices:
    """Notices of a performance, not too many of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._waiting: list[perform_pb2.PerformanceNotice] = []

    def add(
        self, kind: perform_pb2.PerformanceNotice.Kind, sample: int, text: str
    ) -> None:
        """Tells of something that happened at an offset."""
        name = perform_pb2.PerformanceNotice.Kind.Name(kind)
        self.counts[name] += 1
        if self.counts[name] <= MAX_OF_A_KIND:
            self._waiting.append(
                perform_pb2.PerformanceNotice(
                    kind=kind, sample_offset=sample, text=text
                )
            )

    def take(self) -> list[perform_pb2.PerformanceNotice]:
        """Hands out what has not been handed out."""
        waiting, self._waiting = self._waiting, []
        return waiting
