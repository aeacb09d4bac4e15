"""The peer's network on our engine: same layers, same number of weights, and its weights where they are given."""

import numpy as np
import tensorflow as tf

from amadeus.voice.decoder import (
    INITIAL_NOISE_BIAS,
    Controls,
    Gru,
    Linear,
    scale_inputs,
    stack,
)
from amadeus.voice.engine import STANDARD, Engine
from amadeus.voice.model import VoiceModel

N_UNITS, N_LAYERS = 512, 3
SETTINGS = (
    "preset=solo",
    "sample_rate=16000",
    "frame_rate=250",
    "harmonic_count=60",
    "noise_band_count=65",
    f"recurrent_unit_count={N_UNITS}",
    "reverb_duration_s=1",
    "crop_duration_s=4",
)


class SoloDecoder(tf.Module):
    """A stack for each input, a recurrent layer, a stack, a head; as `ddsp.training.decoders.RnnFcDecoder`."""

    def __init__(self, split: list[int], seed: int, engine: Engine) -> None:
        super().__init__(name="decoder")
        rng, sizes = np.random.default_rng(seed), [N_UNITS] * N_LAYERS
        self._split, self._to_gain = split, engine.to_gain
        self.inward = [
            stack(1, sizes, rng, f"decoder/inward/{i}", engine) for i in range(2)
        ]
        self.recurrent = Gru(2 * N_UNITS, N_UNITS, rng, "decoder/recurrent", engine)
        self.outward = stack(3 * N_UNITS, sizes, rng, "decoder/outward", engine)
        self.head = Linear(N_UNITS, sum(split), rng, "decoder/head", engine)

    def __call__(
        self, f0_hz: tf.Tensor, loudness_db: tf.Tensor, hidden: tf.Tensor
    ) -> tuple[Controls, tf.Tensor]:
        """Decodes a run of frames; see `amadeus.voice.decoder.Decoder`."""
        f0, loudness = tf.split(scale_inputs(f0_hz, loudness_db), 2, axis=-1)
        inputs = []
        for signal, layers in zip((loudness, f0), self.inward, strict=True):
            for layer in layers:
                signal = layer(signal)
            inputs.append(signal)
        signal, hidden = self.recurrent(tf.concat(inputs, axis=-1), hidden)
        signal = tf.concat([*inputs, signal], axis=-1)
        for layer in self.outward:
            signal = layer(signal)
        amplitude, shares, noise = tf.split(self.head(signal), self._split, axis=-1)
        return (
            Controls(
                self._to_gain(amplitude),
                self._to_gain(shares),
                self._to_gain(noise + INITIAL_NOISE_BIAS),
            ),
            hidden,
        )


class SoloVoice(VoiceModel):
    """A voice with the peer's decoder."""

    def __init__(self, profile, *, engine: Engine = STANDARD) -> None:
        super().__init__(profile, engine=engine)
        split = [1, profile.harmonic_count, profile.noise_band_count]
        self.decoder = SoloDecoder(split, profile.seed, engine)


def read_weights(theirs) -> list[list[np.ndarray]]:
    """Copies the weights of a `RnnFcDecoder` that has been called: of its stacks, its unit and its head."""
    parts = [*theirs.input_stacks, theirs.out_stack, theirs.rnn, theirs.dense_out]
    return [[variable.numpy() for variable in part.weights] for part in parts]


def take_weights(decoder: SoloDecoder, weights: list[list[np.ndarray]]) -> None:
    """Takes over what `read_weights` returned.

    Keras' unit has a second bias, of the recurrent part. It starts at zero and ours has none.
    """
    *stacks, recurrent, head = weights
    for layers, values in zip([*decoder.inward, decoder.outward], stacks, strict=True):
        for number, layer in enumerate(layers):
            kernel, bias, scale, offset = values[4 * number : 4 * number + 4]
            layer.linear.kernel.assign(kernel)
            layer.linear.bias.assign(bias)
            layer.scale.assign(scale)
            layer.offset.assign(offset)
    kernel, recurrent_kernel, biases = recurrent
    decoder.recurrent.inputs.kernel.assign(kernel)
    decoder.recurrent.inputs.bias.assign(biases[0])
    decoder.recurrent.kernel.assign(recurrent_kernel)
    decoder.head.kernel.assign(head[0])
    decoder.head.bias.assign(head[1])


def take_reverb(voice: SoloVoice, impulse_response: np.ndarray) -> None:
    """Takes over a learned reverb [n_samples]: what the voice's envelope makes of its variable."""
    envelope = voice.impulse_response / voice.reverb
    voice.reverb.assign(impulse_response / envelope)
