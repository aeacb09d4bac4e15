"""How true the pitch is that trackers find, against melodies whose pitch is known.

    python -m benchmarks pitch [--full] [--soundfont FILE] [--recordings FILES ...] [--notes FILES ...]

Eight instruments of a General MIDI soundfont play the same study (detached and staccato notes, slurs,
leaps of an octave, glides, vibrato), rendered by FluidSynth; 3.7 minutes, half of them with a known
pitch. Measures are those of mir_eval.melody, at half a semitone, over all frames of all instruments
but those in which a released note rings on:

  - RPA, RCA: share of sounding frames with the right pitch, or right but for the octave;
  - octave: RCA - RPA, the share of frames an octave or more off, and the same for the worst instrument;
  - recall, false: share of sounding frames said to sound, and of silent frames said to sound;
  - overall: share of all frames that are right in pitch and in voicing.

Rows named "alone" are a tracker's own answers; the others are what Amadeus extracts. The peers, in the
same run: librosa.pyin and, with --full, CREPE full. With --full and recordings of which no truth is
known, a second table tells how often each tracker agrees with CREPE full where that is sure. With
--notes, recordings of single notes named by pitch (examples/cello), another counts the sounding frames
that lie more than a semitone off the name.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.errors import AmadeusError

FRAME_RATE = 100
SAMPLE_RATE = 16_000
SURE = 0.85  # CREPE's own: above it, it is rarely wrong
TOLERANCE_CENTS = 50


class Found(NamedTuple):
    """A pitch that was found.

    Attributes:
      f0_hz: Positive. Shape [n_frames].
      is_voiced: Bool, shape [n_frames].
    """

    f0_hz: np.ndarray
    is_voiced: np.ndarray


class Row(NamedTuple):
    """A tracker: its name, and from audio to pitch."""

    name: str
    find: Callable[[np.ndarray], Found]


class Score(NamedTuple):
    """Measures of mir_eval.melody, each in [0, 1]."""

    rpa: float
    rca: float
    voicing_recall: float
    voicing_false_alarm: float
    overall: float

    @property
    def octave_errors(self) -> float:
        """Share of sounding frames that are right but for the octave."""
        return self.rca - self.rpa


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks pitch")
    parser.add_argument("--full", action="store_true", help="CREPE full too: minutes")
    parser.add_argument("--soundfont", type=Path, help="by default TimGM6mb")
    parser.add_argument(
        "--recordings", nargs="*", default=[], help="files, folders or globs"
    )
    parser.add_argument(
        "--notes", nargs="*", default=[], help="single notes, named by their pitch"
    )
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its tables."""
    options = build_parser().parse_args(argv)
    try:
        _run(options)
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    from benchmarks import _melodies as melodies

    soundfont = options.soundfont or melodies.SOUNDFONTS[0]
    rendered = {
        instrument.name: melodies.render(instrument, soundfont=soundfont)
        for instrument in melodies.INSTRUMENTS
    }
    rows = list_rows(full=options.full)
    seconds = sum(len(melody.audio) for melody in rendered.values()) / SAMPLE_RATE
    print(f"{soundfont.name}, {len(rendered)} instruments, {seconds:.0f} s\n")
    print(
        f"{'':24}{'RPA':>7}{'RCA':>7}{'octave':>8}{'worst':>7}{'recall':>8}{'false':>7}"
        f"{'overall':>9}{'x real time':>13}"
    )
    for row in rows:
        row.find(np.zeros(SAMPLE_RATE, np.float32))  # compiles, allocates
        started_at = time.perf_counter()
        found = {name: row.find(melody.audio) for name, melody in rendered.items()}
        speed = seconds / (time.perf_counter() - started_at)
        _print_row(row.name, rendered, found, speed)
    print(
        f"\nload of the machine at the end {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"
    )
    if options.full and options.recordings:
        _print_agreement(rows, options.recordings)
    if options.notes:
        _print_named(rows, options.notes)


def list_rows(*, full: bool) -> list[Row]:
    """Lists the trackers and their peers."""
    rows = []
    for name in ("auto", "swift_f0", "yin", "crepe_tiny"):
        rows += [_extracted(name), _alone(name)]
    rows.append(Row("librosa.pyin alone", _pyin))
    return [*rows, _alone("crepe_full")] if full else rows


def score(melodies: list, found: list[Found]) -> Score:
    """Scores the pitch found in melodies, all frames of all taken together.

    Args:
      melodies: As `_melodies.render` makes them.
      found: One for each.
    """
    from mir_eval import melody as measures

    truths = [
        _truth(melody, len(pitch.f0_hz))
        for melody, pitch in zip(melodies, found, strict=True)
    ]
    true_hz = np.concatenate([f0_hz[clear] for f0_hz, clear in truths])
    pairs = list(zip(found, truths, strict=True))
    found_hz = np.concatenate([pitch.f0_hz[clear] for pitch, (_, clear) in pairs])
    voiced = np.concatenate([pitch.is_voiced[clear] for pitch, (_, clear) in pairs])
    truth = (true_hz > 0).astype(float), measures.hz2cents(true_hz)
    said = voiced.astype(float), measures.hz2cents(found_hz.astype(float))
    recall, false_alarm = measures.voicing_measures(truth[0], said[0])
    return Score(
        measures.raw_pitch_accuracy(*truth, *said, cent_tolerance=TOLERANCE_CENTS),
        measures.raw_chroma_accuracy(*truth, *said, cent_tolerance=TOLERANCE_CENTS),
        recall,
        false_alarm,
        measures.overall_accuracy(*truth, *said, cent_tolerance=TOLERANCE_CENTS),
    )


