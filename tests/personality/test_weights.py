"""Checkpoints read without TensorFlow's reader, which agrees with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from amadeus.errors import BundleError
from amadeus.personality import weights
from tests.personality.test_bundle import MUTATIONS, mutate


def test_weights_are_those_tensorflow_reads(voice_path):
    from amadeus.voice.export import read_weights

    ours, theirs = (
        weights.read_weights(voice_path / "variables"),
        read_weights(voice_path),
    )
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert_array_equal(ours[name], theirs[name])
        assert ours[name].dtype == theirs[name].dtype


@pytest.fixture(scope="module")
def variables(voice_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("variables")
    for name in (weights.INDEX_NAME, weights.DATA_NAME):
        (folder / name).write_bytes((voice_path / "variables" / name).read_bytes())
    return folder


def test_what_lies_behind_the_weights_is_refused(variables, voice_path):
    """It would be in no digest."""
    path = variables / weights.DATA_NAME
    whole = path.read_bytes()
    for text, match in (
        (whole + b"\0" * 4, "behind"),
        (whole[:-4], "beyond their end"),
    ):
        path.write_bytes(text)
        with pytest.raises(BundleError, match=match):
            weights.read_weights(variables)
    path.write_bytes(whole)
    weights.read_weights(variables)


@settings(max_examples=3_000, deadline=None, database=None, derandomize=True)
@given(mutations=MUTATIONS)
def test_a_damaged_index_is_refused_or_harmless(variables, voice_path, mutations):
    """What passes has whole arrays in it, whose content the digest then judges."""
    original = (voice_path / "variables" / weights.INDEX_NAME).read_bytes()
    (variables / weights.INDEX_NAME).write_bytes(mutate(original, mutations))
    try:
        found = weights.read_weights(variables)
    except BundleError:
        return
    finally:
        (variables / weights.INDEX_NAME).write_bytes(original)
    assert all(array.dtype == np.float32 for array in found.values())


@settings(max_examples=500, deadline=None, database=None, derandomize=True)
@given(text=st.binary(max_size=200))
def test_noise_is_no_index(variables, text):
    original = (variables / weights.INDEX_NAME).read_bytes()
    (variables / weights.INDEX_NAME).write_bytes(text)
    try:
        with pytest.raises(BundleError):
            weights.read_weights(variables)
    finally:
        (variables / weights.INDEX_NAME).write_bytes(original)
