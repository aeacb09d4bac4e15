"""A voice for Magenta's DDSP-VST plugin.

The plugin loads TensorFlow Lite files of one shape, and finds tensors by name:

  call_f0_scaled:0 [1]    MIDI note number / 127
  call_pw_scaled:0 [1]    power in dB / 80 + 1; of frames of 1024 samples, not weighted
  call_state:0 [512]      zeros at first
  ->
  StatefulPartitionedCall:0 [1]    amplitude
  StatefulPartitionedCall:1 [60]   harmonic distribution
  StatefulPartitionedCall:2 [65]   noise magnitudes
  StatefulPartitionedCall:3 [512]  state

all float32, built-in operations only; `metadata.json` lies in a ZIP archive after the model. See
`amadeus.export.plugin` for where that is written.

The plugin plays the harmonics and the noise itself, at 16 kHz and without the learned reverb. It knows no
unvoiced frames: every frame is played as voiced.
"""

import datetime
from pathlib import Path

import tensorflow as tf

from amadeus.errors import VoiceError
from amadeus.export import plugin, tflite
from amadeus.export.place import put_file
from amadeus.export.taught import describe, take_apart
from amadeus.voice.decoder import LOUDNESS_RANGE_DB, MIDI_RANGE
from amadeus.voice.model import VoiceModel

_SIGNATURE_KEY = "call"


def export(
    voice_path: Path, path: Path, *, time: datetime.datetime | None = None
) -> None:
    """Writes a voice for the plugin.

    Args:
      voice_path: SavedModel folder of the voice.
      path: The file; its name is what the plugin shows.
      time: Time of the export, by default now.

    Raises:
      ConfigError: The voice has a shape that the plugin does not load.
      VoiceError: The voice is missing, damaged or foreign.
      HomeError: The file cannot be written.
    """
    taught = take_apart(voice_path)
    plugin.check_shape(taught.profile)
    step = PluginStep(taught.model)
    model = tflite.convert(step, {_SIGNATURE_KEY: step.graph()})
    _check(tflite.look_into(model))
    metadata = plugin.metadata(
        taught.profile,
        taught.personality.statistics,
        time=time or datetime.datetime.now(datetime.UTC),
    )
    put_file(path, tflite.append_metadata(model, describe(taught) | metadata))


class PluginStep(tf.Module):
    """The network of a voice behind the plugin's names and scales, one frame a call."""

    def __init__(self, model: VoiceModel) -> None:
        super().__init__(name="plugin_step")
        self._model = model

    def graph(self) -> tf.types.experimental.ConcreteFunction:
        """Traces the step; the names of the arguments become those of the tensors."""
        signature = [
            tf.TensorSpec([1], tf.float32, "f0_scaled"),
            tf.TensorSpec([1], tf.float32, "pw_scaled"),
            tf.TensorSpec([plugin.N_STATE], tf.float32, "state"),
        ]

        @tf.function(input_signature=signature, autograph=False)
        def call(
            f0_scaled: tf.Tensor, pw_scaled: tf.Tensor, state: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            f0_hz = 440.0 * 2.0 ** ((f0_scaled * MIDI_RANGE - 69.0) / 12.0)
            loudness_db = (pw_scaled - 1.0) * LOUDNESS_RANGE_DB
            controls, hidden = self._model.decode(
                f0_hz[None], f0_hz[None], loudness_db[None], state[None]
            )
            return (*(values[0, 0] for values in controls), hidden[0])

        return call.get_concrete_function()


def _check(contents: tflite.Contents) -> None:
    """Makes sure that the converter has named things as the plugin knows them."""
    fits = (contents.inputs, contents.outputs) == (plugin.INPUTS, plugin.OUTPUTS)
    if not fits or contents.custom_operators:
        raise VoiceError(
            f"TensorFlow {tf.__version__} makes of this voice what DDSP-VST would not load (inputs {contents.inputs}, "
            f"outputs {contents.outputs}, custom operations {sorted(contents.custom_operators)}): export it with the "
            "version of TensorFlow that requirements.lock names."
        )
