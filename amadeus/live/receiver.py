"""A MIDI 1.0 and MPE receiver: from bytes to notes."""

from amadeus.live.events import Event
from amadeus.v1 import profiles_pb2


class Receiver:
    """Follows what somebody plays.

    Args:
      player_profile: Complete; its bend range is that of plain channels, its voice mode the one at the start.
    """

    def __init__(self, player_profile: profiles_pb2.PlayerProfile) -> None:
        raise NotImplementedError

    def feed(self, data: bytes) -> list[Event]:
        """Takes whole messages and says what they do. Never raises."""
        raise NotImplementedError

    def set_profile(self, player_profile: profiles_pb2.PlayerProfile) -> list[Event]:
        """Takes over knobs that were turned while playing."""
        raise NotImplementedError

    def silence(self) -> list[Event]:
        """Ends everything at once, as at the end of a performance."""
        raise NotImplementedError
