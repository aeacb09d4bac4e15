import numpy as np
import onnxruntime
import pytest
from numpy.testing import assert_allclose

from amadeus.features.onnx_graph import Node, encode_model


def _run(model, x):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_a_network_of_all_kinds_of_attributes_computes_what_it_says(rng):
    kernel = rng.normal(size=(5, 300, 3)).astype(np.float32)
    x = rng.normal(size=(2, 300, 8)).astype(np.float32)
    nodes = [
        Node("Conv", ["x", "kernel"], "c", {"pads": [1, 1], "strides": [2]}),
        Node("LeakyRelu", ["c"], "r", {"alpha": 0.25}),
        Node("Flatten", ["r"], "y", {"axis": 1}),
    ]
    model = encode_model(
        nodes, {"kernel": kernel}, given=("x", [300, 8]), wanted=("y", [20])
    )
    views = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((0, 0), (0, 0), (1, 1))), 3, axis=2
    )[:, :, ::2]
    linear = np.einsum("nitw,oiw->not", views, kernel)
    expected = np.where(linear > 0, linear, 0.25 * linear).reshape(2, -1)
    assert_allclose(_run(model, x), expected, atol=1e-4)


@pytest.mark.parametrize("n_frames", [1, 130])
def test_the_batch_is_free(n_frames):
    model = encode_model(
        [Node("Relu", ["x"], "y")], {}, given=("x", [2]), wanted=("y", [2])
    )
    assert _run(model, np.ones((n_frames, 2), np.float32)).shape == (n_frames, 2)
