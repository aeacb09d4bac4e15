"""What turning a knob costs, held to the components and the trainer that make it cost that."""

import pytest

from amadeus.personality.profiles import LEARNER_KNOBS, PLAYER_KNOBS
from amadeus.tuning import cost
from amadeus.v1 import profiles_pb2
from components.audio_example_gen import component as example_gen
from components.ddsp_transform import component as transform


def test_the_first_component_that_is_concerned_is_known():
    fields = {
        "AudioExampleGen": example_gen.PROFILE_FIELDS,
        "DdspTransform": transform.PROFILE_FIELDS,
    }
    for knob in LEARNER_KNOBS:
        concerned = [name for name, told in fields.items() if knob in told]
        first = concerned[0] if concerned else "Trainer"
        assert cost.FIRST_CONCERNED.get(knob, "Trainer") == first, knob


def test_what_makes_another_network_costs_a_training_from_nothing():
    from amadeus.voice.architecture import ARCHITECTURE

    kinds = {knob: cost.cost_of("learner", knob).kind for knob in LEARNER_KNOBS}
    anew = {knob for knob, kind in kinds.items() if kind == "anew"}
    assert anew == {*ARCHITECTURE, "preset"}
    assert {cost.cost_of("player", knob).kind for knob in PLAYER_KNOBS} == {"second"}


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        (["seed"], "a rerun from Trainer, training warm"),
        (["seed", "f0_min_hz"], "a rerun from DdspTransform, training warm"),
        (["preset", "learning_rate"], "a rerun from Trainer, training warm"),
        (
            ["eval_fraction", "reverb_duration_s"],
            "a rerun from AudioExampleGen, training from nothing",
        ),
    ],
)
def test_knobs_together_cost_what_the_dearest_does(knobs, said):
    assert str(cost.cost_of_all(knobs)) == said


def test_obstacles_are_the_knobs_that_differ():
    from amadeus.personality.profiles import complete_learner_profile as complete

    profile = profiles_pb2.LearnerProfile
    assert cost.obstacles(complete(), complete(profile(seed=3))) == []
    found = cost.obstacles(complete(), complete(profile(sample_rate=48_000)))
    assert found == ["sample_rate", "harmonic_count", "noise_band_count"]
