"""The figures of a report: what a practice and its evaluation look like."""

import base64
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from amadeus.audio.write import encode_mp3
from amadeus.listen.text import note_name
from amadeus.report.chart import Axis, Curve, Frame, draw_chart, fit_axis, time_axis
from amadeus.report.evaluation import Example
from amadeus.report.session import TrainingPoint
from amadeus.report.spectrogram import draw_spectrogram, measure_spectrogram
from amadeus.v1.personality_pb2 import NoteShape

LOUDNESS_FLOOR_DB = -100.0  # below, silence is silence
SUSTAIN_S = 0.6  # of the note that is drawn; real ones are as long as they are
RELEASE_DEPTH_DB = 40.0  # as NoteShape defines its release


class ExampleFigures(NamedTuple):
    """A held-out excerpt, ready for the page."""

    name: str
    duration_s: float
    original: Markup
    resynthesis: Markup
    original_mp3: str
    resynthesis_mp3: str
    pitch: Markup
    loudness: Markup


def draw_training(points: Sequence[TrainingPoint]) -> Markup:
    """Draws the training and held-out loss over steps."""
    steps = np.array([float(p.step) for p in points])
    train = np.array([p.train_loss for p in points])
    held_out = np.array([p.eval_loss for p in points])
    measured = np.isfinite(held_out)
    curves = [
        Curve("training loss", steps, train, "reference"),
        Curve("held-out loss", steps[measured], held_out[measured], "result"),
    ]
    low, high = float(steps.min()), float(steps.max())
    x_axis = time_axis(max(high, 1.0), label="training step")
    if high > low > 0.2 * high:  # a practice taken up again
        x_axis = fit_axis("training step", steps, n_ticks=8)
    y_axis = _loss_axis(np.concatenate([train, held_out]))
    text = f"Training and held-out loss from step {low:.0f} to {high:.0f}."
    return draw_chart(
        curves, x_axis=x_axis, y_axis=y_axis, description=text, frame=Frame(height=280)
    )


def draw_example(example: Example, *, confidence_threshold: float) -> ExampleFigures:
    """Draws a held-out excerpt beside its resynthesis, and encodes both to be heard."""
    original, resynthesis = _same_scale(example)
    sounds = {"original": original, "resynthesis": resynthesis}
    power_db = {
        name: measure_spectrogram(audio, sample_rate=example.sample_rate)
        for name, audio in sounds.items()
    }
    top_db = max(float(p.max()) for p in power_db.values())
    pictures = {
        name: draw_spectrogram(
            power_db[name],
            top_db=top_db,
            duration_s=len(audio) / example.sample_rate,
            sample_rate=example.sample_rate,
            description=f"Spectrogram of the {name} of {example.name}.",
        )
        for name, audio in sounds.items()
    }
    return ExampleFigures(
        name=example.name,
        duration_s=example.duration_s,
        original=pictures["original"],
        resynthesis=pictures["resynthesis"],
        original_mp3=_encode(original, example.sample_rate),
        resynthesis_mp3=_encode(resynthesis, example.sample_rate),
        pitch=draw_pitch(example, confidence_threshold=confidence_threshold),
        loudness=draw_loudness(example),
    )


def draw_pitch(example: Example, *, confidence_threshold: float) -> Markup:
    """Draws the pitch of both; where the original has none, neither is drawn."""
    n_frames = min(len(example.f0_hz), len(example.resynthesis_f0_hz))
    voiced = example.f0_confidence[:n_frames] >= confidence_threshold
    original = _to_midi(example.f0_hz[:n_frames], where=voiced)
    resynthesis = _to_midi(example.resynthesis_f0_hz[:n_frames], where=voiced)
    return draw_chart(
        _both(original, resynthesis, example.frame_rate),
        x_axis=time_axis(example.duration_s),
        y_axis=pitch_axis(original),
        description=f"Pitch over time of {example.name}, original and resynthesis.",
        frame=Frame(height=200),
    )


