"""Melodies of soundfont instruments whose pitch is known frame by frame.

FluidSynth renders a MIDI file that is written here, so nothing about the pitch is guessed: it is the
note and the pitch bend of the moment, tuned to 440 Hz. What a sample does by itself (vibrato, a
scoop at its beginning) remains, so pitch is compared at half a semitone.
"""

import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import mido
import numpy as np
import soundfile

from amadeus.errors import ConfigError

SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
)
SAMPLE_RATE = 16_000
MIN_F0_DB = -50.0  # below the loudest moment, a note is not yet or no longer heard
RELEASE_S = 0.4  # after a note is let go it rings with a pitch nobody asked for

_BEND_RANGE = 24  # semitones up or down
_BEND_STEP_S = 0.005
_TICKS_PER_S = 1_000


class Instrument(NamedTuple):
    """A General MIDI instrument and the lowest note of its melodies."""

    name: str
    program: int  # from 0
    lowest_midi: int


INSTRUMENTS = (
    Instrument("violin", 40, 57),
    Instrument("cello", 42, 38),
    Instrument("trumpet", 56, 56),
    Instrument("tenor sax", 66, 48),
    Instrument("bassoon", 70, 38),
    Instrument("clarinet", 71, 52),
    Instrument("flute", 73, 62),
    Instrument("voice", 53, 50),
)


class Melody(NamedTuple):
    """A rendered melody.

    Attributes:
      audio: Mono, 16 kHz. Shape [n_samples].
      f0_hz: True pitch 1,000 times a second, 0 where nothing is held. Shape [n_ticks].
      is_clear: Where there is a truth: not while a released note rings on. Shape [n_ticks].
    """

    audio: np.ndarray
    f0_hz: np.ndarray
    is_clear: np.ndarray


class _Event(NamedTuple):
    """A held note: its pitch moves through `bends` (time from its start in s, semitones)."""

    start_s: float
    end_s: float
    pitch_midi: int
    velocity: int
    bends: tuple[tuple[float, float], ...] = ((0.0, 0.0),)


def why_not() -> str | None:
    """Says what is missing to render, or None."""
    if shutil.which("fluidsynth") is None:
        return "fluidsynth is not installed (apt-get install fluidsynth)"
    if not SOUNDFONTS[0].exists():
        return f"{SOUNDFONTS[0].name} is not installed (apt-get install timgm6mb-soundfont)"
    return None


def render(instrument: Instrument, *, soundfont: Path = SOUNDFONTS[0]) -> Melody:
    """Renders the study of an instrument: detached, staccato, legato, leaps, glides, vibrato.

    Raises:
      ConfigError: FluidSynth or the soundfont is missing.
    """
    missing = why_not()
    if missing:
        raise ConfigError(f"cannot render melodies: {missing}.")
    events = _study(instrument.lowest_midi)
    with tempfile.TemporaryDirectory() as scratch:
        score, sound = Path(scratch) / "study.mid", Path(scratch) / "study.wav"
        _write_midi(events, instrument.program, score)
        options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "0.6", "-O", "float"]
        command = ["fluidsynth", *options, "-r", str(SAMPLE_RATE)]
        subprocess.run(
            [*command, "-F", str(sound), str(soundfont), str(score)],
            check=True,
            capture_output=True,
            timeout=120,
        )
        audio = soundfile.read(sound, dtype="float32")[0].mean(axis=1)
    return Melody(audio, *_truth(events, audio))


