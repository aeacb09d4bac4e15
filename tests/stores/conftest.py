import secrets

import pytest

from amadeus.stores import open_store
from amadeus.stores.retrying import Patience
from tests.personality.conftest import bundle_bytes, voice_path  # noqa: F401
from tests.stores import emulators

SCHEMES = ("file", "gs", "s3")
QUICK = Patience(n_tries=4, first_pause_s=0.01, longest_pause_s=0.02)


@pytest.fixture(scope="session")
def google_environment():
    with emulators.google() as environment:
        yield environment


@pytest.fixture(scope="session")
def amazon_environment():
    with emulators.amazon() as environment:
        yield environment


@pytest.fixture
def nobody(tmp_path, monkeypatch):
    """No credentials and no endpoints, whoever runs the tests."""
    environment = emulators.bare_environment(tmp_path)
    for name in emulators.CLEARED:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def reach(request, nobody, monkeypatch):
    """Sets the environment that leads to the emulator of a scheme, and hands it out."""

    def lead(scheme):
        name = {"gs": "google_environment", "s3": "amazon_environment"}.get(scheme)
        given = request.getfixturevalue(name) if name else {}
        for key, value in given.items():
            monkeypatch.setenv(key, value)
        return nobody | given

    return lead


@pytest.fixture(params=SCHEMES)
def url(request, reach, tmp_path):
    """An empty folder in a store of each kind."""
    scheme = request.param
    environment = reach(scheme)
    if scheme == "file":
        return str(tmp_path / "store")
    bucket = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket(scheme, environment, bucket)
    return f"{scheme}://{bucket}/a folder"


@pytest.fixture
def store(url):
    return open_store(url, patience=QUICK)
