"""Configurations, read and checked."""

import pytest

from amadeus.errors import ConfigError
from serving.model_server import config
from serving.model_server.config import Model
from serving.model_server.policy import All, Latest, Specific
from serving.model_server.status import Code, ServingError

GOOD = """
model_config_list {
  config { name: "a" base_path: "/models/a" model_platform: "tensorflow" }
  config {
    name: "b" base_path: "/models/b" model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 5 } }
    version_labels { key: "stable" value: 3 }
  }
  config {
    name: "c" base_path: "/models/c" model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 2 } }
  }
  config {
    name: "d" base_path: "/models/d" model_type: TENSORFLOW
    model_version_policy { all {} }
  }
}
"""


def test_good_model_config(tmp_path):
    (tmp_path / "good").write_text(GOOD)
    a, b, c, d = config.read_models(config.read_file(tmp_path / "good"))
    assert (a.name, str(a.base_path), a.policy) == ("a", "/models/a", Latest(1))
    assert (b.policy, b.labels) == (Specific(frozenset({3, 5})), {"stable": 3})
    assert c.policy == Latest(2)
    assert (d.policy, d.platform) == (All(), "tensorflow")


def test_bad_model_config(tmp_path):
    path = tmp_path / "bad"
    path.write_text("improperly formatted file\n")
    with pytest.raises(ConfigError, match=f"Invalid protobuf file: '{path}'"):
        config.read_file(path)


def test_missing_model_config(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        config.read_file(tmp_path / "none")


def test_base_paths_lie_below_the_allowed_roots(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    config.check_roots([Model("m", inside / "voices")], [inside])
    config.check_roots([Model("m", tmp_path)], [])
    for path in (tmp_path, inside / "..", inside / "link", tmp_path / "inside-out"):
        with pytest.raises(ServingError, match="outside the folders") as caught:
            config.check_roots([Model("m", path)], [inside])
        assert caught.value.code is Code.PERMISSION_DENIED


def test_a_model_keeps_its_platform(tmp_path):
    old = [Model("m", tmp_path, platform="tensorflow")]
    config.check_platforms(old, [Model("n", tmp_path, platform="other")])
    with pytest.raises(ServingError, match="Illegal to change a model's platform"):
        config.check_platforms(old, [Model("m", tmp_path, platform="other")])


def test_the_deus_of_a_home_are_models(home):
    for name in ("cello", "flute"):
        home.create_deu(name)
    home.deu("cello").voices_path.mkdir(parents=True, exist_ok=True)
    found = {model.name: model.base_path for model in config.home_models(home)}
    assert found["cello"] == home.deu("cello").voices_path


def test_the_generation_that_plays_is_served(home):
    deu = home.create_deu("cello")
    for number in (1, 2, 3):
        (deu.voices_path / str(number)).mkdir(parents=True)
    (before,) = config.home_models(home)
    deu.point_to(2)
    (after,) = config.home_models(home)
    assert before.policy.choose({1, 2, 3}) == {3}
    assert after.policy.choose({1, 2, 3, 4}) == {2}
