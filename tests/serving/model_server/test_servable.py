"""Loaded SavedModels: TensorFlow's own loading is the oracle."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.model_server import warmup
from serving.model_server.servable import Servable
from serving.model_server.status import Code, ServingError
from serving.model_server.tensors import fill
from tests.contract import fixture_models


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    return fixture_models.save_line(tmp_path_factory.mktemp("half") / "1")


def test_a_servable_answers_as_the_function_does(tmp_path, rng):
    several = fixture_models.Several()
    path = fixture_models.save(several, tmp_path / "1", serving_default=several.both)
    inputs = {
        "a": rng.standard_normal(9).astype(np.float32),
        "b": np.arange(9, dtype=np.int32),
    }
    loaded = tf.saved_model.load(str(path))
    wanted = loaded.signatures["serving_default"](
        **{name: tf.constant(array) for name, array in inputs.items()}
    )
    answer = Servable.load(path).call("serving_default", inputs)
    assert set(answer) == set(wanted)
    for name, array in answer.items():
        np.testing.assert_array_equal(array, wanted[name].numpy())


class Branching(tf.Module):
    """Loops and branches, as `tf.function` writes them."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def run(self, x):
        total = tf.constant(0.0)
        for value in x:
            if value > 0:
                total += value
        return {"total": total}


def test_loops_and_branches_run(tmp_path):
    model = Branching()
    path = fixture_models.save(model, tmp_path / "1", serving_default=model.run)
    answer = Servable.load(path).call("serving_default", {"x": np.float32([1, -2, 3])})
    assert answer["total"] == 4.0


def test_graphs_of_tensorflow_1_run(tmp_path):
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        v1.disable_control_flow_v2()
        try:
            x = v1.placeholder(tf.int32, [], "x")
            y = v1.while_loop(lambda i: i < x, lambda i: i + 1, [0])
        finally:
            v1.enable_control_flow_v2()
        v1.saved_model.simple_save(session, str(tmp_path / "1"), {"x": x}, {"y": y})
    answer = Servable.load(tmp_path / "1").call("serving_default", {"x": np.int32(5)})
    assert answer["y"] == 5


