"""Which versions are wanted and in which order they come, after availability_preserving_policy_test.cc."""

import pytest

from serving.model_server.policy import (
    All,
    Latest,
    Specific,
    Standing,
    Step,
    next_step,
)

PRESENT = [42, 33, 30, 21, 17, -1]


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        (Latest(), {42}),
        (Latest(0), {42}),
        (Latest(3), {42, 33, 30}),
        (Latest(99), set(PRESENT)),
        (All(), set(PRESENT)),
        (Specific(frozenset({17, 30, 99})), {17, 30}),
        (Specific(), set()),
    ],
)
def test_policies_choose_among_what_is_present(policy, chosen):
    assert policy.choose(PRESENT) == chosen
    assert policy.choose([]) == set()


def ready(version, wanted):
    return Standing(version, "ready", wanted)


def new(version):
    return Standing(version, "new", True)


@pytest.mark.parametrize(
    ("standings", "step"),
    [
        ([], None),
        ([ready(1, True)], None),
        ([new(1), new(3), new(2)], Step("load", 3)),
        # the one that can be asked stays until its successor is there
        ([ready(1, False), new(2)], Step("load", 2)),
        ([ready(1, False), Standing(2, "waiting", True)], None),
        ([ready(1, False), Standing(2, "failed", True)], None),
        ([ready(1, False), ready(2, True)], Step("unload", 1)),
        # of several that are left over one is enough
        ([ready(1, False), ready(2, False), new(3)], Step("unload", 1)),
        # nothing is wanted: nothing is kept
        ([ready(1, False), ready(2, False)], Step("unload", 1)),
        ([ready(2, False)], Step("unload", 2)),
        ([ready(3, True), new(2)], Step("load", 2)),
    ],
)
def test_next_step_keeps_a_model_askable(standings, step):
    assert next_step(standings) == step
    assert next_step(reversed(standings)) == step
