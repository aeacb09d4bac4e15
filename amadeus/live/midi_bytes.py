"""From bytes to MIDI messages, damage included.

Reference: MIDI 1.0 Detailed Specification 4.2, section 2 and its table of status bytes.
"""

from typing import NamedTuple

SYSTEM_RESET = 0xFF

_SYSTEM_EXCLUSIVE = 0xF0
_END_OF_EXCLUSIVE = 0xF7
_FIRST_REAL_TIME = 0xF8
# Data bytes by the high half of a channel message's status, and by that of a system message.
_N_DATA = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}
_N_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}


class Messages(NamedTuple):
    """What some bytes say.

    Attributes:
      messages: (status, first data byte, second) of each channel message and system reset, 0 where it has none.
      n_damaged: Bytes that belong to no message.
      first_damaged: Where the first of them stands.
    """

    messages: list[tuple[int, int, int]]
    n_damaged: int
    first_damaged: int


class _Reading:
    """The message in the making."""

    __slots__ = ("at", "first", "n_data", "n_open", "status")

    def __init__(self) -> None:
        self.status = 0  # 0: none, so data bytes belong to nothing
        self.n_data = 0
        self.first = -1  # data byte of a message of two; -1: still to come
        self.n_open = 0  # bytes of a message that is not complete
        self.at = 0  # where they begin

    def begin(self, status: int, at: int) -> None:
        self.status = status
        self.n_data = _N_DATA.get(status >> 4, 0) or _N_SYSTEM_DATA.get(status, 0)
        self.first = -1
        self.n_open = 1
        self.at = at
        if status == _SYSTEM_EXCLUSIVE:
            return
        if not self.n_data:  # a tune request, or one that means nothing
            self.status = self.n_open = 0


def read_messages(data: bytes) -> Messages:
    """Reads whole messages; a status byte counts until another one comes (running status).

    Real-time messages may stand anywhere. System exclusive, clock and tune messages are read and passed over.
    What is cut short or stray is counted as damaged, and reading goes on at the next status byte.
    """
    messages: list[tuple[int, int, int]] = []
    reading = _Reading()
    n_damaged, first_damaged = 0, -1
    for at, byte in enumerate(data):
        if byte < 0x80:
            if not reading.status:
                n_damaged += 1
                first_damaged = at if first_damaged < 0 else first_damaged
            else:
                _take(reading, byte, at, messages)
            continue
        if byte >= _FIRST_REAL_TIME and byte != SYSTEM_RESET:
            continue
        is_end = byte == _END_OF_EXCLUSIVE
        if is_end and reading.status == _SYSTEM_EXCLUSIVE:
            reading.status = reading.n_open = 0
            continue
        lost = reading.n_open + is_end
        if lost:
            n_damaged += lost
            begin = reading.at if reading.n_open else at
            first_damaged = begin if first_damaged < 0 else first_damaged
        if byte == SYSTEM_RESET:
            messages.append((SYSTEM_RESET, 0, 0))
        reading.begin(byte, at)
    if reading.n_open:
        n_damaged += reading.n_open
        first_damaged = reading.at if first_damaged < 0 else first_damaged
    return Messages(messages, n_damaged, first_damaged)


def _take(
    reading: _Reading, byte: int, at: int, messages: list[tuple[int, int, int]]
) -> None:
    """Takes a data byte of the message in the making."""
    if reading.status == _SYSTEM_EXCLUSIVE:
        reading.n_open += 1
        return
    if not reading.n_open:  # running status
        reading.at = at
    if reading.n_data == 2 and reading.first < 0:
        reading.first = byte
        reading.n_open += 1
        return
    if reading.status < _SYSTEM_EXCLUSIVE:
        if reading.n_data == 2:
            messages.append((reading.status, reading.first, byte))
        else:
            messages.append((reading.status, byte, 0))
    else:
        reading.status = 0  # no running status after a system message
    reading.first = -1
    reading.n_open = 0
