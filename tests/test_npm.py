"""A download that fails says why, and leaves nothing behind that looks like one."""

import os

import pytest

from tests import npm


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AMADEUS_TEST_CACHE", str(tmp_path))
    for name in tuple(os.environ):
        if name.lower() in ("npm_config_registry", "npm_config_fetch_retries"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    return tmp_path


def test_a_download_that_fails_says_why(cache):
    with pytest.raises(RuntimeError, match=r"npm cannot fetch .*: npm \S+ code E\w+"):
        npm.fetch("dclint@3.1.0")
    assert list((cache / "npm").iterdir()) == []


def test_a_download_that_takes_too_long_says_so(cache, monkeypatch):
    monkeypatch.setattr(npm, "FETCHED_S", 0.001)
    with pytest.raises(RuntimeError, match=r"did not fetch .* within 0.001 s"):
        npm.fetch("dclint@3.1.0")
    assert list((cache / "npm").iterdir()) == []


def test_whoever_comes_second_takes_what_is_there(cache, monkeypatch):
    def first_another(_npm, _packages, _scratch):
        (cache / "npm" / "dclint@3.1.0" / "node_modules").mkdir(parents=True)

    monkeypatch.setattr(npm, "_install", first_another)
    folder = npm.fetch("dclint@3.1.0")
    assert list((cache / "npm").iterdir()) == [folder]
    assert (folder / "node_modules").is_dir()
