"""Lines of controls: what waits to be sung."""

import sys
import threading

import numpy as np
import pytest

from amadeus.live.lines import Lines
from amadeus.live.notes import Frames
from amadeus.personality.profiles import complete_player_profile


@pytest.fixture
def lines():
    return Lines(complete_player_profile(), silence_db=-80.0, max_hz=7_000.0)


def frames(n):
    return Frames(*np.zeros((5, n), np.float32))


def take(lines, line, n):
    lines.frames(np.array([line]), np.zeros((1, n)))


def test_the_longest_line_tells_how_many_frames_wait(lines):
    assert lines.longest() == 0
    lines.add(0, frames(5))
    lines.add(1, frames(3))
    lines.add(1, frames(4))
    assert lines.longest() == 7
    take(lines, 1, 4)
    assert lines.longest() == 5
    take(lines, 0, 9)  # more than there are
    assert lines.longest() == 3
    lines.free(1)
    assert lines.longest() == 0


def test_who_asks_how_many_wait_is_not_disturbed_by_who_takes_them(lines):
    """The one is the thread that reads from the client, the other the one that makes sound."""

    def sing():
        for _ in range(3_000):
            lines.add(0, frames(1))
            lines.add(1, frames(1))
            take(lines, 0, 1)
            take(lines, 1, 1)
            lines.free(1)

    for _ in range(300):
        lines.add(0, frames(1))
    singing, interval_s = threading.Thread(target=sing), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        singing.start()
        while singing.is_alive():
            assert 300 <= lines.longest() <= 301
    finally:
        sys.setswitchinterval(interval_s)
        singing.join()
