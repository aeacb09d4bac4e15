import pytest

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError


def test_hop_size_is_the_whole_number_between_the_rates():
    assert AudioSpec(sample_rate=16_000, frame_rate=100).hop_size == 160


def test_frame_rate_must_divide_sample_rate_and_the_nearest_are_offered():
    with pytest.raises(ConfigError, match=r"176\.4 samples.*frame_rate=245 or 252"):
        AudioSpec(sample_rate=44_100, frame_rate=250)


@pytest.mark.parametrize(("sample_rate", "frame_rate"), [(0, 1), (16_000, 0), (-8, -4)])
def test_a_rate_is_at_least_one(sample_rate, frame_rate):
    with pytest.raises(ConfigError, match="at least 1"):
        AudioSpec(sample_rate=sample_rate, frame_rate=frame_rate)


def test_a_frame_is_at_least_one_sample():
    with pytest.raises(ConfigError, match="lower frame_rate"):
        AudioSpec(sample_rate=100, frame_rate=200)


def test_frames_sit_on_every_hop_and_are_counted_without_floats():
    spec = AudioSpec(sample_rate=16_000, frame_rate=250)
    assert spec.n_frames(2_067_968) == 32_312 + 1  # 32311 by way of floats (ddsp #218)
    assert spec.n_frames(0) == 1