def test_many_threads_ask_at_once(half):
    servable = Servable.load(half)
    wrong = []

    def ask(x):
        for _ in range(100):
            answer = servable.call("serving_default", {"x": np.float32([x])})
            if answer["y"] != x / 2 + 2:
                wrong.append((x, answer))

    threads = [threading.Thread(target=ask, args=(x,)) for x in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_shapes_are_those_of_the_signature(tmp_path):
    several = fixture_models.Several()
    path = fixture_models.save(several, tmp_path / "1", serving_default=several.both)
    servable = Servable.load(path)
    with pytest.raises(ServingError, match=r"of shape \[-1\] but it is \[1,2\]"):
        servable.call(
            "serving_default", {"a": np.ones((1, 2), np.float32), "b": np.int32([1])}
        )


def test_errors_of_tensorflow_tell_no_paths(tmp_path):
    several = fixture_models.Several()
    path = fixture_models.save(several, tmp_path / "1", serving_default=several.both)
    inputs = {"a": np.ones(2, np.float32), "b": np.int32([1, 2, 3])}
    with pytest.raises(ServingError, match="Incompatible shapes") as caught:
        Servable.load(path).call("serving_default", inputs)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert ".py" not in caught.value.text
    assert str(tmp_path) not in caught.value.text


def test_long_calls_end_when_nobody_waits_any_more(tmp_path):
    slow = fixture_models.Slow()
    path = fixture_models.save(slow, tmp_path / "1", serving_default=slow.count)
    servable = Servable.load(path)
    known_s, n = 0.0, 10_000
    while known_s < 0.1:  # until it is known to take long
        start_s = time.perf_counter()
        n *= 2
        assert servable.call("serving_default", {"n": np.int32(n)})["total"] == n
        known_s = time.perf_counter() - start_s
    start_s = time.perf_counter()
    with pytest.raises(ServingError) as caught:
        servable.call("serving_default", {"n": np.int32(100 * n)}, timeout_s=0.05)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert time.perf_counter() - start_s < 20 * known_s
    answer = servable.call("serving_default", {"n": np.int32(5)}, timeout_s=30)
    assert answer["total"] == 5


def damage_graph(path):
    (path / "saved_model.pb").write_bytes(b"\xff" * 100)


def cut_graph(path):
    content = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(content[: len(content) // 2])


def remove_graph(path):
    (path / "saved_model.pb").unlink()


def remove_variables(path):
    for file in (path / "variables").iterdir():
        file.unlink()


def cut_variables(path):
    for file in (path / "variables").glob("*.data*"):
        file.write_bytes(file.read_bytes()[:3])


@pytest.mark.parametrize(
    "damage", [damage_graph, cut_graph, remove_graph, remove_variables, cut_variables]
)
def test_damaged_models_are_told(tmp_path, damage):
    path = fixture_models.save_line(tmp_path / "1")
    damage(path)
    with pytest.raises(ServingError):
        Servable.load(path)


def test_a_model_without_the_tag_serve_is_told(half, tmp_path):
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel.FromString(
        (half / "saved_model.pb").read_bytes()
    )
    proto.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    (tmp_path / "saved_model.pb").write_bytes(proto.SerializeToString())
    with pytest.raises(ServingError):
        Servable.load(tmp_path)


def write_warmup(path, *logs):
    (path / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path / warmup.WARMUP_FILE)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def predict_log(x, alias="x"):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = "serving_default"
    fill(request.inputs[alias], np.asarray(x))
    return log


def test_the_models_own_warmup_requests_are_replayed(tmp_path, monkeypatch):
    path = fixture_models.save_line(tmp_path / "1")
    write_warmup(path, predict_log(np.float32([1, 2])), predict_log(np.float32([3])))
    servable, asked = Servable.load(path), []
    monkeypatch.setattr(
        servable,
        "call",
        lambda name, inputs, outputs: asked.append((name, inputs["x"].tolist())),
    )
    warmup.warm_up(servable)
    assert asked == [("serving_default", [1.0, 2.0]), ("serving_default", [3.0])]


def test_warmup_requests_that_fail_are_told(tmp_path):
    path = fixture_models.save_line(tmp_path / "1")
    write_warmup(path, predict_log(np.float32([1]), alias="z"))
    with pytest.raises(ServingError, match="alias not found"):
        warmup.warm_up(Servable.load(path))
    (path / warmup.WARMUP_FILE).write_bytes(b"no records" * 10)
    with pytest.raises(ServingError, match="Failed to read warmup requests"):
        warmup.warm_up(Servable.load(path))


def test_a_voice_is_played_before_the_first_caller_comes(tmp_path, monkeypatch):
    class Voice(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 1], tf.float32, "f0_hz"),
                tf.TensorSpec([None, 7], tf.float32, "state"),
            ],
            autograph=False,
        )
        def step(self, f0_hz, state):
            return {"audio": tf.tile(f0_hz, [1, 4]), "state": state}

        @tf.function(
            input_signature=[tf.TensorSpec([None, None], tf.float32, "audio")],
            autograph=False,
        )
        def reverberate(self, audio):
            return {"audio": tf.reshape(audio, [1, -1, 4])}

    voice = Voice()
    path = fixture_models.save(
        voice, tmp_path / "1", step=voice.step, reverberate=voice.reverberate
    )
    servable, shapes = Servable.load(path), {}
    real = servable.call

    def call(name, inputs, outputs=()):
        shapes[name] = {alias: array.shape for alias, array in inputs.items()}
        return real(name, inputs, outputs)

    monkeypatch.setattr(servable, "call", call)
    warmup.warm_up(servable)
    assert shapes == {
        "step": {"f0_hz": (1, 1), "state": (1, 7)},
        "reverberate": {"audio": (1, 4)},  # a whole frame
    }


def test_the_uuid_of_ml_metadata_is_read(half, tmp_path):
    assert Servable.load(half).mlmd_uuid == ""
    path = fixture_models.save_line(tmp_path / "1")
    (path / "assets.extra").mkdir()
    Path(path, "assets.extra", "mlmd_uuid").write_text("abc-1\n")
    assert Servable.load(path).mlmd_uuid == "abc-1"
