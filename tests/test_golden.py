import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests import golden


@pytest.fixture(scope="module")
def sounds():
    return golden.sounds()


@pytest.mark.parametrize(
    "name", ["harmonic", "noise", "reverb", "voice", "voice_with_reverb"]
)
def test_the_sound_is_the_one_last_listened_to(sounds, name):
    expected = np.load(golden.PATH)[name]
    assert 0.01 < np.abs(expected).max() < 2
    # processors differ by roundings, which a voice's network passes on
    assert_allclose(sounds[name], expected, atol=1e-4 * np.abs(expected).max())


def test_nothing_golden_is_forgotten(sounds):
    with np.load(golden.PATH) as kept:
        assert set(kept.files) == set(sounds)
        assert {values.dtype for values in kept.values()} == {np.dtype(np.float32)}
