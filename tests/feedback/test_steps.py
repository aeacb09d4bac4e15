import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amadeus.feedback import steps
from amadeus.feedback.steps import WAYS, Memory, recall, remember, turn
from amadeus.personality.profiles import PLAYER_KNOBS, complete_player_profile

FINITE = st.floats(-1e6, 1e6)
ANSWERS = st.floats(0.01, 100).flatmap(lambda s: st.sampled_from([s, -s]))


def default(knob):
    return 5.5 if knob == "vibrato_rate_hz" else PLAYER_KNOBS[knob].default


@given(knob=st.sampled_from(list(WAYS)), wanted=FINITE, sensitivity=ANSWERS)
def test_a_turn_is_bounded_and_goes_where_it_is_wanted(knob, wanted, sensitivity):
    value = default(knob)
    turned = turn(knob, value, wanted=wanted, sensitivity=sensitivity)
    way = steps.place(knob, turned.after) - steps.place(knob, value)
    assert abs(way) <= WAYS[knob].stride + 1e-3
    assert way * wanted * sensitivity >= 0
    assert PLAYER_KNOBS[knob].low <= turned.after <= PLAYER_KNOBS[knob].high


@given(
    knob=st.sampled_from(list(WAYS)),
    wishes=st.lists(st.floats(-50, 50), min_size=1, max_size=60),
    sensitivity=ANSWERS,
)
@settings(max_examples=60)
def test_whatever_is_said_it_stays_within_reach(knob, wishes, sensitivity):
    value, memory = default(knob), None
    start = steps.place(knob, value)
    for wanted in wishes:
        turned = turn(
            knob, value, wanted=wanted, sensitivity=sensitivity, memory=memory
        )
        value, memory = turned.after, turned.memory
        assert abs(steps.place(knob, value) - start) <= WAYS[knob].reach + 1e-3


@pytest.mark.parametrize("knob", WAYS)
def test_swapping_the_wish_flips_the_turn(knob):
    value = default(knob)
    up = turn(knob, value, wanted=0.3, sensitivity=2.0)
    down = turn(knob, value, wanted=-0.3, sensitivity=2.0)
    other = turn(knob, value, wanted=0.3, sensitivity=-2.0)
    start = steps.place(knob, value)
    rise = steps.place(knob, up.after) - start
    assert steps.place(knob, down.after) - start == pytest.approx(-rise, abs=1e-3)
    assert other.after == down.after


def test_no_wish_no_turn():
    turned = turn("brightness", 0.3, wanted=0.0, sensitivity=1.0)
    assert (turned.before, turned.after, turned.limit) == (0.3, 0.3, "")


@pytest.mark.parametrize("knob", WAYS)
def test_the_same_said_again_comes_to_rest_at_the_good_and_not_beyond(knob):
    """The good lies two steps of the scale up; what is left of the way is wanted each time."""
    value, memory = default(knob), None
    start = steps.place(knob, value)
    good = start + 0.8 * WAYS[knob].reach
    for _ in range(60):
        here = steps.place(knob, value)
        assert here <= good + 1e-3
        turned = turn(knob, value, wanted=good - here, sensitivity=1.0, memory=memory)
        value, memory = turned.after, turned.memory
    assert steps.place(knob, value) == pytest.approx(good, abs=0.05 * WAYS[knob].stride)


def test_contradicting_feedback_calms_down():
    value, memory, ways = 0.0, None, []
    for number in range(14):
        wanted = 0.3 if number % 2 else -0.3
        turned = turn(
            "brightness", value, wanted=wanted, sensitivity=1.0, memory=memory
        )
        ways.append(abs(turned.after - value))
        value, memory = turned.after, turned.memory
    assert ways[0] > 0
    assert max(ways[-4:]) < ways[0] / 4
    assert abs(value) < 0.3


def test_who_contradicts_all_that_was_said_has_to_say_it_twice():
    value, memory = 0.0, None
    for _ in range(4):
        turned = turn("brightness", value, wanted=0.1, sensitivity=1.0, memory=memory)
        value, memory = turned.after, turned.memory
    against = []
    for _ in range(4):
        turned = turn("brightness", value, wanted=-0.2, sensitivity=1.0, memory=memory)
        against.append((turned.after - value, turned.limit))
        value, memory = turned.after, turned.memory
    assert against[0][1] == "earlier"
    assert abs(against[0][0]) < abs(against[-1][0]) / 2


def test_what_the_ama_set_since_begins_anew():
    memory = Memory(anchor=0.0, value=0.9, leaning=0.9, boldness=0.2)
    turned = turn("brightness", -1.5, wanted=-0.3, sensitivity=1.0, memory=memory)
    fresh = turn("brightness", -1.5, wanted=-0.3, sensitivity=1.0)
    assert turned == fresh
    assert turned.memory.anchor == -1.5


def test_each_limit_is_named():
    def limit(value, wanted, memory=None):
        return turn(
            "brightness", value, wanted=wanted, sensitivity=1.0, memory=memory
        ).limit

    assert limit(0.0, 0.1) == ""
    assert limit(0.0, 9.0) == "stride"
    assert limit(0.95, 0.3, Memory(0.0, 0.95)) == "reach"
    assert limit(1.9, 0.9, Memory(1.9, 1.9, 1.0)) == "range"


def test_memories_survive_being_written():
    memories = {"brightness": Memory(0.0, 0.25, -0.3, 0.7)}
    assert recall(remember(memories)) == memories


@pytest.mark.parametrize(
    "written",
    [
        None,
        [],
        {"brightness": None},
        {"brightness": {"anchor": 0}},
        {"brightness": {"anchor": 0, "value": "x", "leaning": 0, "boldness": 1}},
        {"brightness": {"anchor": 0, "value": 0, "leaning": 0, "boldness": 0}},
        {"brightness": {"anchor": math.nan, "value": 0, "leaning": 0, "boldness": 1}},
        {"made_up": {"anchor": 0, "value": 0, "leaning": 0, "boldness": 1}},
    ],
)
def test_damaged_memories_are_forgotten(written):
    assert recall(written) == {}


def test_every_way_is_a_knob_of_the_player():
    for knob, way in WAYS.items():
        assert 0 < way.stride <= way.reach
        assert knob in PLAYER_KNOBS


def test_a_profile_is_copied_not_changed():
    profile = complete_player_profile()
    changed = steps.with_values(profile, {"brightness": 0.5})
    assert (profile.brightness, changed.brightness) == (0.0, 0.5)
