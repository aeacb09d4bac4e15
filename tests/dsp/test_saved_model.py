"""What is synthesised here must live in a SavedModel that any TensorFlow Serving loads."""

import numpy as np
import tensorflow as tf
from numpy.testing import assert_allclose

from amadeus.audio import AudioSpec
from amadeus.dsp import harmonic, noise, reverb

SPEC = AudioSpec(sample_rate=16_000, frame_rate=100)
FOREIGN_OPS = ("PyFunc", "Xla", "Custom", "Py", "Lite")


class Organ(tf.Module):
    """All synthesisers in one graph of dynamic batch and time."""

    def __init__(self):
        super().__init__()
        self.response = tf.Variable(tf.fill([400], 0.01))

    @tf.function(
        input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None, None, 65])]
    )
    def sound(self, f0_hz, magnitudes):
        shape = tf.shape(f0_hz)
        n_batch, n_samples = shape[0], shape[1] * SPEC.hop_size
        shares = harmonic.normalize_below_nyquist(
            tf.ones([n_batch, shape[1], 60]), f0_hz=f0_hz, spec=SPEC
        )
        nothing = tf.zeros([n_batch])
        tones = harmonic.synthesize(
            f0_hz,
            shares,
            previous_f0_hz=nothing,
            previous_amplitudes=tf.zeros([n_batch, 60]),
            phase=nothing,
            spec=SPEC,
        )
        hiss = noise.filter_noise(
            magnitudes,
            noise.uniform(nothing, nothing, n_samples),
            tail=tf.zeros([n_batch, 127]),
            spec=SPEC,
        )
        return reverb.convolve(tones.audio + hiss.audio, self.response)


def test_synthesis_survives_a_saved_model_of_standard_ops(tmp_path, rng):
    organ = Organ()
    tf.saved_model.save(organ, str(tmp_path), signatures=organ.sound)
    loaded = tf.saved_model.load(str(tmp_path))
    for n_batch, n_frames in ((1, 1), (3, 20)):
        f0_hz = rng.uniform(80, 900, size=(n_batch, n_frames)).astype(np.float32)
        magnitudes = rng.uniform(size=(n_batch, n_frames, 65)).astype(np.float32)
        audio = loaded.signatures["serving_default"](
            f0_hz=tf.constant(f0_hz), magnitudes=tf.constant(magnitudes)
        )["output_0"]
        assert audio.shape == (n_batch, n_frames * SPEC.hop_size)
        assert_allclose(audio, organ.sound(f0_hz, magnitudes), atol=1e-5)
    assert not [op for op in _op_names(tmp_path) if op.startswith(FOREIGN_OPS)]


def _op_names(path):
    from tensorflow.core.protobuf import saved_model_pb2

    graph = saved_model_pb2.SavedModel.FromString(
        (path / "saved_model.pb").read_bytes()
    )
    definition = graph.meta_graphs[0].graph_def
    nodes = [
        *definition.node,
        *(n for f in definition.library.function for n in f.node_def),
    ]
    names = {node.op for node in nodes}
    assert "BatchMatMulV2" in names, "the graph was not read"
    return names
