import numpy as np
import pytest
from google.protobuf import json_format

from amadeus.errors import VoiceError
from amadeus.personality import content, profiles
from amadeus.v1 import personality_pb2, profiles_pb2


@pytest.fixture
def weights(rng):
    return {
        "gru/kernel": rng.normal(size=(4, 6)).astype(np.float32),
        "gain": np.float32(0.5),
        "step": np.arange(3),
    }


def name(weights, *, learner=None, player=None, statistics=None):
    return content.digest(
        weights,
        learner or profiles.complete_learner_profile(),
        player or profiles.complete_player_profile(),
        statistics or personality_pb2.Statistics(take_count={"train": 3, "eval": 1}),
    )


def test_digest_does_not_depend_on_order_or_memory_layout(weights):
    turned = {key: np.array(weights[key], order="F") for key in reversed(weights)}
    swapped = {
        key: np.asarray(w).astype(np.asarray(w).dtype.newbyteorder(">"))
        for key, w in weights.items()
    }
    assert name(weights) == name(turned) == name(swapped)
    assert name(weights).startswith("sha256:")
    assert len(name(weights)) == len("sha256:") + 64


def test_every_part_of_the_content_changes_the_digest(weights):
    nudged = {**weights, "gain": np.nextafter(np.float32(0.5), np.float32(1))}
    reshaped = {**weights, "gru/kernel": weights["gru/kernel"].reshape(6, 4)}
    renamed = {("bias" if key == "gain" else key): w for key, w in weights.items()}
    retyped = {**weights, "step": np.arange(3, dtype=np.int32)}
    learner = profiles.complete_learner_profile(profiles_pb2.LearnerProfile(seed=1))
    player = profiles.complete_player_profile(profiles_pb2.PlayerProfile(a4_hz=441))
    statistics = personality_pb2.Statistics(take_count={"train": 3, "eval": 2})
    names = [name(w) for w in (weights, nudged, reshaped, renamed, retyped)]
    names += [name(weights, learner=learner), name(weights, player=player)]
    names += [name(weights, statistics=statistics)]
    assert len(set(names)) == len(names)


def test_digest_is_golden():
    ramp = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
    empty = (
        profiles_pb2.LearnerProfile(),
        profiles_pb2.PlayerProfile(),
        personality_pb2.Statistics(),
    )
    assert content.digest(ramp, *empty) == GOLDEN


GOLDEN = "sha256:4576cc31f2b2f04f7f14fca72c5eecbfc68df6bf49c7ffe55032d86ca789b724"


# As stored when players had nine knobs, and its digest of then.
OF_BEFORE = """{"a4_hz": 415.0, "attack_scale": 1.0, "bend_range_semitones": 2.0, "loudness_offset_db": 0.0,
 "output_gain_db": 0.0, "pitch_shift_semitones": 0.0, "release_scale": 1.0, "reverb_mix": 0.7, "vibrato_scale": 1.0}"""
DIGEST_OF_BEFORE = (
    "sha256:1ea6ae173a32359e84061d073f2af914ea1d02ad888ff48cd9c6acef830e1418"
)


def test_knobs_that_come_later_leave_a_digest_as_it_was(tmp_path):
    player = json_format.Parse(OF_BEFORE, profiles_pb2.PlayerProfile())
    personality = personality_pb2.Personality(player_profile=player)
    content.write_personality(tmp_path, personality)
    stored = content.read_personality(tmp_path).player_profile
    ramp = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
    others = profiles_pb2.LearnerProfile(seed=1), personality_pb2.Statistics()
    assert content.digest(ramp, others[0], stored, others[1]) == DIGEST_OF_BEFORE
    completed = profiles.complete_player_profile(stored)
    assert content.digest(ramp, others[0], completed, others[1]) != DIGEST_OF_BEFORE


def test_a_personality_reads_back_as_written(tmp_path):
    personality = personality_pb2.Personality(
        deu="cello",
        generation=3,
        digest="sha256:" + "a" * 64,
        learner_profile=profiles.complete_learner_profile(),
        metrics={"spectral_loss": 6.25},
    )
    content.write_personality(tmp_path, personality)
    content.write_personality(tmp_path, personality)  # replaces
    assert content.read_personality(tmp_path) == personality
    assert [p.name for p in (tmp_path / "assets.extra").iterdir()] == [
        "personality.json"
    ]


def test_a_folder_without_a_personality_is_named(tmp_path):
    with pytest.raises(VoiceError, match="is not a voice"):
        content.read_personality(tmp_path / "nowhere")


def test_a_damaged_personality_is_named(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "personality.json").write_text('{"deu": ')
    with pytest.raises(VoiceError, match="is damaged"):
        content.read_personality(tmp_path)
