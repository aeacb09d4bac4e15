"""Laws of turning knobs: what was chosen stays, what followed follows, what is turned back is as before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amadeus.errors import ConfigError, NotHeldError
from amadeus.personality import profiles
from amadeus.personality.content import canonical_json
from amadeus.personality.profiles import complete_learner_profile
from amadeus.tuning.plan import make_plan, turn_learner, turn_player
from amadeus.tuning.wish import Wish, read_wish
from amadeus.v1 import profiles_pb2

Learner, Player = profiles_pb2.LearnerProfile, profiles_pb2.PlayerProfile


def learn(before, *wanted):
    return turn_learner(complete_learner_profile(before), read_wish([], wanted))


def test_what_followed_the_sample_rate_follows_it():
    after = learn(Learner(), "sample_rate=48000")
    assert after == complete_learner_profile(Learner(sample_rate=48_000))
    assert after.harmonic_count == 180


def test_what_was_chosen_stays_chosen():
    after = learn(Learner(harmonic_count=80, seed=5), "sample_rate=48000")
    assert (after.harmonic_count, after.seed) == (80, 5)
    assert after.noise_band_count == 193


def test_a_preset_brings_its_own_and_leaves_what_was_chosen():
    after = learn(Learner(crop_duration_s=1.5), "preset=solo")
    assert after == complete_learner_profile(
        Learner(preset=profiles_pb2.PRESET_SOLO, crop_duration_s=1.5)
    )


def test_a_fitted_frame_rate_is_fitted_again():
    solo = Learner(preset=profiles_pb2.PRESET_SOLO, sample_rate=44_100)
    assert complete_learner_profile(solo).frame_rate == 252
    assert learn(solo, "sample_rate=48000").frame_rate == 250


@pytest.mark.parametrize(
    ("wanted", "steps", "minutes"),
    [
        (["training_minutes=9"], 0, 9.0),
        (["step_count=5"], 5, 4.0),
        (["seed=3"], 700, 4.0),
    ],
)
def test_time_and_steps_replace_each_other(wanted, steps, minutes):
    after = learn(Learner(step_count=700), *wanted)
    assert (after.step_count, after.training_minutes) == (steps, minutes)


def test_default_takes_a_knob_of_the_learner_back():
    before = Learner(sample_rate=48_000, batch_size=4)
    assert learn(before, "batch_size=default").batch_size == 8
    assert learn(before, "sample_rate=default").harmonic_count == 60


def test_knobs_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="does not divide"):
        learn(Learner(), "frame_rate=300")


LEARNER_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "sample_rate": st.sampled_from([8_000, 16_000, 24_000, 48_000]),
        "preset": st.sampled_from([1, 2, 3]),
        "harmonic_count": st.integers(1, 512),
        "batch_size": st.integers(1, 256),
        "seed": st.integers(0, 99),
        "learning_rate": st.sampled_from([0.001, 0.003, 0.01]),
    },
)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(before=LEARNER_VALUES, after=LEARNER_VALUES)
def test_turning_all_knobs_of_a_profile_back_gives_the_profile(before, after):
    first = complete_learner_profile(Learner(**before))
    turned = turn_learner(first, Wish(learner=Learner(**after)))
    back = Learner(**{name: getattr(first, name) for name in profiles.LEARNER_KNOBS})
    back.ClearField("training_minutes")  # step_count stands for both
    assert turn_learner(turned, Wish(learner=back)) == first


PLAYER_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "brightness": st.floats(-2, 2, width=32),
        "noise_gain_db": st.floats(-60, 24, width=32),
        "voice_count": st.integers(1, 32),
        "voice_mode": st.sampled_from([1, 2]),
    },
)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(stored=PLAYER_VALUES, wanted=PLAYER_VALUES)
def test_turning_the_player_back_gives_what_was_stored(stored, wanted):
    """By value, or by `default` where nothing was stored: an older personality lacks knobs."""
    first = Player(**stored)
    turned = turn_player(first, Wish(Player(**wanted)), root=lambda: first)
    back = {name: value for name, value in stored.items() if name in wanted}
    wish = Wish(Player(**back), defaults=frozenset(wanted.keys() - stored.keys()))
    again = turn_player(turned, wish, root=lambda: first)
    assert canonical_json(again) == canonical_json(first)


def test_a_plan_says_what_changes_and_what_follows(deu):
    plan = make_plan(deu, read_wish(["brightness=0.3"], ["sample_rate=16000"]))
    said = {(c.profile, c.knob): (c.before, c.after, c.follows) for c in plan.changes}
    assert said[("player", "brightness")] == ("0", "0.3", False)
    assert said[("learner", "sample_rate")] == ("8000", "16000", False)
    assert plan.learns
    assert plan.parent.generation == 1


def test_a_plan_without_changes_has_none(deu):
    plan = make_plan(deu, read_wish(["brightness=0"], ["sample_rate=8000"]))
    assert not plan.changes
    assert plan.player_profile == plan.parent.player_profile


def test_a_deu_without_a_voice_cannot_be_tuned(home):
    with pytest.raises(NotHeldError, match="no voice yet: teach it"):
        make_plan(home.create_deu("viola"), read_wish(["brightness=1"], []))


def test_a_generation_that_is_not_there_cannot_be_tuned(deu):
    with pytest.raises(NotHeldError, match="no generation 9"):
        make_plan(deu, read_wish(["brightness=1"], []), 9)
