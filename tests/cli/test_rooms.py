import pytest

from amadeus.cli.rooms import load
from amadeus.errors import ConfigError


def test_a_room_is_loaded_by_name():
    assert load("serving.studio").__name__ == "serving.studio"


def test_a_room_that_is_not_there_is_a_sentence():
    with pytest.raises(ConfigError, match=r"has no cellar, .* its room 'cellar'"):
        load("cellar.wine")


def test_a_module_that_is_not_in_its_room_is_a_sentence():
    with pytest.raises(ConfigError, match=r"has no serving\.organ, "):
        load("serving.organ")


def test_a_package_that_a_room_lacks_is_named(tmp_path, monkeypatch):
    (tmp_path / "annex.py").write_text("import bassoon_driver")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="annex needs the package bassoon_driver"):
        load("annex")


def test_a_fault_inside_a_room_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "broken_annex.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError):
        load("broken_annex")
