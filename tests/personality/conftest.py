import pytest

from amadeus.personality.bundle import write_bundle
from tests.export.voices import SMALL, write_voice


@pytest.fixture(scope="session")
def voice_path(tmp_path_factory):
    """The smallest voice that has everything."""
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture(scope="session")
def bundle_bytes(voice_path, tmp_path_factory):
    """That voice as a bundle."""
    path = tmp_path_factory.mktemp("bundle") / "cello.deu"
    write_bundle(voice_path, path)
    return path.read_bytes()
