import pytest

from amadeus.errors import ConfigError
from amadeus.tuning.wish import Wish, check_wish, read_wish
from amadeus.v1 import profiles_pb2


def test_settings_become_a_wish():
    wish = read_wish(["brightness=0.3", "a4_hz=default"], ["seed=7", "preset=Default"])
    assert wish.player == profiles_pb2.PlayerProfile(brightness=0.3)
    assert wish.learner == profiles_pb2.LearnerProfile(seed=7)
    assert wish.defaults == {"a4_hz", "preset"}
    assert wish.names_player
    assert wish.names_learner


def test_a_wish_for_one_names_not_the_other():
    assert not read_wish(["brightness=0.3"], []).names_learner
    assert not read_wish([], ["seed=default"]).names_player
    assert read_wish([], ["seed=default"]).names_learner


@pytest.mark.parametrize(
    ("player", "learner", "sentence"),
    [
        (["brightnes=1"], [], "did you mean brightness"),
        (["brightnes=default"], [], "did you mean brightness"),
        (["brightness=3"], [], "out of range: choose from -2 to 2"),
        (["brightness=nan"], [], "out of range"),
        (["brightness="], [], "not a number"),
        (["brightness"], [], "has no value"),
        (["brightness=1", "brightness=0"], [], "given twice"),
        (["brightness=1", "brightness=default"], [], "given twice"),
        ([], ["brightness=1"], "a knob of the player, .*--player brightness=1"),
        (["seed=default"], [], "a knob of the learner, .*--learner seed=default"),
        ([], ["samplerate=1"], "did you mean sample_rate"),
        ([], ["preset=large"], "choose one of tiny, live, solo, vst"),
    ],
)
def test_what_cannot_be_turned_is_said(player, learner, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_wish(player, learner)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (Wish(defaults=frozenset({"brightnes"})), "did you mean brightness"),
        (
            Wish(
                profiles_pb2.PlayerProfile(brightness=1),
                defaults=frozenset({"brightness"}),
            ),
            "given twice",
        ),
    ],
)
def test_a_wish_from_elsewhere_is_checked(wish, sentence):
    with pytest.raises(ConfigError, match=sentence):
        check_wish(wish)


def test_a_good_wish_from_elsewhere_passes():
    check_wish(
        Wish(profiles_pb2.PlayerProfile(brightness=1), defaults=frozenset({"seed"}))
    )
