import pytest

from amadeus.errors import ConfigError
from amadeus.personality import meanings, profiles
from amadeus.v1 import profiles_pb2


@pytest.mark.parametrize(
    ("message", "knobs"),
    [
        (profiles_pb2.LearnerProfile, profiles.LEARNER_KNOBS),
        (profiles_pb2.PlayerProfile, profiles.PLAYER_KNOBS),
    ],
)
def test_every_field_has_one_knob_and_every_knob_a_field(message, knobs):
    assert sorted(message.DESCRIPTOR.fields_by_name) == sorted(knobs)


@pytest.mark.parametrize("knobs", [profiles.LEARNER_KNOBS, profiles.PLAYER_KNOBS])
def test_defaults_lie_in_their_own_range(knobs):
    for name, knob in knobs.items():
        if knob.low is not None:
            assert knob.low <= knob.default <= knob.high, name


def test_an_open_profile_is_filled_and_a_set_field_is_kept():
    complete = profiles.complete_learner_profile(
        profiles_pb2.LearnerProfile(seed=0, batch_size=3)
    )
    assert complete.batch_size == 3
    assert complete.HasField("seed")
    assert complete.frame_rate == profiles.LEARNER_KNOBS["frame_rate"].default


def test_settings_are_read_by_kind():
    profile = profiles.parse_learner_settings(
        [
            "sample_rate=24000",
            "learning_rate=1e-3",
            "f0_viterbi=no",
            "f0_tracker=crepe_full",
        ]
    )
    assert profile.sample_rate == 24_000
    assert profile.learning_rate == pytest.approx(1e-3)
    assert profile.f0_viterbi is False
    assert profile.f0_tracker == profiles_pb2.F0_TRACKER_CREPE_FULL
    assert not profile.HasField("batch_size")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("sample_rat=1", "did you mean sample_rate"),
        ("sample_rate", "write it as KEY=VALUE"),
        ("sample_rate", "such as preset=live"),
        ("sample_rate=fast", "not a whole number: choose from 8000 to 96000 Hz"),
        ("learning_rate=fast", "not a number"),
        ("sample_rate=3000", "from 8000 to 96000 Hz"),
        ("learning_rate=nan", "out of range"),
        ("early_stop=perhaps", "early_stop=true"),
        ("f0_tracker=pyin", "swift_f0, crepe_full, crepe_tiny"),
        ("f0_tracker=unspecified", "choose one of"),
    ],
)
def test_a_setting_that_cannot_work_says_what_would(setting, message):
    with pytest.raises(ConfigError, match=message):
        profiles.parse_learner_settings([setting])


def test_rates_that_do_not_fit_each_other_are_refused_with_the_profile():
    with pytest.raises(ConfigError, match="does not divide"):
        profiles.complete_learner_profile(profiles_pb2.LearnerProfile(frame_rate=99))


def test_an_empty_pitch_range_is_refused():
    with pytest.raises(ConfigError, match="f0_min_hz=900 is not below"):
        profiles.complete_learner_profile(
            profiles_pb2.LearnerProfile(f0_min_hz=900, f0_max_hz=800)
        )


@pytest.mark.parametrize(("name", "knob"), profiles.PLAYER_KNOBS.items())
def test_a_player_knob_out_of_range_is_named_with_unit_and_range(name, knob):
    if knob.low is None:
        with pytest.raises(ConfigError, match=rf"{name}=loud is not known: choose one"):
            profiles.parse_player_settings([f"{name}=loud"])
        return
    sentence = rf"choose from {knob.low:g} to {knob.high:g} ?{knob.unit}\.$"
    for text in (f"{knob.high + 1:g}", f"{knob.low - 1:g}", "loud"):
        with pytest.raises(ConfigError, match=f"{name}={text} is .*{sentence}"):
            profiles.parse_player_settings([f"{name}={text}"])
    for limit in (knob.low, knob.high):
        profile = profiles.parse_player_settings([f"{name}={limit}"])
        assert profiles.complete_player_profile(profile) is not None


def test_modes_are_spelled_as_words():
    settings = ["voice_mode=mono", "note_priority=HIGH", "voice_count=3"]
    profile = profiles.parse_player_settings(settings)
    assert profile.voice_mode == profiles_pb2.VOICE_MODE_MONO
    assert profile.note_priority == profiles_pb2.NOTE_PRIORITY_HIGH
    assert profiles.spell(profile, "note_priority", profile.note_priority) == "high"
    with pytest.raises(ConfigError, match="poly, mono; did you mean mono"):
        profiles.parse_player_settings(["voice_mode=mon"])
    with pytest.raises(ConfigError, match=r"voice_count=2\.5 is not a whole number"):
        profiles.parse_player_settings(["voice_count=2.5"])


def test_a_mode_not_chosen_is_the_default_and_an_unknown_one_refused():
    open_ = profiles_pb2.PlayerProfile(
        voice_mode=profiles_pb2.VOICE_MODE_UNSPECIFIED,
        note_priority=profiles_pb2.NOTE_PRIORITY_UNSPECIFIED,
    )
    complete = profiles.complete_player_profile(open_)
    assert complete.voice_mode == profiles_pb2.VOICE_MODE_POLY
    assert complete.note_priority == profiles_pb2.NOTE_PRIORITY_LAST
    with pytest.raises(ConfigError, match=r"voice_mode=9 is not known: .* poly, mono"):
        profiles.complete_player_profile(profiles_pb2.PlayerProfile(voice_mode=9))


def test_what_is_given_wins_over_the_personality_and_that_over_the_defaults():
    learned = profiles_pb2.PlayerProfile(brightness=1, voice_count=4)
    given = profiles_pb2.PlayerProfile(brightness=0)
    settled = profiles.settle_player_profile(learned, given)
    assert (settled.brightness, settled.voice_count, settled.a4_hz) == (0, 4, 440)
    assert learned == profiles_pb2.PlayerProfile(brightness=1, voice_count=4)
    assert profiles.settle_player_profile(learned).brightness == 1


def test_every_knob_has_a_meaning():
    assert sorted(meanings.PLAYER_MEANINGS) == sorted(profiles.PLAYER_KNOBS)
    assert sorted(meanings.LEARNER_MEANINGS) == sorted(profiles.LEARNER_KNOBS)


def test_player_knobs_are_checked_too():
    with pytest.raises(ConfigError, match="reverb_mix=2 is out of range"):
        profiles.complete_player_profile(profiles_pb2.PlayerProfile(reverb_mix=2))


@pytest.mark.parametrize(
    "setting", ["learning_rate=1e-6", "learning_rate=0.1", "f0_min_hz=16"]
)
def test_a_limit_may_be_chosen_and_stays_allowed_as_float32(setting):
    profile = profiles.parse_learner_settings([setting])
    assert profiles.complete_learner_profile(profile).learning_rate > 0
