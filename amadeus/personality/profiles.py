"""Learner and player profiles: their knobs, defaults and ranges, written once.

A profile is a proto message (`proto/amadeus/v1/profiles.proto`). A *complete* profile has every
field set; `complete_learner_profile` fills what the ama left open. A personality of before a field was
there lacks it, and is played by its default: what is stored is never filled, for a digest names it.
"""

import difflib
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.personality import presets
from amadeus.v1 import profiles_pb2

Profile = TypeVar("Profile", profiles_pb2.LearnerProfile, profiles_pb2.PlayerProfile)


_FLOAT32_EPSILON = 2.0**-23


class Knob(NamedTuple):
    """A field of a profile: its default and the closed range it may take; `meanings` says what it does."""

    default: Any
    low: float | None = None
    high: float | None = None
    unit: str = ""


# Defaults are those of the preset `live`; another preset puts its own in their place.
LEARNER_KNOBS: dict[str, Knob] = {
    "preset": Knob(presets.DEFAULT),
    "sample_rate": Knob(16_000, 8_000, 96_000, "Hz"),
    "frame_rate": Knob(100, 25, 1_000, "Hz"),
    # SwiftF0 alone hears a flute an octave too low in 7.4 % of what CREPE full is sure of, this in 1.5 %
    "f0_tracker": Knob(profiles_pb2.F0_TRACKER_AUTO),
    "f0_viterbi": Knob(True),
    "f0_min_hz": Knob(46.875, 16.0, 4_000.0, "Hz"),  # SwiftF0's own range
    "f0_max_hz": Knob(2_093.75, 20.0, 8_000.0, "Hz"),
    "f0_confidence_threshold": Knob(0.5, 0.0, 1.0),
    "harmonic_count": Knob(60, 1, 512),
    "noise_band_count": Knob(65, 2, 1_025),
    "recurrent_unit_count": Knob(128, 8, 2_048),
    "dense_unit_count": Knob(128, 8, 2_048),
    "dense_layer_count": Knob(2, 0, 8),
    "reverb_duration_s": Knob(1.0, 0.0, 10.0, "s"),
    "crop_duration_s": Knob(1.0, 0.25, 20.0, "s"),
    "batch_size": Knob(8, 1, 256),
    "learning_rate": Knob(3e-3, 1e-6, 0.1),
    "training_minutes": Knob(4.0, 0.01, 10_000.0, "min"),
    "step_count": Knob(0, 0, 10_000_000),
    "seed": Knob(0, 0, 2**31 - 1),
    "eval_fraction": Knob(0.1, 0.01, 0.5),
    "early_stop": Knob(True),
    "blessing_tolerance": Knob(0.05, 0.0, 10.0),
    "loudness_weighting": Knob(profiles_pb2.LOUDNESS_WEIGHTING_A),
    # Half an hour of practice on less than was given is a surprise; whoever wants that says so.
    "max_skipped_fraction": Knob(0.0, 0.0, 1.0),
}

PLAYER_KNOBS: dict[str, Knob] = {
    "pitch_shift_semitones": Knob(0.0, -48.0, 48.0, "semitones"),
    "fine_tuning_cents": Knob(0.0, -100.0, 100.0, "cents"),
    "a4_hz": Knob(440.0, 400.0, 480.0, "Hz"),
    "bend_range_semitones": Knob(2.0, 0.0, 96.0, "semitones"),
    "loudness_offset_db": Knob(0.0, -40.0, 40.0, "dB"),
    "loudness_curve": Knob(1.0, 0.25, 4.0),
    "pressure_scale": Knob(1.0, 0.0, 2.0),
    "harmonic_gain_db": Knob(0.0, -60.0, 24.0, "dB"),
    "noise_gain_db": Knob(0.0, -60.0, 24.0, "dB"),
    "brightness": Knob(0.0, -2.0, 2.0),
    "timbre_scale": Knob(1.0, 0.0, 2.0),
    "attack_scale": Knob(1.0, 0.05, 20.0),
    "decay_scale": Knob(1.0, 0.05, 20.0),
    "sustain_scale": Knob(1.0, 0.05, 20.0),
    "release_scale": Knob(1.0, 0.05, 20.0),
    "vibrato_scale": Knob(1.0, 0.0, 4.0),
    "vibrato_rate_hz": Knob(0.0, 0.0, 12.0, "Hz"),
    "vibrato_depth_cents": Knob(0.0, 0.0, 200.0, "cents"),
    "modulation_depth_cents": Knob(50.0, 0.0, 200.0, "cents"),
    "voice_count": Knob(16, 1, 32),
    "voice_mode": Knob(profiles_pb2.VOICE_MODE_POLY),
    "note_priority": Knob(profiles_pb2.NOTE_PRIORITY_LAST),
    "portamento_s": Knob(0.0, 0.0, 5.0, "s"),
    "reverb_mix": Knob(1.0, 0.0, 1.0),
    "output_gain_db": Knob(0.0, -60.0, 24.0, "dB"),
}


