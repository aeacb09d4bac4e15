"""Sounds as they were when someone last listened: a quarter of a second of every module and of a small voice.

    python -m tests.golden        # writes tests/data/golden.npz anew, after a change that is meant to be heard

Inputs are made from seeds, so the file holds sounds only.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.dsp import harmonic, noise, reverb
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2
from amadeus.voice.model import VoiceModel

PATH = Path(__file__).parent / "data" / "golden.npz"
SPEC = AudioSpec(sample_rate=16_000, frame_rate=100)
N_FRAMES = 25
VOICE = profiles_pb2.LearnerProfile(
    sample_rate=8_000,
    frame_rate=100,
    harmonic_count=8,
    noise_band_count=9,
    recurrent_unit_count=16,
    dense_unit_count=16,
    dense_layer_count=1,
    reverb_duration_s=0.05,
    seed=440,
)


def sounds() -> dict[str, np.ndarray]:
    """Renders all golden sounds, each float32 of shape [n_samples]."""
    tones, hiss = _tones(), _hiss()
    dry, wet = _voice()
    audio = {
        "harmonic": tones,
        "noise": hiss,
        "reverb": _room(tones + hiss),
        "voice": dry,
        "voice_with_reverb": wet,
    }
    return {name: rows.numpy()[0] for name, rows in audio.items()}


def _glide() -> tf.Tensor:
    return tf.constant(np.geomspace(150, 300, N_FRAMES)[None], tf.float32)


def _tones() -> tf.Tensor:
    numbers = np.arange(1, 61)
    swell = np.sin(np.linspace(0, np.pi, N_FRAMES))[:, None]
    amplitudes = tf.constant((0.3 * swell / numbers)[None], tf.float32)
    return harmonic.synthesize(
        _glide(),
        amplitudes,
        previous_f0_hz=tf.zeros([1]),
        previous_amplitudes=tf.zeros([1, 60]),
        phase=tf.zeros([1]),
        spec=SPEC,
    ).audio


def _hiss() -> tf.Tensor:
    bands = np.linspace(0, 1, 65)
    centres = np.linspace(0.2, 0.8, N_FRAMES)[:, None]
    magnitudes = 0.2 * np.exp(-(((bands - centres) / 0.1) ** 2))
    drawn = noise.uniform(tf.constant([7]), tf.constant([0]), N_FRAMES * SPEC.hop_size)
    return noise.filter_noise(
        tf.constant(magnitudes[None], tf.float32),
        drawn,
        tail=tf.zeros([1, noise.ir_size(65) - 1]),
        spec=SPEC,
    ).audio


def _room(audio: tf.Tensor) -> tf.Tensor:
    taps = np.random.default_rng(440).normal(size=800) * np.geomspace(0.1, 1e-3, 800)
    return reverb.convolve(audio, tf.constant(taps, tf.float32))


def _voice() -> tuple[tf.Tensor, tf.Tensor]:
    model = VoiceModel(profiles.complete_learner_profile(VOICE))
    taps = np.random.default_rng(440).normal(size=model.reverb.shape) * 0.05
    model.reverb.assign(taps.astype(np.float32))
    f0_hz = tf.concat([_glide()[:, :-5], tf.zeros([1, 5])], axis=1)  # and lets go
    loudness_db = tf.linspace([-50.0], [-10.0], N_FRAMES, axis=1)
    dry = model.perform(f0_hz, loudness_db, tf.zeros([1, model.state_size])).audio
    return dry, model.reverberate(dry, tf.ones([1]))


if __name__ == "__main__":
    np.savez_compressed(PATH, **sounds())
