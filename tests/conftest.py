"""Fixtures shared by all rooms: a seeded random generator, simple sounds, a home of its own."""

import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before any test imports TensorFlow

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # the oracle, ddsp, knows no Keras 3

import numpy as np
import pytest

# A shell ignores Ctrl-C for what it starts in the background, and nohup a lost terminal; children inherit that: ours
# shall hear both.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """Puts files that may take long first: of several processes none shall be left alone with one at the end."""
    longest_s = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        timeout_s = mark.args[0] if mark else 0
        longest_s[item.path] = max(timeout_s, longest_s.get(item.path, 0))
    items.sort(key=lambda item: -longest_s[item.path])


@pytest.fixture
def rng():
    return np.random.default_rng(440)


@pytest.fixture
def home(tmp_path, monkeypatch):
    from amadeus.home import open_home

    monkeypatch.setenv("AMADEUS_HOME", str(tmp_path / "home"))
    return open_home()
