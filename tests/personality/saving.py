"""A function saved as a voice is, for graphs that are none."""

import tensorflow as tf

FLOAT = 1  # DT_FLOAT


def graph_of(voice_path):
    """Reads the graph of a SavedModel as bytes."""
    return (voice_path / "saved_model.pb").read_bytes()


def save(path, function, **members):
    """Saves a function of f0_hz [n_batch, n_frames] as `perform`, and reads the graph back."""
    module = tf.Module()
    module.gain = tf.Variable([1.0], name="gain")
    for name, member in members.items():
        setattr(module, name, member)
    spec = tf.TensorSpec([None, None], tf.float32, "f0_hz")

    @tf.function(input_signature=[spec], autograph=False)
    def perform(f0_hz):
        return {"audio": function(f0_hz) * module.gain}

    tf.saved_model.save(module, str(path), signatures={"perform": perform})
    return graph_of(path)