def complete_learner_profile(
    profile: profiles_pb2.LearnerProfile | None = None,
) -> profiles_pb2.LearnerProfile:
    """Fills every open field with its preset's value or its default, and checks the whole.

    Raises:
      ConfigError: A field is out of range, or two fields contradict each other.
    """
    given = profile or profiles_pb2.LearnerProfile()
    complete = _complete(given, learner_knobs(given))
    if complete.f0_min_hz >= complete.f0_max_hz:
        raise ConfigError(
            f"f0_min_hz={complete.f0_min_hz:g} is not below f0_max_hz={complete.f0_max_hz:g}: "
            "lower the first or raise the second."
        )
    spec(complete)  # refuses rates that do not fit each other
    return complete


def complete_player_profile(
    profile: profiles_pb2.PlayerProfile | None = None,
) -> profiles_pb2.PlayerProfile:
    """Fills every open field with its default and checks the whole.

    Raises:
      ConfigError: A field is out of range.
    """
    return _complete(profile or profiles_pb2.PlayerProfile(), PLAYER_KNOBS)


def settle_player_profile(
    learned: profiles_pb2.PlayerProfile,
    given: profiles_pb2.PlayerProfile | None = None,
) -> profiles_pb2.PlayerProfile:
    """What is given wins over what a personality says, and that over the defaults.

    Raises:
      ConfigError: A field is out of range.
    """
    profile = profiles_pb2.PlayerProfile()
    profile.CopyFrom(learned)
    if given is not None:
        profile.MergeFrom(given)
    return complete_player_profile(profile)


def learner_knobs(profile: profiles_pb2.LearnerProfile) -> dict[str, Knob]:
    """The learner's knobs with the defaults of the profile's preset, at the profile's sample rate."""
    preset = presets.find(profile.preset or presets.DEFAULT)
    knobs = {
        name: knob._replace(default=preset.settings.get(name, knob.default))
        for name, knob in LEARNER_KNOBS.items()
    }
    sample_rate = (
        profile.sample_rate
        if profile.HasField("sample_rate")
        else knobs["sample_rate"].default
    )
    frames = knobs["frame_rate"]
    knobs["frame_rate"] = frames._replace(
        default=presets.fit_frame_rate(frames.default, sample_rate)
    )
    for name in ("harmonic_count", "noise_band_count"):
        knob = knobs[name]
        scaled = presets.scale_count(name, knob.default, sample_rate)
        knobs[name] = knob._replace(default=scaled)
    return knobs


def spec(profile: profiles_pb2.LearnerProfile) -> AudioSpec:
    """Reads the clock out of a learner profile.

    Raises:
      ConfigError: The frame rate does not divide the sample rate.
    """
    return AudioSpec(sample_rate=profile.sample_rate, frame_rate=profile.frame_rate)


def parse_learner_settings(settings: Iterable[str]) -> profiles_pb2.LearnerProfile:
    """Reads `KEY=VALUE` settings into a learner profile; unset fields stay open.

    Raises:
      ConfigError: A key is unknown, or a value is not of its kind or out of range.
    """
    return _parse(settings, profiles_pb2.LearnerProfile(), LEARNER_KNOBS, "learner")


def parse_player_settings(settings: Iterable[str]) -> profiles_pb2.PlayerProfile:
    """Reads `KEY=VALUE` settings into a player profile; unset fields stay open.

    Raises:
      ConfigError: A key is unknown, or a value is not of its kind or out of range.
    """
    return _parse(settings, profiles_pb2.PlayerProfile(), PLAYER_KNOBS, "player")


