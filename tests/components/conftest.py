import numpy as np
import pytest

from amadeus.v1 import profiles_pb2
from tests.components import sounds


@pytest.fixture(scope="session")
def takes_path(tmp_path_factory):
    """Four takes of two seconds each."""
    folder = tmp_path_factory.mktemp("takes")
    sounds.write_takes(folder, np.random.default_rng(440), n_takes=4)
    return folder


@pytest.fixture(scope="session")
def tiny_profile():
    """The smallest voice that can be taught: a step takes milliseconds."""
    return profiles_pb2.LearnerProfile(
        harmonic_count=8,
        noise_band_count=9,
        recurrent_unit_count=8,
        dense_unit_count=8,
        reverb_duration_s=0.05,
        crop_duration_s=0.25,
        batch_size=2,
        step_count=2,
    )
