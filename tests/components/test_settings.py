import ast
from pathlib import Path

import amadeus.features
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2
from components import settings
from components.ddsp_transform import component as ddsp_transform
from components.evaluator import component as evaluator


def fields_read_by_features():
    """The fields of the profile that any module of `amadeus.features` looks at."""
    for path in Path(amadeus.features.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "profile":
                yield node.attr


def test_features_are_extracted_with_all_that_the_profile_says_of_them():
    read = profiles.LEARNER_KNOBS.keys() & set(fields_read_by_features())
    assert {"loudness_weighting", "f0_tracker"} <= read
    read |= {"sample_rate", "frame_rate"}
    assert read <= set(ddsp_transform.PROFILE_FIELDS)
    assert read <= set(evaluator.PROFILE_FIELDS)


def test_a_component_learns_of_the_fields_it_cares_for_and_of_no_other():
    given = profiles_pb2.LearnerProfile(preset=profiles_pb2.PRESET_VST, seed=3)
    narrowed = settings.narrow(given, ["frame_rate", "loudness_weighting"])
    assert {field.name for field, _ in narrowed.ListFields()} == {
        "frame_rate",
        "loudness_weighting",
    }
    assert narrowed.frame_rate == 50
    assert narrowed.loudness_weighting == profiles_pb2.LOUDNESS_WEIGHTING_NONE