def _study(low: int) -> list[_Event]:
    events: list[_Event] = []
    now = 0.3

    def play(
        duration_s: float, gap_s: float, pitch: int, velocity: int, *bends
    ) -> None:
        nonlocal now
        shape = bends or ((0.0, 0.0),)
        events.append(_Event(now, now + duration_s, pitch, velocity, shape))
        now += duration_s + gap_s

    for step in (0, 4, 7, 12, 16, 19, 24, 19, 12, 5, 0):  # detached
        play(0.45, 0.25, low + step, 90)
    for step in (12, 24, 12, 0, 12, 19, 7, 0):  # staccato, with leaps of an octave
        play(0.12, 0.3, low + step, 105)
    for step, velocity in ((0, 35), (7, 45), (12, 55), (24, 40)):  # quiet and long
        play(0.8, 0.3, low + step, velocity)
    steps = (0, 2, 4, 5, 7, 5, 4, 2, 0, 12, 0)  # slurred in one bow, octaves too
    slur = [(0.0, 0.0)]
    for number, (before, after) in enumerate(itertools.pairwise(steps), 1):
        slur += [(0.3 * number, before), (0.3 * number + 0.03, after)]
    play(0.3 * len(steps), 0.4, low + 7, 95, *slur)
    play(1.6, 0.4, low + 9, 90, (0.0, 0.0), (0.4, 0.0), (1.2, 7.0))  # a slow glide
    play(1.6, 0.4, low + 14, 90, (0.0, 0.0), (0.4, 0.0), (0.8, -5.0), (1.2, 0.0))
    wave = [(t, 0.4 * np.sin(2 * np.pi * 5.5 * t)) for t in np.arange(0.0, 1.5, 0.01)]
    play(1.5, 0.5, low + 12, 85, *wave)  # a vibrato of 40 cents
    return events


def _bend_at(event: _Event, times_s: np.ndarray) -> np.ndarray:
    points = np.array(event.bends)
    return np.interp(times_s, points[:, 0], points[:, 1])


def _write_midi(events: list[_Event], program: int, path: Path) -> None:
    timed = [(0.0, message) for message in _setting_up(program)]
    for event in events:
        steps_s = np.arange(0.0, event.end_s - event.start_s, _BEND_STEP_S)
        for step_s, semitones in zip(steps_s, _bend_at(event, steps_s), strict=True):
            value = round(semitones / _BEND_RANGE * 8192)
            bend = mido.Message("pitchwheel", pitch=min(value, 8191))
            timed.append((event.start_s + step_s, bend))
        note = {"note": event.pitch_midi, "velocity": event.velocity}
        timed.append((event.start_s, mido.Message("note_on", **note)))
        timed.append((event.end_s, mido.Message("note_off", note=event.pitch_midi)))
    timed.append((events[-1].end_s + 1.0, mido.MetaMessage("end_of_track")))
    timed.sort(key=lambda pair: pair[0])  # stable: the bend comes before its note
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    before = 0
    for time_s, message in timed:
        ticks = round(time_s * _TICKS_PER_S)
        track.append(message.copy(time=ticks - before))
        before = ticks
    score = mido.MidiFile(ticks_per_beat=_TICKS_PER_S // 2)
    score.tracks.append(track)
    score.save(path)


def _setting_up(program: int) -> list[mido.Message]:
    def control(number: int, value: int) -> mido.Message:
        return mido.Message("control_change", control=number, value=value)

    bend_range = [control(101, 0), control(100, 0), control(6, _BEND_RANGE)]
    return [
        mido.Message("program_change", program=program),
        *bend_range,
        control(38, 0),
    ]


def _truth(events: list[_Event], audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ticks_s = np.arange(round(len(audio) / SAMPLE_RATE * 1_000)) / 1_000
    f0_hz, is_clear = np.zeros(len(ticks_s)), np.ones(len(ticks_s), bool)
    for event in events:
        held = (ticks_s >= event.start_s) & (ticks_s < event.end_s)
        pitch_midi = event.pitch_midi + _bend_at(event, ticks_s[held] - event.start_s)
        f0_hz[held] = 440.0 * 2.0 ** ((pitch_midi - 69) / 12)
        after = (ticks_s >= event.end_s) & (ticks_s < event.end_s + RELEASE_S)
        is_clear[after] = False
    is_clear |= f0_hz > 0
    is_clear &= (f0_hz == 0) | _is_heard(audio, len(ticks_s))
    return f0_hz, is_clear


def _is_heard(audio: np.ndarray, n_ticks: int) -> np.ndarray:
    """Whether the 32 ms around each tick are loud enough to have a pitch."""
    power = np.convolve(audio.astype(np.float64) ** 2, np.full(512, 1 / 512), "same")
    at_ticks = power[:: SAMPLE_RATE // 1_000][:n_ticks]
    return at_ticks > power.max() * 10 ** (MIN_F0_DB / 10)
