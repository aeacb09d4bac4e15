"""The peer: ddsp, imported without the crepe package, which it needs for pitch only."""

import sys
import types

import pytest

from amadeus.audio import AudioSpec


@pytest.fixture(scope="session")
def ddsp():
    sys.modules.setdefault("crepe", types.ModuleType("crepe"))
    import ddsp

    return ddsp


@pytest.fixture
def spec():
    return AudioSpec(sample_rate=16_000, frame_rate=100)