def _truth(melody, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Pitch and whether it is clear, on frames."""
    ticks = np.arange(n_frames) * (1_000 // FRAME_RATE)
    ticks = np.minimum(ticks, len(melody.f0_hz) - 1)
    return melody.f0_hz[ticks], melody.is_clear[ticks]


def _print_row(name: str, rendered: dict, found: dict, speed: float) -> None:
    total = score(list(rendered.values()), list(found.values()))
    worst = max(
        score([melody], [found[key]]).octave_errors for key, melody in rendered.items()
    )
    print(
        f"{name:24}{total.rpa:7.2%}{total.rca:7.2%}{total.octave_errors:8.2%}{worst:7.2%}"
        f"{total.voicing_recall:8.2%}{total.voicing_false_alarm:7.2%}{total.overall:9.2%}{speed:13.1f}",
        flush=True,
    )


def _extracted(name: str) -> Row:
    """What `amadeus.features.extract` makes of a tracker's answers."""
    from amadeus.features.extract import extract, make_tracker
    from amadeus.features.voicing import voiced_mask

    profile = _profile(name)
    tracker = make_tracker(profile)

    def find(audio: np.ndarray) -> Found:
        found = extract(audio, profile=profile, tracker=tracker)
        threshold = profile.f0_confidence_threshold
        return Found(found.f0_hz, voiced_mask(found, threshold=threshold))

    return Row(name, find)


def _alone(name: str) -> Row:
    """A tracker's own answers, one by one."""
    from amadeus.audio import AudioSpec
    from amadeus.features.extract import make_tracker

    profile = _profile(name)
    tracker = make_tracker(profile)
    spec = AudioSpec(sample_rate=SAMPLE_RATE, frame_rate=FRAME_RATE)
    limits = {"f0_min_hz": profile.f0_min_hz, "f0_max_hz": profile.f0_max_hz}

    def find(audio: np.ndarray) -> Found:
        pitch = tracker.track(audio, spec=spec, **limits)
        return Found(
            pitch.f0_hz, pitch.f0_confidence >= profile.f0_confidence_threshold
        )

    return Row(f"{name} alone", find)


def _profile(name: str):
    from amadeus.personality import profiles

    settings = [f"f0_tracker={name}", f"frame_rate={FRAME_RATE}"]
    return profiles.complete_learner_profile(
        profiles.parse_learner_settings([*settings, f"sample_rate={SAMPLE_RATE}"])
    )


def _pyin(audio: np.ndarray) -> Found:
    import librosa

    profile = _profile("yin")
    f0_hz, is_voiced, _ = librosa.pyin(
        audio.astype(np.float64),
        fmin=profile.f0_min_hz,
        fmax=profile.f0_max_hz,
        sr=SAMPLE_RATE,
        frame_length=1_024,
        hop_length=SAMPLE_RATE // FRAME_RATE,
        fill_na=None,
    )
    return Found(f0_hz, is_voiced)


def _print_agreement(rows: list[Row], recordings: list[str]) -> None:
    from amadeus.audio import AudioSpec, decode
    from amadeus.audio.recordings import find_recordings
    from amadeus.features.crepe import CrepeTracker

    paths = find_recordings(recordings)
    audio = np.concatenate(
        [decode.read(path, sample_rate=SAMPLE_RATE) for path in paths]
    )
    spec = AudioSpec(sample_rate=SAMPLE_RATE, frame_rate=FRAME_RATE)
    judge = CrepeTracker("full", viterbi=False)
    said = judge.track(audio, spec=spec, f0_min_hz=46.875, f0_max_hz=1_900.0)
    sure = said.f0_confidence >= SURE
    print(
        f"\n{len(audio) / SAMPLE_RATE:.0f} s of recordings, CREPE full sure of {sure.mean():.0%}\n"
    )
    print(f"{'':24}{'agree':>8}{'octave off':>12}{'voiced':>8}")
    for row in rows:
        found = row.find(audio)
        cents = 1200 * np.log2(found.f0_hz[sure] / said.f0_hz[sure])
        near = np.abs(cents) < TOLERANCE_CENTS
        chroma = np.abs(cents - 1200 * np.round(cents / 1200)) < TOLERANCE_CENTS
        print(
            f"{row.name:24}{near.mean():8.2%}{(chroma & ~near).mean():12.2%}{found.is_voiced[sure].mean():8.2%}"
        )


def _print_named(rows: list[Row], recordings: list[str]) -> None:
    from amadeus.audio import decode
    from amadeus.audio.recordings import find_recordings
    from amadeus.datasets.note_names import read_name

    named = [(path, read_name(path.name)) for path in find_recordings(recordings)]
    notes = [
        (decode.read(path, sample_rate=SAMPLE_RATE), name.pitch)
        for path, name in named
        if name is not None
    ]
    print(f"\n{len(notes)} single notes\n\n{'':24}{'sounding':>9}{'off':>6}")
    for row in rows:
        n_sounding = n_off = 0
        for audio, midi in notes:
            found = row.find(audio)
            true_hz = 440 * 2 ** ((midi - 69) / 12)
            cents = 1200 * np.log2(found.f0_hz[found.is_voiced] / true_hz)
            n_sounding += len(cents)
            n_off += np.count_nonzero(np.abs(cents) > 100)
        print(f"{row.name:24}{n_sounding:9}{n_off:6}", flush=True)
