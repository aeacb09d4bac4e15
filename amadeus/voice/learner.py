"""One training step and one validation, as graphs: a voice, its optimiser and its running average."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from amadeus.dsp import reverb
from amadeus.dsp.spectral_loss import fft_sizes_for, floor_for, spectral_distances
from amadeus.native import convolution, library, ops
from amadeus.v1 import profiles_pb2
from amadeus.voice import optimizer
from amadeus.voice.engine import fastest
from amadeus.voice.model import VoiceModel
from amadeus.voice.sampler import WARM_UP_FRAMES, Crops

# Adam moves every tap of the reverb by about the learning rate at each step, which together is a hiss. Held-out
# loss of the cello (whole passages, 1200 steps, one seed): 6.35 with all of the rate, 6.24 with 0.1, 6.21 with 0.03.
REVERB_RATE_SHARE = 0.03
AVERAGE_MEMORY = 0.99  # the averaged voice remembers about the last 100 steps


class Learner:
    """Learns crop by crop. The voice to keep is the average of the voices it walked through."""

    def __init__(
        self,
        profile: profiles_pb2.LearnerProfile,
        *,
        make_voice: Callable[..., VoiceModel] = VoiceModel,
    ) -> None:
        """Makes the voices and their optimiser.

        Args:
          profile: Complete.
          make_voice: Called as `VoiceModel` is.
        """
        library.keep_heap()
        engine = fastest()
        self.model = make_voice(profile, engine=engine)
        self.average = make_voice(profile, engine=engine)
        variables = self.model.trainable_variables
        shares = [
            REVERB_RATE_SHARE if variable is self.model.reverb else 1.0
            for variable in variables
        ]
        self._adam = optimizer.Adam(variables, shares)

    @property
    def step_count(self) -> int:
        """Steps done."""
        return int(self._adam.step)

    def start_from(self, weights: dict[str, np.ndarray]) -> None:
        """Takes over the weights of an older voice."""
        self.model.assign(weights)
        self.average.assign(weights)

    def limit_reach(self, reach_db: np.ndarray) -> None:
        """Tells the voice which loudness it is taught; see `VoiceModel.limit_reach`."""
        self.model.limit_reach(reach_db)
        self.average.limit_reach(reach_db)

    @tf.function(autograph=False)
    def learn(
        self,
        audio: tf.Tensor,
        f0_hz: tf.Tensor,
        loudness_db: tf.Tensor,
        rate: tf.Tensor,
    ) -> tf.Tensor:
        """Moves the voice one step.

        Args:
          audio: See `sampler.Crops`.
          f0_hz: See `sampler.Crops`.
          loudness_db: See `sampler.Crops`.
          rate: Learning rate, a scalar.

        Returns:
          The loss before the step.
        """
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss = imitation_loss(self.model, Crops(audio, f0_hz, loudness_db))
        self._adam.apply(tape.gradient(loss, variables), rate)
        optimizer.follow(
            self.average.trainable_variables,
            variables,
            step=self._adam.step,
            memory=AVERAGE_MEMORY,
        )
        return loss

    @tf.function(autograph=False)
    def judge(
        self, audio: tf.Tensor, f0_hz: tf.Tensor, loudness_db: tf.Tensor
    ) -> tf.Tensor:
        """Measures the loss of the averaged voice on crops; arguments as for `learn`."""
        return imitation_loss(self.average, Crops(audio, f0_hz, loudness_db))

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies everything the next step depends on."""
        return {name: variable.numpy() for name, variable in self._variables().items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Goes back to what `arrays` returned."""
        for name, variable in self._variables().items():
            variable.assign(arrays[name])

    def _variables(self) -> dict[str, tf.Variable]:
        parts = {"model": self.model, "average": self.average, "adam": self._adam}
        return {
            f"{part}/{number}": variable
            for part, module in parts.items()
            for number, variable in enumerate(module.variables)
        }


def imitation_loss(model: VoiceModel, crops: Crops) -> tf.Tensor:
    """Resynthesises crops and compares."""
    audio = resynthesise(model, crops)
    sizes = fft_sizes_for(model.spec.sample_rate)
    measure = ops.spectral_distances if library.is_available() else spectral_distances
    floor = floor_for(model.spec.sample_rate)
    return tf.reduce_mean(measure(crops.audio, audio, fft_sizes=sizes, floor=floor))


def resynthesise(model: VoiceModel, crops: Crops) -> tf.Tensor:
    """Plays the controls of crops; the warm-up frame's own block is not heard. Shape [batch, n_samples]."""
    silence = tf.zeros([crops.f0_hz.shape[0], model.state_size])
    audio = model.perform(crops.f0_hz, crops.loudness_db, silence).audio
    n_warm_up = WARM_UP_FRAMES * model.spec.hop_size
    # split rather than sliced: its gradient is three times as fast
    _, audio = tf.split(audio, [n_warm_up, audio.shape[1] - n_warm_up], axis=1)
    if not model.reverb.shape[0]:
        return audio
    # all of the reverb: to mix it with the dry sound would cost eight passes over the audio, with the gradient
    convolve = convolution.convolve if library.is_available() else reverb.convolve
    return convolve(audio, model.impulse_response)
