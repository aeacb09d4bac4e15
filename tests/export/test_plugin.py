import datetime

import numpy as np
import pytest

from amadeus.errors import ConfigError
from amadeus.export.plugin import check_shape, metadata
from amadeus.personality import profiles
from amadeus.v1 import personality_pb2, profiles_pb2

NOON = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)


def vst_profile(**settings):
    return profiles.complete_learner_profile(
        profiles_pb2.LearnerProfile(preset=profiles_pb2.PRESET_VST, **settings)
    )


def test_the_preset_vst_has_the_plugins_shape():
    check_shape(vst_profile())


@pytest.mark.parametrize(
    ("settings", "misfit"),
    [
        ({"sample_rate": 48_000}, "sample_rate=48000"),
        ({"frame_rate": 100}, "frame_rate=100"),
        ({"harmonic_count": 100}, "harmonic_count=100"),
        ({"noise_band_count": 98}, "noise_band_count=98"),
        ({"recurrent_unit_count": 128}, "recurrent_unit_count=128"),
        ({"loudness_weighting": profiles_pb2.LOUDNESS_WEIGHTING_A}, "weighting=a"),
    ],
)
def test_the_first_misfit_is_named(settings, misfit):
    with pytest.raises(ConfigError, match=misfit) as refusal:
        check_shape(vst_profile(**settings))
    assert "--learner preset=vst" in str(refusal.value)


def test_the_range_is_that_of_the_recordings():
    statistics = personality_pb2.Statistics(
        pitch_quantiles_midi=np.linspace(40, 80, 101),
        loudness_quantiles_db=np.linspace(-60, -10, 101),
    )
    said = metadata(vst_profile(), statistics, time=NOON)
    assert said["mean_min_pitch_note"] == pytest.approx(54.0)
    assert said["mean_max_pitch_note"] == pytest.approx(70.4)
    assert said["mean_min_pitch_note_hz"] == pytest.approx(184.997, abs=0.01)
    assert said["mean_min_power_note"] == pytest.approx(-56.5)
    assert said["mean_max_power_note"] == pytest.approx(-12.5)
    assert said["export_time"] == "2026-11-21T12:00:00.000000+00:00"


def test_without_notes_the_range_is_all_there_could_be():
    said = metadata(vst_profile(), personality_pb2.Statistics(), time=NOON)
    assert (
        46.8 < said["mean_min_pitch_note_hz"] < said["mean_max_pitch_note_hz"] < 2_100
    )
    assert -80 <= said["mean_min_power_note"] < said["mean_max_power_note"] <= 0
