import sys
import types

import pytest

from amadeus.audio.decode import read
from amadeus.personality import profiles
from tests.features.sounds import EXAMPLES


@pytest.fixture(scope="session")
def ddsp_loudness():
    """The peer of the A-weighted loudness."""
    return _ddsp_spectral_ops().compute_loudness


@pytest.fixture(scope="session")
def ddsp_power():
    """The peer of the plain power."""
    return _ddsp_spectral_ops().compute_power


@pytest.fixture(scope="session")
def humming():
    return read(EXAMPLES / "humming.flac", sample_rate=16_000)


@pytest.fixture
def profile():
    return profiles.complete_learner_profile()


def _ddsp_spectral_ops():
    # ddsp needs the crepe package for pitch only
    sys.modules.setdefault("crepe", types.ModuleType("crepe"))
    return pytest.importorskip("ddsp.spectral_ops")