def spell(profile: Profile, name: str, value: Any) -> str:
    """Writes a value of the profile's field `name` as a setting has it, numbers in short."""
    enum = profile.DESCRIPTOR.fields_by_name[name].enum_type
    if enum is not None:
        prefix = f"{name.upper()}_"
        return enum.values_by_number[value].name.removeprefix(prefix).lower()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def choices(name: str, enum_type: Any) -> dict[str, int]:
    """The values that the field `name` of an enum type may take, as settings spell them."""
    prefix = f"{name.upper()}_"
    return {
        value.name.removeprefix(prefix).lower(): value.number
        for value in enum_type.values
        if value.number
    }


def _complete(profile: Profile, knobs: dict[str, Knob]) -> Profile:
    complete = type(profile)()
    for name, knob in knobs.items():
        value = getattr(profile, name) if profile.HasField(name) else knob.default
        enum_type = profile.DESCRIPTOR.fields_by_name[name].enum_type
        if enum_type is not None:
            value = value or knob.default  # 0 is "not chosen"
            _check_choice(name, value, enum_type)
        _check_range(name, value, knob)
        setattr(complete, name, value)
    return complete


def _parse(
    settings: Iterable[str], profile: Profile, knobs: dict[str, Knob], kind: str
) -> Profile:
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(
                f"{kind} setting {setting!r} has no value: write it as KEY=VALUE, such as {_example(profile, knobs)}."
            )
        if key not in knobs:
            raise ConfigError(_unknown_key(key, knobs, kind))
        field = profile.DESCRIPTOR.fields_by_name[key]
        value = _parse_value(key, text, field, knobs[key])
        _check_range(key, value, knobs[key])
        setattr(profile, key, value)
    return profile


def _parse_value(key: str, text: str, field: Any, knob: Knob) -> Any:
    if field.enum_type is not None:
        return _parse_enum(key, text, field.enum_type)
    if field.type == field.TYPE_BOOL:
        words = {
            "true": True,
            "yes": True,
            "1": True,
            "false": False,
            "no": False,
            "0": False,
        }
        if text.lower() not in words:
            raise ConfigError(
                f"{key}={text} is not a yes or no: write {key}=true or {key}=false."
            )
        return words[text.lower()]
    kind = float if field.type == field.TYPE_FLOAT else int
    try:
        return kind(text)
    except ValueError:
        noun = "number" if kind is float else "whole number"
        raise ConfigError(
            f"{key}={text} is not a {noun}: choose from {_range(knob)}."
        ) from None


def _parse_enum(key: str, text: str, enum_type: Any) -> int:
    known = choices(key, enum_type)
    if text.lower() not in known:
        near = difflib.get_close_matches(text.lower(), known, n=1)
        offer = f"; did you mean {near[0]}?" if near else "."
        raise ConfigError(
            f"{key}={text} is not known: choose one of {', '.join(known)}{offer}"
        )
    return known[text.lower()]


def _check_choice(name: str, value: int, enum_type: Any) -> None:
    if value not in enum_type.values_by_number:
        known = ", ".join(choices(name, enum_type))
        raise ConfigError(f"{name}={value} is not known: choose one of {known}.")


def _check_range(name: str, value: Any, knob: Knob) -> None:
    if knob.low is None or knob.high is None:
        return
    # A float field holds float32, so a limit itself may come back a hair beyond it.
    slack = _FLOAT32_EPSILON * abs(value)
    if knob.low - slack <= value <= knob.high + slack:
        return
    raise ConfigError(f"{name}={value:g} is out of range: choose from {_range(knob)}.")


def _range(knob: Knob) -> str:
    return f"{knob.low:g} to {knob.high:g} {knob.unit}".rstrip()


def _unknown_key(key: str, knobs: dict[str, Knob], kind: str) -> str:
    near = difflib.get_close_matches(key, knobs, n=3, cutoff=0.4)
    offer = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"known are {', '.join(knobs)}."
    )
    return f"{kind} setting {key!r} does not exist: {offer}"


def _example(profile: Profile, knobs: dict[str, Knob]) -> str:
    name, knob = next(iter(knobs.items()))
    return f"{name}={spell(profile, name, knob.default)}"
