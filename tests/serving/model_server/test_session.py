"""Graphs run by TensorFlow's C interface."""

import gc
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from serving.model_server import tensorflow_c
from serving.model_server.servable import Servable
from serving.model_server.session import Session
from serving.model_server.status import Code, NotFoundError, ServingError
from tests.contract import fixture_models


class Echo(tf.Module):
    """Gives back what it gets."""

    def __init__(self, dtype):
        super().__init__()
        spec = tf.TensorSpec(None, dtype, "x")
        self.echo = tf.function(lambda x: {"y": tf.identity(x)}, input_signature=[spec])


TYPES = (
    *("float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"),
)


def open_echo(path, dtype):
    model = Echo(dtype)
    fixture_models.save(model, path, serving_default=model.echo)
    session = Session.load(path)
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    inputs = [tensor.name for tensor in signature.inputs if tensor.name == "x:0"]
    assert inputs
    return session, session.find(["serving_default_x:0"], ["PartitionedCall:0"])


@pytest.mark.parametrize("name", TYPES)
def test_values_of_all_types_come_back_as_they_were(tmp_path, name, rng):
    dtype = tf.as_dtype(name)
    session, feeds = open_echo(tmp_path / "1", dtype)
    values = rng.integers(0, 100, (3, 2)).astype(dtype.as_numpy_dtype)
    for x in (values, values.T, values[::2], values[:0], values[0, 0]):
        x = np.asarray(x)
        (y,) = session.run(feeds, [x])
        assert y.dtype == dtype.as_numpy_dtype
        np.testing.assert_array_equal(y, x)


def test_strings_of_any_length_come_back_as_bytes(tmp_path):
    session, feeds = open_echo(tmp_path / "1", tf.string)
    texts = [b"", b"a", "ü", b"\0\xff", b"x" * 22, b"y" * 23, b"z" * 100_000]
    for x in (np.array(texts, object), np.array([["a", "bc"]]), np.array(b"abc")):
        (y,) = session.run(feeds, [x])
        assert y.shape == x.shape
        wanted = [t.encode() if isinstance(t, str) else t for t in x.flat]
        assert list(y.flat) == wanted
        assert all(type(t) is bytes for t in y.flat)


class Keeper(tf.Module):
    """Keeps what it gets, and tells it when asked."""

    def __init__(self):
        super().__init__()
        self.kept = tf.Variable(["", "", ""])
        spec = tf.TensorSpec([3], tf.string, "x")
        self.keep = tf.function(
            lambda x: {"y": tf.size(self.kept.assign(x))}, input_signature=[spec]
        )
        self.tell = tf.function(lambda: {"y": tf.identity(self.kept)})


def test_strings_that_a_graph_keeps_stay_what_they_are(tmp_path):
    model = Keeper()
    fixture_models.save(
        model, tmp_path / "1", keep=model.keep, tell=model.tell.get_concrete_function()
    )
    servable = Servable.load(tmp_path / "1")
    for texts in ([b"", b"a" * 22, b"b" * 50], [b"c" * 23, b"d", b"e" * 100_000]):
        servable.call("keep", {"x": np.array(texts, object)})
        assert list(servable.call("tell", {})["y"]) == texts


def test_outputs_beside_one_that_has_no_values_are_freed(tmp_path, monkeypatch):
    class Mixed(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1], tf.float32, "x")])
        def mix(self, x):
            variant = tf.raw_ops.TensorListReserve(
                element_shape=tf.zeros([0], tf.int32),
                num_elements=1,
                element_dtype=tf.float32,
            )
            return {"a": variant, "b": x + 1.0, "c": x + 2.0}

    model = Mixed()
    fixture_models.save(model, tmp_path / "1", mix=model.mix)
    servable = Servable.load(tmp_path / "1")
    freed, free = [], tensorflow_c.library().quick.DeleteTensor
    monkeypatch.setattr(
        tensorflow_c.library().quick,
        "DeleteTensor",
        staticmethod(lambda tensor: (freed.append(tensor), free(tensor))),
    )
    with pytest.raises(ServingError, match="has no values"):
        servable.call("mix", {"x": np.float32([1])})
    assert len(freed) == 4  # three outputs and an input


def test_a_session_that_was_never_closed_ends_quietly_with_its_process(tmp_path):
    fixture_models.save_line(tmp_path / "1")
    program = (
        "import pathlib, sys\n"
        "from serving.model_server.session import Session\n"
        "session = Session.load(pathlib.Path(sys.argv[1]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "1"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "Traceback" not in ended.stderr


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError):
        Session.load(tmp_path / "nowhere")
    session, _ = open_echo(tmp_path / "1", tf.float32)
    for name in ("nobody:0", "PartitionedCall:7"):
        with pytest.raises(LookupError):
            session.find(["serving_default_x:0"], [name])


def test_a_wrong_type_is_told_and_nothing_is_lost(tmp_path):
    session, feeds = open_echo(tmp_path / "1", tf.float32)
    with pytest.raises(ServingError) as caught:
        session.run(feeds, [np.int32([1])])
    assert caught.value.code is Code.INVALID_ARGUMENT
    np.testing.assert_array_equal(session.run(feeds, [np.float32([1])])[0], [1])


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_memory_does_not_grow_with_calls_or_loads(tmp_path):
    session, feeds = open_echo(tmp_path / "1", tf.string)
    text = np.array([b"x" * 100_000] * 10, object)

    def ask():
        for _ in range(50):
            session.run(feeds, [text])
        Session.load(tmp_path / "1").close()

    for _ in range(3):
        ask()
    gc.collect()
    before = resident_bytes()
    for _ in range(10):
        ask()
    # each of the 500 calls moved 2 MB
    assert resident_bytes() - before < 60e6


def test_others_go_on_while_a_model_is_loaded(tmp_path):
    fixture_models.save_line(tmp_path / "1")
    Session.load(tmp_path / "1").close()
    loader = threading.Thread(target=lambda: Session.load(tmp_path / "1").close())
    n_turns, interval_s = 0, sys.getswitchinterval()
    sys.setswitchinterval(1000.0)  # the lock is handed over only by who gives it back
    try:
        loader.start()
        while loader.is_alive():
            time.sleep(0)
            n_turns += 1
    finally:
        sys.setswitchinterval(interval_s)
    assert n_turns > 100
