"""Plays an exported voice.

Conventions: control frame i is reached at the end of block i of `hop_size` samples; f0_hz <= 0 is
unvoiced. So to resynthesise the centred features of a sound, give the frames from 1 on; what comes out
is aligned with the sound from its first sample.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError, VoiceError
from amadeus.personality import profiles
from amadeus.personality.content import read_personality
from amadeus.v1 import personality_pb2
from amadeus.voice.decoder import Controls
from amadeus.voice.model import Timbre

_SIGNATURES = ("perform", "render", "controls")
# what TensorFlow raises on damaged files, as found by damaging them
_LOAD_ERRORS = (OSError, ValueError, LookupError, AttributeError, RuntimeError)


class Block(NamedTuple):
    """A block of sound and where it stopped.

    Attributes:
      audio: Without reverb. Float32, shape [n_frames * hop_size] or [batch, n_frames * hop_size].
      state: To be handed to the next block. Float32, shape [batch, state_size].
    """

    audio: np.ndarray
    state: np.ndarray


class Voice:
    """A voice that plays. It keeps no state: any number of notes may be played at once."""

    def __init__(
        self,
        personality: personality_pb2.Personality,
        signatures: dict[str, Callable[..., dict[str, tf.Tensor]]],
    ) -> None:
        """Takes what `load` has read."""
        self.personality = personality
        self.spec: AudioSpec = profiles.spec(personality.learner_profile)
        self._perform, self._render, self._controls = (
            signatures[name] for name in _SIGNATURES
        )
        # voices of before these signatures play without them
        self._bend = signatures.get("bend")
        self._step = signatures["step"] if self._bend else None
        self._render_bent = signatures.get("render_bent")
        self._reverberate = signatures.get("reverberate")
        self.state_size = _state_size(self._perform)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Loads a voice from its SavedModel folder.

        Raises:
          VoiceError: The folder holds no voice, or a damaged or foreign one.
        """
        if not (Path(path) / "saved_model.pb").is_file():
            raise VoiceError(
                f"{path} is not a voice: it has no saved_model.pb; name a folder that a practice has written."
            )
        personality = read_personality(Path(path))
        try:
            loaded = tf.saved_model.load(str(path))
            voice = cls(personality, dict(loaded.signatures))
        except (*_LOAD_ERRORS, tf.errors.OpError) as error:
            raise VoiceError(
                f"the voice in {path} is damaged or foreign ({_first_line(error)}); practise again or name another."
            ) from error
        # loaded functions hold their variables weakly: without the module they would be gone
        voice._module = loaded
        return voice

    @property
    def can_bend(self) -> bool:
        """Whether gains and brightness can be played; voices of before cannot."""
        return self._render_bent is not None

    def render(
        self,
        f0_hz: np.ndarray,
        loudness_db: np.ndarray,
        reverb_mix: float = 1.0,
        timbre: Timbre | None = None,
    ) -> np.ndarray:
        """Plays a whole phrase with the learned reverb.

        Args:
          f0_hz: In Hz, not positive where unvoiced. Shape [n_frames] or [batch, n_frames].
          loudness_db: Of the same shape.
          reverb_mix: Share of the reverb, in [0, 1]. It ends with the phrase: silent frames at the end let
            it ring out.
          timbre: None leaves the voice as it was taught.

        Returns:
          Float32, shape [n_frames * hop_size] or [batch, n_frames * hop_size].

        Raises:
          ConfigError: Shapes differ, a value is not finite or the mix is out of range.
          VoiceError: The voice was exported without a way to bend it.
        """
        _check_mix(reverb_mix)
        f0_rows, loudness_rows = _to_rows(f0_hz, loudness_db)
        mix = np.full(len(f0_rows), reverb_mix, np.float32)
        play = self._render if timbre is None else self._bendable(self._render_bent)
        output = play(
            f0_hz=tf.constant(f0_rows),
            loudness_db=tf.constant(loudness_rows),
            reverb_mix=tf.constant(mix),
            **_timbre_rows(timbre, f0_rows),
        )
        return _like(output["audio"], f0_hz)

    def perform(
        self,
        f0_hz: np.ndarray,
        loudness_db: np.ndarray,
        state: np.ndarray | None = None,
        timbre: Timbre | None = None,
    ) -> Block:
        """Plays the next block of a note, without reverb.

        Args:
          f0_hz: In Hz, not positive where unvoiced. Shape [n_frames] or [batch, n_frames].
          loudness_db: Of the same shape.
          state: What the block before returned; None starts a note.
          timbre: None leaves the voice as it was taught.

        Raises:
          ConfigError: Shapes differ or a value is not finite.
          VoiceError: The voice was exported without a way to bend it.
        """
        f0_rows, loudness_rows = _to_rows(f0_hz, loudness_db)
        state = _state_rows(state, len(f0_rows), self.state_size)
        inputs = {
            "f0_hz": tf.constant(f0_rows),
            "loudness_db": tf.constant(loudness_rows),
            "state": tf.constant(state),
        }
        if f0_rows.shape[1] == 1 and self._step is not None:
            output = self._play_frame(
                **inputs, **_timbre_rows(timbre or _neutral(f0_rows), f0_rows)
            )
        elif timbre is None:
            output = self._perform(**inputs)
        else:
            play = self._bendable(self._bend)
            output = play(**inputs, **_timbre_rows(timbre, f0_rows))
        return Block(_like(output["audio"], f0_hz), output["state"].numpy())

    def reverberate(
        self,
        audio: np.ndarray,
        state: np.ndarray | None = None,
        reverb_mix: float = 1.0,
    ) -> Block:
        """Adds the learned reverb to the next block of a sound, without latency; blocks joined equal `render`.

        The reverb is linear: it is enough to give it the sum of all notes. Silence lets it ring out.

        Args:
          audio: Whole frames. Shape [n_frames * hop_size] or [batch, n_frames * hop_size].
          state: What the block before returned; None starts from silence.
          reverb_mix: As in `render`.

        Raises:
          ConfigError: The audio has no whole number of frames or is not finite, or the mix is out of range.
          VoiceError: The voice was exported without this.
        """
        if self._reverberate is None:
            raise VoiceError(
                "this voice was made before reverb could be played in blocks; practise again, or render whole phrases."
            )
        _check_mix(reverb_mix)
        rows = self._audio_rows(audio)
        state = _state_rows(state, len(rows), _state_size(self._reverberate))
        output = self._reverberate(
            audio=tf.constant(rows),
            state=tf.constant(state),
            reverb_mix=tf.fill([len(rows)], np.float32(reverb_mix)),
        )
        return Block(_like(output["audio"], audio), output["state"].numpy())

    def controls(self, f0_hz: np.ndarray, loudness_db: np.ndarray) -> Controls:
        """Shows what the synthesisers are told, as arrays with a batch axis where the inputs have one.

        Raises:
          ConfigError: Shapes differ or a value is not finite.
        """
        f0_rows, loudness_rows = _to_rows(f0_hz, loudness_db)
        output = self._controls(
            f0_hz=tf.constant(f0_rows), loudness_db=tf.constant(loudness_rows)
        )
        return Controls(*(_like(output[name], f0_hz) for name in Controls._fields))

    def _bendable(self, signature: Any) -> Any:
        if signature is None:
            raise VoiceError(
                "this voice was made before gains and brightness could be played; practise again, or leave "
                "harmonic_gain_db, noise_gain_db and brightness at 0."
            )
        return signature

    def _play_frame(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        # hundreds of operations of a microsecond each: handing them from thread to thread costs more than they do
        with tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR"):
            return self._step(**inputs)

    def _audio_rows(self, audio: np.ndarray) -> np.ndarray:
        rows = np.atleast_2d(np.asarray(audio, np.float32))
        hop_size = self.spec.hop_size
        if rows.ndim != 2 or not rows.size or rows.shape[1] % hop_size:
            raise ConfigError(
                f"audio has shape {np.shape(audio)}, which is no whole number of frames: give a multiple of "
                f"{hop_size} samples."
            )
        _check_finite("audio", rows, "give a number for every sample")
        return rows


def _to_rows(
    f0_hz: np.ndarray, loudness_db: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    f0_rows, loudness_rows = (
        np.atleast_2d(np.asarray(values, np.float32)) for values in (f0_hz, loudness_db)
    )
    if f0_rows.shape != loudness_rows.shape or f0_rows.ndim != 2 or not f0_rows.size:
        raise ConfigError(
            f"f0_hz has shape {np.shape(f0_hz)} and loudness_db {np.shape(loudness_db)}: give both for the same "
            "frames, one at least."
        )
    for name, rows in (("f0_hz", f0_rows), ("loudness_db", loudness_rows)):
        _check_finite(
            name, rows, "give a number for every frame, 0 Hz where no pitch is known"
        )
    return f0_rows, loudness_rows


def _neutral(f0_rows: np.ndarray) -> Timbre:
    zeros = np.zeros_like(f0_rows)
    return Timbre(zeros, zeros, zeros)


def _timbre_rows(timbre: Timbre | None, f0_rows: np.ndarray) -> dict[str, tf.Tensor]:
    if timbre is None:
        return {}
    rows = {}
    for name, values in timbre._asdict().items():
        curve = np.atleast_2d(np.asarray(values, np.float32))
        if curve.shape != f0_rows.shape:
            raise ConfigError(
                f"{name} has shape {np.shape(values)} and the pitch {f0_rows.shape}: give both for the same frames."
            )
        _check_finite(name, curve, "give a number for every frame, 0 for none")
        rows[name] = tf.constant(curve)
    return rows


def _check_finite(name: str, rows: np.ndarray, remedy: str) -> None:
    n_bad = rows.size - np.isfinite(rows).sum()
    if n_bad:
        raise ConfigError(f"{name} holds {n_bad} values that are not finite: {remedy}.")


def _check_mix(reverb_mix: float) -> None:
    if not 0.0 <= reverb_mix <= 1.0:
        raise ConfigError(
            f"reverb_mix={reverb_mix:g} is out of range: choose from 0 to 1."
        )


def _state_size(signature: Any) -> int:
    return signature.structured_input_signature[1]["state"].shape[-1]


def _state_rows(state: np.ndarray | None, n_rows: int, size: int) -> np.ndarray:
    shape = (n_rows, size)
    if state is None:
        return np.zeros(shape, np.float32)
    state = np.asarray(state, np.float32)
    if state.shape != shape:
        raise ConfigError(
            f"state has shape {state.shape} but this voice needs {shape}: hand back what the last block returned."
        )
    return state


def _like(rows: tf.Tensor, signal: np.ndarray) -> np.ndarray:
    return rows.numpy() if np.ndim(signal) == 2 else rows.numpy()[0]


def _first_line(error: Exception) -> str:
    return (
        str(error).strip().splitlines()[0][:120]
        if str(error).strip()
        else "no reason given"
    )
