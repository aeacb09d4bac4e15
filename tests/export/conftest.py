import numpy as np
import pytest

from amadeus.v1 import profiles_pb2
from tests.export.voices import SMALL, write_voice


@pytest.fixture(scope="session")
def small_path(tmp_path_factory):
    """A voice of no shape in particular."""
    return write_voice(tmp_path_factory.mktemp("small") / "1", **SMALL)


@pytest.fixture(scope="session")
def plugin_path(tmp_path_factory):
    """A voice of preset vst, whose shape is the plugin's."""
    path = tmp_path_factory.mktemp("plugin") / "1"
    return write_voice(path, preset=profiles_pb2.PRESET_VST)


@pytest.fixture
def phrase(rng):
    """Pitch and loudness that do all that is allowed: leap, fall silent, lose the pitch, leave the reach."""
    f0_hz = rng.uniform(60, 3_000, 80).astype(np.float32)
    f0_hz[:3] = 0  # no pitch has been known yet
    f0_hz[30:40] *= -1
    f0_hz[50:55] = 0
    return f0_hz, rng.uniform(-120, 20, 80).astype(np.float32)
