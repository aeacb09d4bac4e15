import pytest

from amadeus.audio.decode import read
from tests.features.sounds import EXAMPLES


@pytest.fixture(scope="session")
def humming():
    """9 s of a voice humming, at 16 kHz."""
    return read(EXAMPLES / "humming.flac", sample_rate=16_000)
