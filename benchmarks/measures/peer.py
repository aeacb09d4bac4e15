"""The peer: ddsp 3.7.0's solo_instrument, made of its own decoder, processors, loss and settings.

Settings are those of its `models/solo_instrument.gin` and `optimization/base.gin`, but for the reverb, which is of
1 s as its notebooks have it. Frame i is at sample i * 64, as ddsp counts.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import types

import numpy as np

SAMPLE_RATE, FRAME_RATE = 16_000, 250  # Hz
HOP_SIZE = SAMPLE_RATE // FRAME_RATE
CROP_S = 4.0
PUBLISHED_BATCH_SIZE = 16
LEARNING_RATE, MAX_GRADIENT_NORM = 1e-3, 3.0
REVERB_SAMPLES = 16_000
N_HARMONICS, N_NOISE_BANDS = 60, 65

# ddsp.training names these when it is imported, and needs none of them for what is used here
_ABSENT = {
    "crepe", "hmmlearn", "hypertune", "note_seq", "pydub", "tensorflow_datasets", "tensorflowjs", "tflite_support",
}  # fmt: skip


def make_importable() -> None:
    """Lets `import ddsp.training` succeed without the packages that only its data preparation needs."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # what ddsp is written for
    if not any(isinstance(finder, _Absent) for finder in sys.meta_path):
        sys.meta_path.append(_Absent())


class SoloInstrument:
    """ddsp's model with its optimiser."""

    def __init__(self, *, crop_s: float = CROP_S, seed: int = 0) -> None:
        make_importable()
        import tensorflow as tf
        from ddsp.losses import SpectralLoss
        from ddsp.training import decoders, models, preprocessing

        tf.random.set_seed(seed)
        n_frames = round(crop_s * FRAME_RATE)
        self.decoder = decoders.RnnFcDecoder(
            rnn_channels=512,
            rnn_type="gru",
            ch=512,
            layers_per_stack=3,
            input_keys=("ld_scaled", "f0_scaled"),
            output_splits=(
                ("amps", 1),
                ("harmonic_distribution", N_HARMONICS),
                ("noise_magnitudes", N_NOISE_BANDS),
            ),
        )
        self._reverb = _reverb()
        self.model = models.Autoencoder(
            preprocessor=preprocessing.F0LoudnessPreprocessor(
                time_steps=n_frames, compute_loudness=False
            ),
            encoder=None,
            decoder=self.decoder,
            processor_group=_processors(n_frames * HOP_SIZE, self._reverb),
            losses=[SpectralLoss(loss_type="L1", mag_weight=1.0, logmag_weight=1.0)],
        )
        self._optimizer = tf.keras.optimizers.legacy.Adam(LEARNING_RATE)
        self._step = tf.function(self._take_step)

    def learn(
        self, audio: np.ndarray, f0_hz: np.ndarray, loudness_db: np.ndarray
    ) -> float:
        """Moves the model one step.

        Args:
          audio: Shape [batch, n_frames * HOP_SIZE].
          f0_hz: Positive. Shape [batch, n_frames].
          loudness_db: Shape [batch, n_frames].

        Returns:
          The loss before it.
        """
        import tensorflow as tf

        named = {"audio": audio, "f0_hz": f0_hz, "loudness_db": loudness_db}
        named["f0_confidence"] = np.ones_like(f0_hz)
        return float(
            self._step({key: tf.constant(value) for key, value in named.items()})
        )

    def render(self, f0_hz: np.ndarray, loudness_db: np.ndarray) -> np.ndarray:
        """Plays a phrase of any length with its reverb; arguments [n_frames], result [n_frames * HOP_SIZE]."""
        import tensorflow as tf
        from ddsp.training import preprocessing

        inputs = [
            preprocessing.scale_db(tf.constant(loudness_db)[None, :, None]),
            preprocessing.scale_f0_hz(tf.constant(f0_hz)[None, :, None]),
        ]
        controls = self.decoder(*inputs)
        controls = dict(controls, f0_hz=tf.constant(f0_hz)[None, :, None])
        processors = _processors(len(f0_hz) * HOP_SIZE, self._reverb)
        return processors(controls).numpy()[0]

    @property
    def impulse_response(self) -> np.ndarray:
        """The learned reverb, once it has played. Shape [REVERB_SAMPLES]."""
        return self._reverb.trainable_variables[0].numpy()

    def _take_step(self, batch):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            _, losses = self.model(batch, return_losses=True, training=True)
        variables = self.model.trainable_variables
        gradients = tape.gradient(losses["total_loss"], variables)
        gradients, _ = tf.clip_by_global_norm(gradients, MAX_GRADIENT_NORM)
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return losses["total_loss"]


def _reverb():
    from ddsp import effects

    return effects.Reverb(reverb_length=REVERB_SAMPLES, trainable=True)


def _processors(n_samples: int, reverb):
    from ddsp import processors, synths

    harmonic = synths.Harmonic(n_samples=n_samples, sample_rate=SAMPLE_RATE)
    noise = synths.FilteredNoise(n_samples=n_samples, window_size=0, initial_bias=-5.0)
    return processors.ProcessorGroup(
        dag=[
            (harmonic, ["amps", "harmonic_distribution", "f0_hz"]),
            (noise, ["noise_magnitudes"]),
            (processors.Add(), ["filtered_noise/signal", "harmonic/signal"]),
            (reverb, ["add/signal"]),
        ]
    )


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds packages that are not installed, with nothing in them."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] not in _ABSENT:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        module = _Hollow(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


class _Hollow(types.ModuleType):
    """A module in which every name is another of its kind."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Hollow(f"{self.__name__}.{name}")

    def __call__(self, *arguments, **options):
        return self
