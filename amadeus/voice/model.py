"""The voice: decoder, synthesisers and reverb as one graph, playable in blocks.

Conventions: control frame i is reached at the END of block i of `hop_size` samples; f0_hz <= 0 means
unvoiced (the harmonic part is silent, the network still sees |f0_hz|; at 0 Hz it sees the last pitch
known). The state is one opaque row a note: zeros start it. Everything in a row of the batch depends on
that row only, and blocks joined equal the whole.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.dsp import harmonic, noise, reverb
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2
from amadeus.voice.decoder import Controls, Decoder
from amadeus.voice.engine import STANDARD, Engine

MIN_LOUDNESS_DB, MAX_LOUDNESS_DB = -120.0, 20.0
SILENCE_DB, FADE_DB = -80.0, 6.0  # the floor of the loudness feature; where it begins
RENDER_BLOCK_FRAMES = (
    128  # `render` works in blocks, so that its memory does not grow with the phrase
)
REVERB_SPREAD = 1e-6  # standard deviation of a new reverb, as ddsp's
_TIMBRE_LIMITS = 120.0, 120.0, 8.0  # dB, dB, 6 dB an octave: what float32 bears
_COUNTER_SIZE = 2**24  # whole numbers below it are exact in float32


class Performance(NamedTuple):
    """A block of sound and where it stopped.

    Attributes:
      audio: Without reverb. Shape [batch, n_frames * hop_size].
      state: To be handed to the next block. Shape [batch, state_size].
    """

    audio: tf.Tensor
    state: tf.Tensor


class Timbre(NamedTuple):
    """How a voice is bent while it plays; zeros leave it as it was taught.

    Attributes:
      harmonic_gain_db: Gain of the harmonic part in dB. Shape [batch, n_frames].
      noise_gain_db: Gain of the noise part in dB. Shape [batch, n_frames].
      brightness: Tilt of the harmonics in units of 6.02 dB an octave, their sum kept. Shape [batch, n_frames].
    """

    harmonic_gain_db: tf.Tensor
    noise_gain_db: tf.Tensor
    brightness: tf.Tensor


class _State(NamedTuple):
    """The parts of a state row, in order."""

    hidden: tf.Tensor  # [batch, n_recurrent_units]
    amplitudes: tf.Tensor  # harmonic amplitudes of the last frame, [batch, n_harmonics]
    tail: tf.Tensor  # ring of the noise filter, [batch, ir_size - 1]
    f0_hz: tf.Tensor  # last pitch known, 0 before any, [batch, 1]
    phase: tf.Tensor  # cycles, [batch, 1]
    frame: tf.Tensor  # frames played modulo 2**24, [batch, 1]
    noise_seed: tf.Tensor  # below 2**24, [batch, 1]
    started: tf.Tensor  # 0 or 1, [batch, 1]


class VoiceModel(tf.Module):
    """A network that plays. Its variables are the whole voice."""

    def __init__(
        self, profile: profiles_pb2.LearnerProfile, *, engine: Engine = STANDARD
    ) -> None:
        """Makes a new voice with random weights.

        Args:
          profile: Complete; `seed` decides the weights.
          engine: What its equations are computed by.
        """
        super().__init__(name="voice")
        self._synthesize = engine.synthesize
        self._uniform, self._filter_noise = engine.uniform, engine.filter_noise
        rng = np.random.default_rng(profile.seed)
        self.spec: AudioSpec = profiles.spec(profile)
        self._n_harmonics = profile.harmonic_count
        self.decoder = Decoder(
            n_harmonics=profile.harmonic_count,
            n_noise_bands=profile.noise_band_count,
            n_recurrent_units=profile.recurrent_unit_count,
            n_dense_units=profile.dense_unit_count,
            n_dense_layers=profile.dense_layer_count,
            rng=rng,
            engine=engine,
        )
        n_reverb = round(profile.reverb_duration_s * profile.sample_rate)
        start = rng.standard_normal(n_reverb) * REVERB_SPREAD
        self.reverb = tf.Variable(start.astype(np.float32), name="reverb")
        self._reverb_decay = _decay(n_reverb)
        everything = np.full([2, 2], [MIN_LOUDNESS_DB, MAX_LOUDNESS_DB], np.float32)
        self.loudness_reach_db = tf.Variable(
            everything, trainable=False, name="loudness_reach_db"
        )
        n_tail = noise.ir_size(profile.noise_band_count) - 1
        scalars = [1] * 5
        self._state_sizes = [
            profile.recurrent_unit_count,
            profile.harmonic_count,
            n_tail,
            *scalars,
        ]

    @property
    def state_size(self) -> int:
        """Floats in one state row."""
        return sum(self._state_sizes)

    @property
    def impulse_response(self) -> tf.Tensor:
        """The learned reverb, whose first tap is not heard. Shape [n_samples]."""
        return self.reverb * self._reverb_decay

    def weights(self) -> dict[str, np.ndarray]:
        """Hands out copies of all variables by name."""
        return {_name(variable): variable.numpy() for variable in self.variables}

    def assign(self, weights: Mapping[str, np.ndarray]) -> None:
        """Takes over weights that have the names and shapes of `weights()`."""
        for variable in self.variables:
            variable.assign(weights[_name(variable)])

    def limit_reach(self, reach_db: np.ndarray) -> None:
        """Tells the voice which loudness it was taught.

        Outside, the network sees the nearest loudness it knows, and the sound is made softer or louder by the
        rest: a network asked for what it never heard answers with anything, a shout for a whisper included.

        Args:
          reach_db: Softest and loudest of unvoiced, then of voiced frames. Shape [2, 2].
        """
        self.loudness_reach_db.assign(reach_db)

    def perform(
        self,
        f0_hz: tf.Tensor,
        loudness_db: tf.Tensor,
        state: tf.Tensor,
        timbre: Timbre | None = None,
    ) -> Performance:
        """Plays a run of frames, without reverb.

        Args:
          f0_hz: In Hz, not positive where unvoiced. Shape [batch, n_frames].
          loudness_db: Shape [batch, n_frames].
          state: Zeros, or what the block before returned. Shape [batch, state_size].
          timbre: None leaves the voice as it was taught.
        """
        controls, after = self._decode(f0_hz, loudness_db, state, timbre)
        before = _State(*tf.split(state, self._state_sizes, axis=-1))
        tones = self._synthesize(
            controls.pitch_hz,
            controls.amplitudes,
            previous_f0_hz=before.f0_hz[:, 0],
            previous_amplitudes=before.amplitudes,
            phase=before.phase[:, 0],
            spec=self.spec,
        )
        n_frames = f0_hz.shape[1] or tf.shape(f0_hz)[1]
        n_samples = n_frames * self.spec.hop_size
        # whole numbers of samples, modulo 2**32 in the counter itself
        first = tf.cast(before.frame[:, 0], tf.int64) * self.spec.hop_size
        hiss = self._filter_noise(
            controls.noise_magnitudes,
            self._uniform(after.noise_seed[:, 0], first, n_samples),
            tail=before.tail,
            spec=self.spec,
        )
        after = after._replace(phase=tones.phase[:, None], tail=hiss.tail)
        state = tf.ensure_shape(tf.concat(after, axis=-1), [None, self.state_size])
        return Performance(tones.audio + hiss.audio, state)

    def render(
        self,
        f0_hz: tf.Tensor,
        loudness_db: tf.Tensor,
        reverb_mix: tf.Tensor,
        timbre: Timbre | None = None,
    ) -> tf.Tensor:
        """Plays a whole phrase with the learned reverb.

        Args:
          f0_hz: As in `perform`. Shape [batch, n_frames].
          loudness_db: Shape [batch, n_frames].
          reverb_mix: Share of the reverb, in [0, 1]. Shape [batch].
          timbre: None leaves the voice as it was taught.

        Returns:
          Audio; the reverb ends with it, so silent frames at the end let it ring out. Shape
          [batch, n_frames * hop_size].
        """
        audio = self._perform_long(f0_hz, loudness_db, timbre)
        return self.reverberate(audio, reverb_mix)

    def reverberate(self, audio: tf.Tensor, reverb_mix: tf.Tensor) -> tf.Tensor:
        """Adds `reverb_mix` [batch] times the learned reverb to audio [batch, n_samples]."""
        if not self.reverb.shape[0]:
            return audio
        wet = reverb.convolve(audio, self.impulse_response)
        return audio + reverb_mix[:, None] * (wet - audio)

    def controls(self, f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> Controls:
        """Shows what the synthesisers are told, from the start of a note.

        Args:
          f0_hz: As in `perform`. Shape [batch, n_frames].
          loudness_db: Shape [batch, n_frames].

        Returns:
          Controls; the distribution sums to 1 below Nyquist, and the amplitude of unvoiced frames is 0.
        """
        state = tf.zeros([tf.shape(f0_hz)[0], self.state_size])
        decoded, _ = self._decode(f0_hz, loudness_db, state)
        return Controls(
            decoded.amplitude, decoded.harmonic_distribution, decoded.noise_magnitudes
        )

    def decode(
        self,
        f0_hz: tf.Tensor,
        pitch_hz: tf.Tensor,
        loudness_db: tf.Tensor,
        hidden: tf.Tensor,
    ) -> tuple[Controls, tf.Tensor]:
        """Decodes frames from numbers that are finite and pitches that are known; for formats without the rest.

        Args:
          f0_hz: Not positive where unvoiced. Shape [batch, n_frames].
          pitch_hz: What the network sees; |f0_hz|, or where that is 0 the last pitch known. Likewise.
          loudness_db: Likewise.
          hidden: Recurrent state before the first frame. Shape [batch, n_recurrent_units].

        Returns:
          controls: As `controls` returns them.
          hidden: Recurrent state after the last frame.
        """
        known_db, gain = self._reach(f0_hz, loudness_db)
        raw, hidden = self.decoder(pitch_hz, known_db, hidden)
        voiced = tf.cast(f0_hz > 0, tf.float32)[..., None]
        shares = harmonic.normalize_below_nyquist(
            raw.harmonic_distribution, f0_hz=pitch_hz, spec=self.spec
        )
        controls = Controls(
            raw.amplitude * voiced * gain, shares, raw.noise_magnitudes * gain
        )
        return controls, hidden

    def _decode(
        self,
        f0_hz: tf.Tensor,
        loudness_db: tf.Tensor,
        state: tf.Tensor,
        timbre: Timbre | None = None,
    ) -> tuple["_Decoded", _State]:
        """Decodes the frames and moves the state on, but for the synthesisers' own parts."""
        f0_hz, loudness_db = _defuse(f0_hz, loudness_db)
        before = _State(*tf.split(state, self._state_sizes, axis=-1))
        seed = tf.where(
            before.started > 0.5, before.noise_seed, _noise_seed(f0_hz, loudness_db)
        )
        pitch_hz = _hold_pitch(f0_hz, before.f0_hz)
        controls, hidden = self.decode(f0_hz, pitch_hz, loudness_db, before.hidden)
        if timbre is not None:
            controls = _bend(controls, timbre)
        decoded = _Decoded(pitch_hz, *controls)
        n_frames = tf.cast(tf.shape(f0_hz)[1], tf.float32)
        after = _State(
            hidden=hidden,
            amplitudes=decoded.amplitudes[:, -1],
            tail=before.tail,
            f0_hz=pitch_hz[:, -1:],
            phase=before.phase,
            frame=tf.math.floormod(before.frame + n_frames, _COUNTER_SIZE),
            noise_seed=seed,
            started=tf.ones_like(before.started),
        )
        return decoded, after

    def _reach(
        self, f0_hz: tf.Tensor, loudness_db: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The nearest loudness known [batch, n_frames], and the gain [batch, n_frames, 1] that is left to do."""
        reach_db = tf.gather(self.loudness_reach_db, tf.cast(f0_hz > 0, tf.int32))
        known_db = tf.clip_by_value(loudness_db, reach_db[..., 0], reach_db[..., 1])
        gain = 10.0 ** ((loudness_db - known_db) / 20.0)
        # the softest loudness there is stands for silence, whatever was taught beside it
        above = tf.clip_by_value((loudness_db - SILENCE_DB) / FADE_DB, 0.0, 1.0)
        return known_db, (gain * above)[..., None]

    def _perform_long(
        self, f0_hz: tf.Tensor, loudness_db: tf.Tensor, timbre: Timbre | None
    ) -> tf.Tensor:
        block, hop = RENDER_BLOCK_FRAMES, self.spec.hop_size
        n_frames = tf.shape(f0_hz)[1]
        n_blocks = -(-n_frames // block)
        spare = [[0, 0], [0, n_blocks * block - n_frames]]
        f0_hz = tf.pad(f0_hz, spare)
        loudness_db = tf.pad(loudness_db, spare, constant_values=MIN_LOUDNESS_DB)
        if timbre is not None:
            timbre = Timbre(*(tf.pad(curve, spare) for curve in timbre))

        def play_block(
            i: tf.Tensor, state: tf.Tensor, blocks: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
            frames = slice(i * block, (i + 1) * block)
            bent = timbre and Timbre(*(curve[:, frames] for curve in timbre))
            audio, state = self.perform(
                f0_hz[:, frames], loudness_db[:, frames], state, bent
            )
            return i + 1, state, blocks.write(i, audio)

        blocks = tf.TensorArray(tf.float32, n_blocks, infer_shape=False)
        start = tf.zeros([tf.shape(f0_hz)[0], self.state_size])
        _, _, blocks = tf.while_loop(
            lambda i, *_: i < n_blocks, play_block, [0, start, blocks]
        )
        audio = tf.transpose(blocks.stack(), [1, 0, 2])
        audio = tf.reshape(audio, [tf.shape(f0_hz)[0], n_blocks * block * hop])
        return audio[:, : n_frames * hop]


class _Decoded(NamedTuple):
    """Controls as the synthesisers take them."""

    pitch_hz: tf.Tensor  # [batch, n_frames]
    amplitude: tf.Tensor  # [batch, n_frames, 1]
    harmonic_distribution: tf.Tensor  # [batch, n_frames, n_harmonics]
    noise_magnitudes: tf.Tensor  # [batch, n_frames, n_noise_bands]

    @property
    def amplitudes(self) -> tf.Tensor:
        return self.amplitude * self.harmonic_distribution


def _name(variable: tf.Variable) -> str:
    return variable.name.removesuffix(":0")


def read_impulse_response(weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Makes `VoiceModel.impulse_response` of a voice's weights, without the voice. Shape [n_samples]."""
    reverb = weights["reverb"]
    return reverb * _decay(len(reverb))


def _decay(n_samples: int) -> np.ndarray:
    """The envelope of the learned reverb: 60 dB down at its end, as a room's is. Shape [n_samples].

    Without it the reverb of a held note is a second of hiss, which smears melodies and sounds on in silence. On
    the cello, after 1000 steps, it brought the held-out loss from 6.38 to 6.24, the error of loudness from 3.9 to
    2.3 dB and the level where the recordings are silent from -26 to -59 dB.
    """
    time_unit = np.arange(n_samples) / max(1, n_samples)
    return (10.0 ** (-3.0 * time_unit)).astype(np.float32)


def _defuse(f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Makes NaN and infinity harmless: one bad frame must not spoil a state for good."""
    f0_hz = tf.where(tf.math.is_finite(f0_hz), f0_hz, 0.0)
    loudness_db = tf.where(tf.math.is_finite(loudness_db), loudness_db, MIN_LOUDNESS_DB)
    return f0_hz, tf.clip_by_value(loudness_db, MIN_LOUDNESS_DB, MAX_LOUDNESS_DB)


def _bend(controls: Controls, timbre: Timbre) -> Controls:
    """Turns the parts of a sound up and down and tilts its harmonics; NaN and infinity are taken for 0."""
    harmonic_gain_db, noise_gain_db, brightness = (
        tf.clip_by_value(tf.where(tf.math.is_finite(curve), curve, 0.0), -limit, limit)[
            ..., None
        ]
        for curve, limit in zip(timbre, _TIMBRE_LIMITS, strict=True)
    )
    shares = controls.harmonic_distribution
    octaves = np.log(np.arange(1, shares.shape[-1] + 1)).astype(np.float32)
    tilted = shares * tf.exp(brightness * octaves)
    total = tf.reduce_sum(tilted, axis=-1, keepdims=True)
    kept = tf.reduce_sum(shares, axis=-1, keepdims=True)
    return Controls(
        controls.amplitude * _gain(harmonic_gain_db),
        tilted * tf.math.divide_no_nan(kept, total),
        controls.noise_magnitudes * _gain(noise_gain_db),
    )


def _gain(level_db: tf.Tensor) -> tf.Tensor:
    return tf.exp(level_db * (math.log(10) / 20))


def _hold_pitch(f0_hz: tf.Tensor, previous_f0_hz: tf.Tensor) -> tf.Tensor:
    """Takes |f0_hz|, and at 0 Hz the last pitch before it, 0 when there was none. Shape [batch, n_frames]."""
    if f0_hz.shape[1] == 1:
        pitch_hz = tf.abs(f0_hz)
        return tf.stop_gradient(tf.where(pitch_hz > 0, pitch_hz, previous_f0_hz))
    pitches = tf.concat([previous_f0_hz, tf.abs(f0_hz)], axis=1)
    known = tf.cast(pitches[:, 1:] > 0, tf.int32)
    latest = tf.pad(tf.cumsum(known, axis=1), [[0, 0], [1, 0]])
    n_batch, n_columns = tf.unstack(tf.shape(pitches))
    groups = latest + tf.range(n_batch)[:, None] * n_columns
    # A group is a known pitch and the zeros after it, so its sum is that pitch.
    held = tf.math.unsorted_segment_sum(pitches, groups, n_batch * n_columns)
    return tf.stop_gradient(tf.gather(held, groups)[:, 1:])


def _noise_seed(f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> tf.Tensor:
    """Draws a seed from the bits of a note's first frame, so that notes differ and repeats repeat. [batch, 1]."""
    first = tf.stack([f0_hz[:, 0], loudness_db[:, 0]], axis=-1)
    bits = tf.cast(tf.bitcast(first, tf.uint32), tf.int64)
    mixed = bits[:, :1] * 0x9E3779B1 + bits[:, 1:] * 0x85EBCA77  # xxHash's primes
    middle = tf.bitwise.right_shift(mixed, tf.constant(20, tf.int64))
    return tf.cast(tf.math.floormod(middle, _COUNTER_SIZE), tf.float32)