def draw_loudness(example: Example) -> Markup:
    """Draws the loudness of both."""
    original = np.maximum(example.loudness_db, LOUDNESS_FLOOR_DB)
    resynthesis = np.maximum(example.resynthesis_loudness_db, LOUDNESS_FLOOR_DB)
    return draw_chart(
        _both(original, resynthesis, example.frame_rate),
        x_axis=time_axis(example.duration_s),
        y_axis=fit_axis("loudness in dB", np.concatenate([original, resynthesis])),
        description=f"Loudness over time of {example.name}, original and resynthesis.",
        frame=Frame(height=180),
    )


def draw_note(shape: NoteShape) -> Markup:
    """Draws the typical note of the recordings as its loudness over time."""
    release_db = -shape.decay_depth_db + shape.sustain_slope_db_per_s * SUSTAIN_S
    corners = [
        (0.0, -shape.attack_depth_db),
        (shape.attack_duration_s, 0.0),
        (shape.decay_duration_s, -shape.decay_depth_db),
        (SUSTAIN_S, release_db),
        (shape.release_duration_s, release_db - RELEASE_DEPTH_DB),
    ]
    times_s = np.cumsum([seconds for seconds, _ in corners])
    levels_db = np.array([level for _, level in corners])
    return draw_chart(
        [Curve("typical note", times_s, levels_db, "result")],
        x_axis=time_axis(max(float(times_s[-1]), 0.1)),
        y_axis=fit_axis("below the peak in dB", levels_db, n_ticks=4),
        description="Loudness over time of the typical note: attack, decay, sustain and release.",
        frame=Frame(width=440, height=210),
    )


def pitch_axis(pitch_midi: np.ndarray) -> Axis:
    """Makes an axis of notes around the pitches there are, at least an octave tall."""
    known = pitch_midi[np.isfinite(pitch_midi)]
    low, high = (float(known.min()), float(known.max())) if known.size else (57.0, 69.0)
    room = max(2.0, (12 - (high - low)) / 2)
    low, high = math.floor(low - room), math.ceil(high + room)
    step = next((s for s in (2, 3, 6, 12) if (high - low) / s <= 7), 12)
    ticks = [(float(n), note_name(n)) for n in range(low - low % -step, high + 1, step)]
    return Axis("pitch", float(low), float(high), ticks)


def _loss_axis(losses: np.ndarray) -> Axis:
    # The first steps tower above all others and would press the rest flat.
    finite = losses[np.isfinite(losses)]
    top = float(np.quantile(finite, 0.98)) * 1.1 if finite.size else 1.0
    return fit_axis("spectral loss", np.minimum(finite, top))


def _both(
    original: np.ndarray, resynthesis: np.ndarray, frame_rate: int
) -> list[Curve]:
    original_s = np.arange(len(original)) / frame_rate
    resynthesis_s = np.arange(len(resynthesis)) / frame_rate
    return [
        Curve("original", original_s, original, "reference"),
        Curve("resynthesis", resynthesis_s, resynthesis, "result"),
    ]


def _to_midi(f0_hz: np.ndarray, *, where: np.ndarray) -> np.ndarray:
    known = where & np.isfinite(f0_hz) & (f0_hz > 0)
    return np.where(
        known, 69 + 12 * np.log2(np.where(known, f0_hz, 440.0) / 440.0), np.nan
    )


def _same_scale(example: Example) -> tuple[np.ndarray, np.ndarray]:
    # One gain for both, so that they can be compared by ear.
    original = np.nan_to_num(example.original)
    resynthesis = np.nan_to_num(example.resynthesis, posinf=1.0, neginf=-1.0)
    peak = max(1.0, float(abs(original).max()), float(abs(resynthesis).max()))
    return original / peak, resynthesis / peak


def _encode(audio: np.ndarray, sample_rate: int) -> str:
    mp3 = encode_mp3(audio, sample_rate=sample_rate)
    return "data:audio/mpeg;base64," + base64.b64encode(mp3).decode()
