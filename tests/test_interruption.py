"""Contract of an interrupt: it comes through even where Python would forget it."""

import signal
import subprocess
import sys

import pytest

from amadeus import interruption

SWALLOWED = """
import os, signal
from amadeus import interruption

class Forgetful:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000):  # the exception comes here, and goes no farther
            pass

interruption.listen()
interruption.check()
Forgetful()
print("went on", flush=True)
interruption.check()
print("was never told")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_that_native_code_swallows_is_met_at_the_next_look(name):
    ran = subprocess.run(
        [sys.executable, "-c", SWALLOWED.format(name=name)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout == "went on\n"
    assert "Exception ignored" in ran.stderr
    assert ran.stderr.rstrip().endswith("KeyboardInterrupt")


def test_an_interrupt_that_is_held_back_waits_for_the_next_look(monkeypatch):
    monkeypatch.setattr(interruption, "_asked", [])
    before = signal.getsignal(signal.SIGINT)
    try:
        interruption.listen()
        with interruption.held_back():
            signal.raise_signal(signal.SIGINT)
        assert interruption.is_asked()
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_who_was_not_asked_goes_on():
    interruption.check()
