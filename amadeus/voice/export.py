"""A voice as a SavedModel that TF Serving plays unmodified.

Signatures (all inputs float32 and required):
  perform, serving_default   f0_hz, loudness_db [batch, n_frames], state [batch, state_size]
                             -> audio [batch, n_frames * hop_size], state
  step                       as `bend` for n_frames = 1, in less time
  bend                       as `perform`, with harmonic_gain_db, noise_gain_db, brightness [batch, n_frames] beside
                             the pitch: see `model.Timbre`
  reverberate                audio [batch, n_frames * hop_size], state [batch, reverb_state_size],
                             reverb_mix [batch] -> audio, state: the learned reverb in blocks
  render                     f0_hz, loudness_db [batch, n_frames], reverb_mix [batch] -> audio
  render_bent                as `render`, with harmonic_gain_db, noise_gain_db, brightness [batch, n_frames]
  controls                   f0_hz, loudness_db [batch, n_frames] -> amplitude [batch, n_frames, 1],
                             harmonic_distribution [batch, n_frames, n_harmonics],
                             noise_magnitudes [batch, n_frames, n_noise_bands]
Who the voice is stands beside them in `assets.extra/personality.json`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from amadeus.dsp import reverb
from amadeus.errors import VoiceError
from amadeus.personality.content import write_personality
from amadeus.v1 import personality_pb2
from amadeus.voice.model import Timbre, VoiceModel

_VARIABLE_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def export(
    model: VoiceModel, path: str | Path, personality: personality_pb2.Personality
) -> None:
    """Writes a voice.

    Args:
      model: The network.
      path: Folder of the SavedModel, made if need be; not atomic, so write it where nobody looks yet.
      personality: Who the voice is.
    """
    tf.saved_model.save(model, str(path), signatures=_signatures(model))
    write_personality(Path(path), personality)


def read_weights(voice_path: str | Path) -> dict[str, np.ndarray]:
    """Reads the variables of an exported voice, named as by `VoiceModel.weights`, without loading its graphs.

    Raises:
      VoiceError: They are missing or damaged.
    """
    prefix = Path(voice_path) / "variables" / "variables"
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        keys = [
            key
            for key in reader.get_variable_to_shape_map()
            if key.endswith(_VARIABLE_SUFFIX)
        ]
        return {
            key.removesuffix(_VARIABLE_SUFFIX): reader.get_tensor(key) for key in keys
        }
    except (tf.errors.OpError, ValueError, LookupError, RuntimeError) as error:
        raise VoiceError(
            f"the voice in {voice_path} is missing or damaged: its weights cannot be read; practise again or name "
            "another voice."
        ) from error


def _signatures(model: VoiceModel) -> dict[str, Any]:
    frames = [_spec("f0_hz"), _spec("loudness_db")]
    frame = [_spec("f0_hz", 1), _spec("loudness_db", 1)]
    bends, bent_frame = (
        [_spec(name, n_frames) for name in Timbre._fields] for n_frames in (None, 1)
    )
    state = tf.TensorSpec([None, model.state_size], tf.float32, "state")
    mix = tf.TensorSpec([None], tf.float32, "reverb_mix")

    @tf.function(input_signature=[*frames, state], autograph=False)
    def perform(
        f0_hz: tf.Tensor, loudness_db: tf.Tensor, state: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        return model.perform(f0_hz, loudness_db, state)._asdict()

    def play_bent(
        f0_hz: tf.Tensor,
        loudness_db: tf.Tensor,
        state: tf.Tensor,
        harmonic_gain_db: tf.Tensor,
        noise_gain_db: tf.Tensor,
        brightness: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        timbre = Timbre(harmonic_gain_db, noise_gain_db, brightness)
        return model.perform(f0_hz, loudness_db, state, timbre)._asdict()

    bend = tf.function(play_bent, [*frames, state, *bends], autograph=False)
    # known to have one frame, the graph needs no loops and a third fewer operations
    step = tf.function(play_bent, [*frame, state, *bent_frame], autograph=False)

    @tf.function(input_signature=[*frames, mix], autograph=False)
    def render(
        f0_hz: tf.Tensor, loudness_db: tf.Tensor, reverb_mix: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        return {"audio": model.render(f0_hz, loudness_db, reverb_mix)}

    @tf.function(input_signature=[*frames, mix, *bends], autograph=False)
    def render_bent(
        f0_hz: tf.Tensor,
        loudness_db: tf.Tensor,
        reverb_mix: tf.Tensor,
        harmonic_gain_db: tf.Tensor,
        noise_gain_db: tf.Tensor,
        brightness: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        timbre = Timbre(harmonic_gain_db, noise_gain_db, brightness)
        return {"audio": model.render(f0_hz, loudness_db, reverb_mix, timbre)}

    @tf.function(input_signature=frames, autograph=False)
    def controls(f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> dict[str, tf.Tensor]:
        return model.controls(f0_hz, loudness_db)._asdict()

    return {
        "serving_default": perform,
        "perform": perform,
        "bend": bend,
        "step": step,
        "reverberate": _reverberate(model, mix),
        "render": render,
        "render_bent": render_bent,
        "controls": controls,
    }


def _reverberate(model: VoiceModel, mix: tf.TensorSpec) -> Any:
    # constants: transforming the impulse response anew for each block would cost more than the block
    hop_size = model.spec.hop_size
    partitions = reverb.partition(model.impulse_response, hop_size=hop_size)
    partitions = tf.constant(partitions.numpy())
    size = reverb.state_size(partitions.shape[0], hop_size=hop_size)
    state = tf.TensorSpec([None, size], tf.float32, "state")

    @tf.function(input_signature=[_spec("audio"), state, mix], autograph=False)
    def reverberate(
        audio: tf.Tensor, state: tf.Tensor, reverb_mix: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        wet, state = reverb.stream(audio, partitions, state=state, hop_size=hop_size)
        return {"audio": audio + reverb_mix[:, None] * (wet - audio), "state": state}

    return reverberate


def _spec(name: str, n_frames: int | None = None) -> tf.TensorSpec:
    return tf.TensorSpec([None, n_frames], tf.float32, name)
