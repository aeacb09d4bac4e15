"""Zones of MPE: which channels play together, and under which master.

Conventions: channels count from 0, so the lower zone's master is 0 and the upper zone's 15.
Reference: M1-100-UM, MIDI Polyphonic Expression, v1.1, sections 2.1 and 2.4.
"""

import functools
from typing import NamedTuple

LOWER_MASTER = 0
UPPER_MASTER = 15
MAX_MEMBERS = 15
MAX_SHARED_MEMBERS = 14  # of two zones together
MASTER_RANGE_SEMITONES = 2  # reach of the bend until RPN 0 says otherwise
MEMBER_RANGE_SEMITONES = 48
MAX_RANGE_SEMITONES = 96


class Zone(NamedTuple):
    """A master and its members, which follow it inwards."""

    master: int
    member_count: int  # 1..15

    @property
    def members(self) -> range:
        """The member channels, the master's neighbour first."""
        step = 1 if self.master == LOWER_MASTER else -1
        first = self.master + step
        return range(first, first + step * self.member_count, step)

    @property
    def channels(self) -> tuple[int, ...]:
        """The master, then its members."""
        return (self.master, *self.members)


class ZoneLayout(NamedTuple):
    """Which zones there are; at first none, and every channel is a plain one."""

    lower: Zone | None = None
    upper: Zone | None = None

    @staticmethod
    def is_valid(channel: int, member_count: int) -> bool:
        """Whether an MPE configuration message means something: on a master channel, for 0 to 15 members."""
        return channel in (LOWER_MASTER, UPPER_MASTER) and member_count <= MAX_MEMBERS

    def configure(self, channel: int, member_count: int) -> "ZoneLayout":
        """Follows an MPE configuration message; the newer zone takes channels from the older.

        Args:
          channel: Where the message came.
          member_count: 0 ends the zone.
        """
        if not self.is_valid(channel, member_count):
            return self
        zone = Zone(channel, member_count) if member_count else None
        left = MAX_SHARED_MEMBERS - member_count
        if channel == LOWER_MASTER:
            return ZoneLayout(zone, _shrink(self.upper, left) if zone else self.upper)
        return ZoneLayout(_shrink(self.lower, left) if zone else self.lower, zone)

    def zone_of(self, channel: int) -> Zone | None:
        """The zone a channel belongs to; None for a plain one."""
        return _zones(self)[channel]

    def moved(self, other: "ZoneLayout") -> tuple[int, ...]:
        """Channels that enter or leave a zone, or change their part in one, from here to `other`."""
        pairs = zip(_zones(self), _zones(other), strict=True)
        return tuple(
            channel
            for channel, (before, after) in enumerate(pairs)
            if (before and before.master) != (after and after.master)
        )


@functools.cache  # there are few layouts
def _zones(layout: ZoneLayout) -> tuple[Zone | None, ...]:
    """The zone of each channel."""
    zones: list[Zone | None] = [None] * 16
    for zone in layout:
        for channel in zone.channels if zone else ():
            zones[channel] = zone
    return tuple(zones)


def _shrink(zone: Zone | None, member_count: int) -> Zone | None:
    if zone is None or member_count < 1:
        return None
    return zone._replace(member_count=min(zone.member_count, member_count))
