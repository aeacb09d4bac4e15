"""MPE 2.1: zones by configuration messages."""

import hypothesis
import pytest
from hypothesis import strategies as st

from amadeus.live.zones import Zone, ZoneLayout

LOWER, UPPER = 0, 15


def layout(*messages):
    made = ZoneLayout()
    for channel, member_count in messages:
        made = made.configure(channel, member_count)
    return made


def test_the_lower_zone_grows_upward_and_the_upper_downward():
    both = layout((LOWER, 3), (UPPER, 2))
    assert both.lower.channels == (0, 1, 2, 3)
    assert both.upper.channels == (15, 14, 13)
    assert both.zone_of(3) == both.lower
    assert both.zone_of(4) is None
    assert both.zone_of(14) == both.upper


def test_one_zone_may_have_fifteen_members_the_other_master_among_them():
    alone = layout((UPPER, 15))
    assert alone.upper.channels == tuple(range(15, -1, -1))
    assert alone.zone_of(LOWER) == alone.upper


@pytest.mark.parametrize("channel", range(1, 15))
def test_on_any_other_channel_it_is_invalid(channel):
    before = layout((LOWER, 5))
    assert before.configure(channel, 7) == before


def test_more_than_fifteen_members_are_invalid():
    assert layout((LOWER, 5), (LOWER, 16)) == layout((LOWER, 5))


@pytest.mark.parametrize(
    ("second", "kept"), [(4, 10), (5, 9), (13, 1), (14, None), (15, None)]
)
@pytest.mark.parametrize("masters", [(LOWER, UPPER), (UPPER, LOWER)])
def test_the_newer_zone_wins_what_overlaps(masters, second, kept):
    older, newer = masters
    made = layout((older, 10), (newer, second))
    zones = {zone.master: zone for zone in made if zone}
    assert zones[newer].member_count == second
    assert (zones[older].member_count if older in zones else None) == kept


def test_no_members_end_a_zone_and_no_zones_leave_mpe():
    assert layout((LOWER, 5), (UPPER, 5), (LOWER, 0)) == ZoneLayout(
        upper=Zone(UPPER, 5)
    )
    assert layout((LOWER, 5), (UPPER, 5), (LOWER, 0), (UPPER, 0)) == ZoneLayout()


def test_ending_a_zone_that_is_not_there_takes_nothing_from_the_other():
    assert layout((UPPER, 15), (LOWER, 0)) == layout((UPPER, 15))


def test_channels_that_move_are_those_that_enter_leave_or_change_sides():
    five = layout((LOWER, 5))
    assert ZoneLayout().moved(five) == (0, 1, 2, 3, 4, 5)
    assert five.moved(five.configure(LOWER, 7)) == (6, 7)
    assert five.moved(five.configure(LOWER, 3)) == (4, 5)
    assert five.moved(five.configure(LOWER, 5)) == ()
    both = layout((LOWER, 10), (UPPER, 2))
    assert both.moved(both.configure(UPPER, 6)) == (9, 10, 11, 12)


MESSAGES = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 20)), max_size=12)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(MESSAGES)
def test_no_channel_is_in_two_zones_and_two_have_fourteen_members_at_most(messages):
    made = layout(*messages)
    channels = [channel for zone in made if zone for channel in zone.channels]
    assert len(channels) == len(set(channels))
    assert set(channels) <= set(range(16))
    if made.lower and made.upper:
        assert made.lower.member_count + made.upper.member_count <= 14
