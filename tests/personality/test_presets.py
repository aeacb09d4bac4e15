"""Presets decide what is left open, and their sizes are those of the voices they make."""

import pytest

from amadeus.errors import ConfigError
from amadeus.personality import presets, profiles, size
from amadeus.v1 import profiles_pb2

RATES = (16_000, 24_000, 32_000, 44_100, 48_000)


def complete(preset, **fields):
    asked = profiles_pb2.LearnerProfile(preset=preset.number, **fields)
    return profiles.complete_learner_profile(asked)


def test_every_preset_of_the_proto_is_known():
    numbers = [number for number in profiles_pb2.Preset.values() if number]
    assert [preset.number for preset in presets.PRESETS] == numbers
    with pytest.raises(ConfigError, match="choose one of tiny, live, solo, vst"):
        presets.find(99)


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda p: p.name)
def test_what_is_set_wins_over_the_preset_and_that_over_the_default(preset):
    profile = complete(preset, recurrent_unit_count=77)
    assert profile.recurrent_unit_count == 77
    for name, value in preset.settings.items():
        if name != "recurrent_unit_count":
            assert getattr(profile, name) == pytest.approx(value)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda p: p.name)
def test_every_preset_works_at_every_rate_and_keeps_its_reach(preset, sample_rate):
    profile, usual = complete(preset, sample_rate=sample_rate), complete(preset)
    profiles.spec(profile)  # hops are whole
    assert profile.frame_rate == pytest.approx(usual.frame_rate, rel=0.05)
    scale = sample_rate / usual.sample_rate
    assert profile.harmonic_count == pytest.approx(scale * usual.harmonic_count, abs=1)
    spacings_hz = [p.sample_rate / (p.noise_band_count - 1) for p in (profile, usual)]
    assert spacings_hz[0] == pytest.approx(spacings_hz[1], rel=0.01)


def test_a_frame_rate_that_was_asked_for_is_not_moved():
    with pytest.raises(ConfigError, match="Use frame_rate=245 or 252"):
        complete(
            presets.find(profiles_pb2.PRESET_SOLO), sample_rate=44_100, frame_rate=250
        )


def test_a_sample_rate_that_no_frame_rate_fits_is_refused():
    with pytest.raises(ConfigError, match="does not divide"):
        complete(presets.find(profiles_pb2.PRESET_LIVE), sample_rate=16_001)


def test_latency_is_a_block_and_half_of_the_noise_filter():
    profile = complete(presets.find(profiles_pb2.PRESET_LIVE), sample_rate=48_000)
    half_filter_s = (profile.noise_band_count - 1) / 48_000
    assert size.measure(profile).latency_s == pytest.approx(0.01 + half_filter_s)


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda p: p.name)
@pytest.mark.parametrize("n_layers", [None, 0])
def test_parameters_are_counted_as_the_voice_has_them(preset, n_layers):
    import numpy as np

    from amadeus.voice.model import VoiceModel

    profile = complete(preset)
    if n_layers is not None:
        profile.dense_layer_count = n_layers
    model = VoiceModel(profile)
    counted = size.measure(profile)
    n_trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert counted.n_parameters == n_trainable
    assert counted.n_reverb == model.reverb.shape[0]
