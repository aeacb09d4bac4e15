"""The network frame by frame, in runtimes that know nothing of us, against the SavedModel."""

import io
import json
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose

from amadeus.export import onnx_file, tflite
from amadeus.voice.player import Voice
from tests.export.lite import open_model

CONTROLS = ("amplitude", "harmonic_distribution", "noise_magnitudes")


def step_tflite(model):
    run = open_model(model).get_signature_runner("step")

    def step(f0_hz, loudness_db, state):
        outputs = run(f0_hz=f0_hz, loudness_db=loudness_db, state=state)
        return [outputs[name] for name in (*CONTROLS, "state")]

    return step


def step_onnx(model):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def step(f0_hz, loudness_db, state):
        inputs = {"f0_hz": f0_hz, "loudness_db": loudness_db, "state": state}
        return session.run([*CONTROLS, "next_state"], inputs)

    return step


@pytest.mark.parametrize(
    ("exporter", "open_step"), [(tflite, step_tflite), (onnx_file, step_onnx)]
)
@pytest.mark.parametrize("voice", ["small_path", "plugin_path"])
def test_a_runtime_says_what_the_saved_model_says(
    request, voice, exporter, open_step, phrase, tmp_path
):
    if exporter is onnx_file:
        pytest.importorskip("onnx")
    voice_path = request.getfixturevalue(voice)
    exporter.export(voice_path, tmp_path / "voice")
    step = open_step((tmp_path / "voice").read_bytes())
    expected = Voice.load(voice_path).controls(*phrase)
    n_units = {"small_path": 16, "plugin_path": 512}[voice]
    state = np.zeros(n_units + 1, np.float32)
    for frame in range(len(phrase[0])):
        inputs = (values[frame : frame + 1] for values in phrase)
        *controls, state = step(*inputs, state)
        for ours, theirs in zip(controls, expected, strict=True):
            assert_allclose(ours, theirs[frame], atol=1e-4, rtol=1e-4)
    assert np.ptp(expected.harmonic_distribution) > 0.1


def test_a_lite_file_says_what_its_player_must_know(small_path, tmp_path):
    tflite.export(small_path, tmp_path / "voice.tflite")
    model = (tmp_path / "voice.tflite").read_bytes()
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        metadata = json.loads(archive.read("metadata.json"))
    assert metadata["sample_rate"] == 8_000
    assert metadata["loudness_weighting"] == "a"
    assert metadata["deu"] == "cello"
    assert tflite.look_into(model).custom_operators == set()


def test_an_onnx_file_says_what_its_player_must_know(small_path, tmp_path):
    onnx = pytest.importorskip("onnx")
    onnx_file.export(small_path, tmp_path / "voice.onnx")
    model = onnx.load(tmp_path / "voice.onnx")
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["frame_rate"] == "50"
    assert metadata["digest"].startswith("sha256:")
    assert [opset.version for opset in model.opset_import] == [17]
