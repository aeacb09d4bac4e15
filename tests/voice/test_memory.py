"""A batch that does not fit memory becomes smaller, and that is said."""

import pytest

from amadeus.errors import PracticeError
from amadeus.personality import profiles
from amadeus.voice import memory
from amadeus.voice.training import train_on_passages

GIB = 2**30


def make_profile(*settings):
    return profiles.complete_learner_profile(profiles.parse_learner_settings(settings))


def test_longer_crops_and_larger_networks_take_more():
    small = memory.crop_bytes(make_profile("preset=tiny"))
    assert small < memory.crop_bytes(make_profile("preset=live"))
    assert memory.crop_bytes(make_profile("crop_duration_s=4")) == pytest.approx(
        2 * memory.crop_bytes(make_profile("crop_duration_s=2")), rel=1e-6
    )


def test_a_batch_that_fits_stays():
    profile = make_profile("batch_size=16")
    assert memory.affordable_batch_size(profile, available_bytes=8 * GIB) == 16
    assert memory.affordable_batch_size(profile, available_bytes=None) == 16


def test_a_batch_that_does_not_fit_becomes_smaller():
    profile = make_profile("preset=solo", "batch_size=256", "crop_duration_s=20")
    n_crops = memory.affordable_batch_size(profile, available_bytes=8 * GIB)
    assert 1 <= n_crops < 256
    assert n_crops * memory.crop_bytes(profile) <= 8 * GIB


def test_a_crop_that_does_not_fit_is_refused_with_what_to_do():
    profile = make_profile("preset=solo", "crop_duration_s=20")
    with pytest.raises(PracticeError, match="lower crop_duration_s"):
        memory.affordable_batch_size(profile, available_bytes=100_000_000)


def test_the_system_tells_what_is_free():
    assert memory.free_bytes() > 0


def test_a_smaller_batch_is_said_aloud(profile, make_passage, tmp_path, monkeypatch):
    profile.batch_size, profile.step_count = 4, 2
    available_bytes = int(3.2 * memory.crop_bytes(profile) / memory.USABLE_SHARE)
    monkeypatch.setattr(memory, "free_bytes", lambda: available_bytes)
    warnings = []

    def emit(training_progress=None, warning=None):
        if warning is not None:
            warnings.append(warning.text)

    train_on_passages(
        [make_passage(seconds=3.0)],
        [make_passage(seconds=2.0)],
        profile=profile,
        checkpoint_path=tmp_path,
        emit=emit,
    )
    assert any("batch_size=3" in text for text in warnings)
