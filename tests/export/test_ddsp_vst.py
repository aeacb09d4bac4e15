"""The file is read as the plugin reads it: src/audio/tflite/ModelLibrary.cpp of magenta/ddsp-vst 1.1.0."""

import io
import json
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tensorflow.lite.python import schema_py_generated as schema

from amadeus.errors import ConfigError, VoiceError
from amadeus.export import ddsp_vst, tflite
from amadeus.voice.player import Voice
from tests.export.lite import call, open_model

INPUTS = {"call_f0_scaled:0": 1, "call_pw_scaled:0": 1, "call_state:0": 512}
OUTPUTS = {
    "StatefulPartitionedCall:0": 1,
    "StatefulPartitionedCall:1": 60,
    "StatefulPartitionedCall:2": 65,
    "StatefulPartitionedCall:3": 512,
}
# what the plugin reads, and what else ddsp_export.py of magenta/ddsp 3.7.0 writes
KEYS_READ = {
    "mean_min_pitch_note_hz",
    "mean_max_pitch_note_hz",
    "mean_min_power_note",
    "mean_max_power_note",
    "version",
    "export_time",
}
KEYS_BESIDE = {
    "mean_min_pitch_note",
    "mean_max_pitch_note",
    "num_harmonics",
    "num_noise_amps",
    "frame_rate",
    "frame_size",
    "sample_rate",
}


@pytest.fixture(scope="module")
def model(plugin_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "cello.tflite"
    ddsp_vst.export(plugin_path, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def flatbuffer(model):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))


def read_metadata(model):
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        return json.loads(archive.read("metadata.json"))


def test_the_plugin_finds_its_tensors(model):
    interpreter = open_model(model)
    for details, expected in (
        (interpreter.get_input_details(), INPUTS),
        (interpreter.get_output_details(), OUTPUTS),
    ):
        assert {d["name"]: int(np.prod(d["shape"])) for d in details} == expected
        assert {d["dtype"] for d in details} == {np.float32}


def test_operations_are_built_in_and_old_enough(flatbuffer):
    codes = flatbuffer.operatorCodes
    assert all(c.customCode is None for c in codes)
    assert all(c.builtinCode != schema.BuiltinOperator.CUSTOM for c in codes)
    loops = {schema.BuiltinOperator.WHILE, schema.BuiltinOperator.CALL_ONCE}
    assert not loops & {c.builtinCode for c in codes}
    buffers = {m.name: flatbuffer.buffers[m.buffer].data for m in flatbuffer.metadata}
    runtime = bytes(buffers[b"min_runtime_version"]).rstrip(b"\0").decode()
    # the plugin of 2022 carries a TensorFlow Lite of that year
    assert tuple(map(int, runtime.split("."))) <= (2, 8, 0)


def test_the_signature_is_magentas(flatbuffer):
    (signature,) = flatbuffer.signatureDefs
    assert signature.signatureKey == b"call"
    assert {s.name for s in signature.inputs} == {b"f0_scaled", b"pw_scaled", b"state"}


def test_nothing_comes_before_the_flatbuffer(model):
    # The plugin reads the file as text: a first byte of 0 would end it, a byte order mark would be taken away.
    assert 0 < model[0] < 0x80
    assert model[4:8] == b"TFL3"


def test_metadata_lies_uncompressed_in_an_archive_after_the_model(model):
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        (entry,) = archive.infolist()
    assert (entry.filename, entry.compress_type) == (
        "metadata.json",
        zipfile.ZIP_STORED,
    )
    assert model[entry.header_offset :].startswith(b"PK\x03\x04")
    metadata = read_metadata(model)
    assert metadata.keys() >= KEYS_READ | KEYS_BESIDE
    assert (metadata["num_harmonics"], metadata["num_noise_amps"]) == (60, 65)
    assert (metadata["frame_rate"], metadata["frame_size"]) == (50, 1_024)


def test_metadata_says_whose_voice_it_is(model, plugin_path):
    personality = Voice.load(plugin_path).personality
    metadata = read_metadata(model)
    assert metadata["deu"] == "cello"
    assert metadata["digest"] == personality.digest


def test_two_exports_share_no_export_time(plugin_path, model, tmp_path):
    ddsp_vst.export(plugin_path, tmp_path / "again.tflite")
    again = (tmp_path / "again.tflite").read_bytes()
    times = {read_metadata(m)["export_time"] for m in (model, again)}
    assert len(times) == 2


def test_the_plugin_hears_what_the_voice_says(model, plugin_path, phrase):
    f0_hz = np.abs(phrase[0]) + 50  # the plugin always has a pitch
    midi = 69 + 12 * np.log2(f0_hz / 440)
    loudness_db = phrase[1]
    expected = Voice.load(plugin_path).controls(f0_hz, loudness_db)
    interpreter, state = open_model(model), np.zeros(512)
    for frame in range(len(f0_hz)):
        outputs = call(
            interpreter,
            call_f0_scaled=[midi[frame] / 127],
            call_pw_scaled=[loudness_db[frame] / 80 + 1],
            call_state=state,
        )
        *controls, state = (outputs[name] for name in OUTPUTS)
        for ours, theirs in zip(controls, expected, strict=True):
            assert_allclose(ours, theirs[frame], atol=1e-4)
    assert np.ptp(expected.amplitude) > 0.1


def test_what_a_voice_was_not_taught_follows_the_loudness(model):
    """Taught from -60 to -15 dB: 12 dB below that is a quarter of the sound, 6 dB above about twice."""
    interpreter = open_model(model)

    def amplitude(power_db):
        outputs = call(
            interpreter,
            call_f0_scaled=[60 / 127],
            call_pw_scaled=[power_db / 80 + 1],
            call_state=np.zeros(512),
        )
        return outputs["StatefulPartitionedCall:0"][0]

    assert amplitude(-72) == pytest.approx(10**-0.6 * amplitude(-60), rel=1e-3)
    assert amplitude(-9) == pytest.approx(10**0.3 * amplitude(-15), rel=1e-3)


def test_harmonics_end_below_nyquist(model):
    interpreter = open_model(model)
    outputs = call(
        interpreter,
        call_f0_scaled=[(69 + 12 * np.log2(1_000 / 440)) / 127],
        call_pw_scaled=[0.6],
        call_state=np.zeros(512),
    )
    shares = outputs["StatefulPartitionedCall:1"]
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert (shares[:7] > 0).all()
    assert (shares[8:] == 0).all()


def test_a_voice_of_another_shape_is_refused(small_path, tmp_path):
    with pytest.raises(ConfigError, match="sample_rate=8000, and DDSP-VST plays only"):
        ddsp_vst.export(small_path, tmp_path / "small.tflite")
    assert list(tmp_path.iterdir()) == []


def test_a_converter_that_names_things_differently_is_found_out(
    plugin_path, tmp_path, monkeypatch
):
    look = tflite.look_into

    def look_elsewhere(model):
        return look(model)._replace(inputs={"serving_default_f0_scaled:0": 1})

    monkeypatch.setattr(tflite, "look_into", look_elsewhere)
    with pytest.raises(VoiceError, match="would not load"):
        ddsp_vst.export(plugin_path, tmp_path / "cello.tflite")
    assert list(tmp_path.iterdir()) == []
