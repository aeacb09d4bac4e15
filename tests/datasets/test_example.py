"""The walk over tf.train.Example agrees with TensorFlow's own parser, and never breaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amadeus.datasets import example
from amadeus.datasets.example import WireError

KEYS = st.text(max_size=12)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=9)
FEATURES = st.dictionaries(
    KEYS,
    st.one_of(
        st.tuples(st.just("int64_list"), st.lists(INT64, max_size=9)),
        st.tuples(st.just("float_list"), FLOATS),
        st.tuples(st.just("bytes_list"), st.lists(st.binary(max_size=200), max_size=4)),
    ),
    max_size=6,
)


def _message(features):
    tf = pytest.importorskip("tensorflow")
    message = tf.train.Example()
    for key, (kind, values) in features.items():
        getattr(message.features.feature[key], kind).value.extend(values)
        getattr(message.features.feature[key], kind).SetInParent()
    return message


@settings(max_examples=30, deadline=None)
@given(features=FEATURES)
def test_features_are_found_as_tensorflow_wrote_them(features):
    record = _message(features).SerializeToString()
    spans = example.find_features(record)
    assert spans.keys() == features.keys()
    readers = {
        "int64_list": example.ints,
        "float_list": example.floats,
        "bytes_list": example.texts,
    }
    for key, (kind, values) in features.items():
        assert list(readers[kind](record, spans[key])) == values
        if kind == "float_list":
            assert example.n_floats(record, spans[key]) == len(values)
        elif values:
            with pytest.raises(WireError, match="another kind"):
                example.floats(record, spans[key])


@settings(max_examples=30, deadline=None)
@given(
    numbers=st.lists(INT64, min_size=1, max_size=9),
    floats=FLOATS,
    words=st.lists(st.binary(max_size=200), min_size=1, max_size=4),
)
def test_what_is_written_tensorflow_reads(numbers, floats, words):
    tf = pytest.importorskip("tensorflow")
    record = example.encode(
        {
            "n": numbers,
            "one": numbers[0],
            "f": np.array(floats, "f4"),
            "w": words,
            "b": words[0],
            "e": [],
        }
    )
    feature = tf.train.Example.FromString(record).features.feature
    assert list(feature["n"].int64_list.value) == numbers
    assert list(feature["one"].int64_list.value) == numbers[:1]
    assert list(feature["f"].float_list.value) == floats
    assert list(feature["w"].bytes_list.value) == words
    assert list(feature["b"].bytes_list.value) == words[:1]
    assert feature["e"].WhichOneof("kind") is None


def test_floats_that_are_not_packed_are_read():
    values = np.array([0.5, -1.0, 2.0], "<f4")
    loose = b"".join(b"\x0d" + one.tobytes() for one in values)
    feature = b"\x12" + bytes([len(loose)]) + loose
    entry = b"\x0a\x01a\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    record = b"\x0a" + bytes([len(features)]) + features
    tf = pytest.importorskip("tensorflow")
    told = tf.train.Example.FromString(record).features.feature["a"].float_list.value
    assert list(told) == values.tolist()
    span = example.find_features(record)["a"]
    assert example.floats(record, span).tolist() == values.tolist()
    assert example.n_floats(record, span) == 3


def test_fields_that_no_example_has_are_passed_over():
    tf = pytest.importorskip("tensorflow")
    message = tf.train.Example()
    message.features.feature["a"].int64_list.value.append(-5)
    known = message.SerializeToString()
    odd = b"\x98\x06\x07" + known + b"\xa1\x06" + bytes(8)  # fields 99 and 100
    assert tf.train.Example.FromString(odd).features.feature["a"].int64_list.value == [
        -5
    ]
    assert example.ints(odd, example.find_features(odd)["a"]) == [-5]


def test_a_record_of_nothing_but_fields_does_not_fill_the_memory():
    with pytest.raises(WireError, match="more than 1,048,576 fields"):
        example.find_features(b"\x08\x00" * (1 << 20 | 1))


def test_a_record_of_nothing_but_features_does_not_fill_the_memory():
    record = example.encode({f"{n:05d}": 0 for n in range(10_001)})
    with pytest.raises(WireError, match="more than 10,000 features"):
        example.find_features(record)


@settings(max_examples=150, deadline=None)
@given(record=st.binary(max_size=60))
def test_any_bytes_are_an_example_or_refused(record):
    try:
        spans = example.find_features(record)
    except WireError:
        return
    for span in spans.values():
        for reader in (example.ints, example.texts, example.floats, example.n_floats):
            try:
                reader(record, span)
            except WireError:
                continue


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_record_that_is_cut_is_refused_or_less(data):
    record = example.encode({"a": [1, 2, 3], "b": b"word", "c": np.ones(4, "f4")})
    cut = record[: data.draw(st.integers(0, len(record) - 1))]
    if cut:
        with pytest.raises(WireError):
            example.find_features(cut)
