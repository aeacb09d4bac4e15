"""One frame of a voice's network as a graph without loops, for runtimes that are called frame by frame.

Signature (all float32, no batch):
  f0_hz [1]         Hz, not positive where unvoiced; 0 holds the last pitch known
  loudness_db [1]   dB, by the weighting of the voice's profile, in [-120, 20]
  state [n]         zeros start a note; afterwards what the call before returned
  ->
  amplitude [1]                         linear, of the harmonic part; 0 where unvoiced
  harmonic_distribution [n_harmonics]   shares that sum to 1, 0 from Nyquist on
  noise_magnitudes [n_noise_bands]      gains of the noise filter from 0 Hz to Nyquist
  state [n]                             `next_state` in ONNX, where no name may come twice

What the synthesisers do with these is not part of it: phases in float64, Fourier transforms and noise by
counting in uint32 are beyond the built-in operations of TensorFlow Lite, and a second definition of them
here would be a second sound.
"""

from typing import NamedTuple

import tensorflow as tf

from amadeus.voice.model import MAX_LOUDNESS_DB, MIN_LOUDNESS_DB, VoiceModel

SIGNATURE_KEY = "step"


class Step(NamedTuple):
    """What one call returns; see the module."""

    amplitude: tf.Tensor
    harmonic_distribution: tf.Tensor
    noise_magnitudes: tf.Tensor
    state: tf.Tensor


class ControlStep(tf.Module):
    """The network of a voice, one frame a call."""

    def __init__(self, model: VoiceModel, *, n_recurrent_units: int) -> None:
        super().__init__(name="control_step")
        self._model = model
        self._n_recurrent_units = n_recurrent_units

    @property
    def state_size(self) -> int:
        """Floats of the state: the recurrent units, and the last pitch known."""
        return self._n_recurrent_units + 1

    def graph(self) -> tf.types.experimental.ConcreteFunction:
        """Traces the step."""
        signature = [
            tf.TensorSpec([1], tf.float32, "f0_hz"),
            tf.TensorSpec([1], tf.float32, "loudness_db"),
            tf.TensorSpec([self.state_size], tf.float32, "state"),
        ]

        @tf.function(input_signature=signature, autograph=False)
        def step(
            f0_hz: tf.Tensor, loudness_db: tf.Tensor, state: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            return self(f0_hz, loudness_db, state)._asdict()

        return step.get_concrete_function()

    def __call__(
        self, f0_hz: tf.Tensor, loudness_db: tf.Tensor, state: tf.Tensor
    ) -> Step:
        """Runs one frame; see the module."""
        hidden, last_hz = tf.split(state, [self._n_recurrent_units, 1])
        pitch_hz = tf.abs(f0_hz)
        pitch_hz = tf.where(pitch_hz > 0, pitch_hz, last_hz)
        loudness_db = tf.clip_by_value(loudness_db, MIN_LOUDNESS_DB, MAX_LOUDNESS_DB)
        controls, hidden = self._model.decode(
            f0_hz[None], pitch_hz[None], loudness_db[None], hidden[None]
        )
        state = tf.concat([hidden[0], pitch_hz], axis=0)
        return Step(*(values[0, 0] for values in controls), state)
