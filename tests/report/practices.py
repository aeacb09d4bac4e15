"""Practices as a worker leaves them behind, made without one."""

import json

import numpy as np
from google.protobuf import json_format

from amadeus.journal import JOURNAL_NAME
from amadeus.personality.profiles import complete_learner_profile
from amadeus.v1 import personality_pb2, practice_pb2, profiles_pb2

SAMPLE_RATE, FRAME_RATE = 16_000, 100


class Scribe:
    """Writes a journal as `Journal` does, by a clock of its own."""

    def __init__(self, path):
        self.elapsed_s = 0.0
        self._path = path / JOURNAL_NAME

    def write(self, *, after_s=0.0, **event):
        self.elapsed_s += after_s
        record = practice_pb2.PracticeEvent(elapsed_s=self.elapsed_s, **event)
        line = json_format.MessageToJson(
            record, indent=None, preserving_proto_field_name=True
        )
        with self._path.open("a") as journal:
            journal.write(line + "\n")


def make_practice(
    deu, practice="20261121-034455-ab12", *, recordings=("/music/cello/a.wav",)
):
    """Makes the folder of a practice that has been asked for, and no more."""
    path = deu.practices_path / practice
    path.mkdir(parents=True)
    request = practice_pb2.ImitationRequest(
        deu=deu.name,
        practice=practice,
        recordings=practice_pb2.Recordings(uri=recordings),
        learner_profile=complete_learner_profile(
            profiles_pb2.LearnerProfile(harmonic_count=80, crop_duration_s=2.0)
        ),
    )
    text = json_format.MessageToJson(request, preserving_proto_field_name=True)
    (path / "request.json").write_text(text)
    return path


def write_training(journal, *, n_points=60):
    for name, duration_s in (("AudioExampleGen", 6.2), ("DdspTransform", 11.9)):
        journal.write(component_started=practice_pb2.ComponentStarted(component=name))
        journal.write(
            after_s=duration_s,
            component_finished=practice_pb2.ComponentFinished(
                component=name, duration_s=duration_s, cached=name == "DdspTransform"
            ),
        )
    journal.write(component_started=practice_pb2.ComponentStarted(component="Trainer"))
    rng = np.random.default_rng(440)
    for step in range(25, 25 * n_points + 1, 25):
        loss = 5.2 + 14 * np.exp(-step / 180) + 0.15 * rng.standard_normal()
        held_out = 5.6 + 14 * np.exp(-step / 170) + 0.05 * rng.standard_normal()
        journal.write(
            after_s=25 / 6.4,
            training_progress=practice_pb2.TrainingProgress(
                step=step,
                train_loss=loss,
                eval_loss=held_out if step % 100 == 0 else float("nan"),
                steps_per_s=6.4,
                remaining_s=10.0,
            ),
        )


def write_end(journal, *, blessed=True, parent=True):
    journal.write(
        after_s=16.6,
        component_finished=practice_pb2.ComponentFinished(
            component="Trainer", duration_s=251.0
        ),
    )
    journal.write(
        evaluated=practice_pb2.Evaluated(
            blessed=blessed,
            reason="held-out spectral loss 5.52 is at most the parent's 5.91 times 1.05",
            metrics={
                "spectral_loss": 5.52,
                "loudness_error_db": 2.31,
                "f0_error_semitones": 0.12,
                "f0_outlier_ratio": 0.031,
            },
            parent_metrics={"spectral_loss": 5.91, "loudness_error_db": 2.2}
            if parent
            else {},
        )
    )
    journal.write(
        finished=practice_pb2.PracticeFinished(
            generation=2, digest="sha256:" + "ab" * 32, is_new=blessed
        )
    )


def make_sound(f0_hz, level, rng, *, n_harmonics=12, noise=0.003):
    """Sums harmonics of a pitch curve given per frame."""
    hop = SAMPLE_RATE // FRAME_RATE
    phase = np.cumsum(np.repeat(f0_hz, hop)) * 2 * np.pi / SAMPLE_RATE
    sound = sum(np.sin(k * phase) / k**1.3 for k in range(1, n_harmonics + 1))
    sound = 0.25 * np.repeat(level, hop) * sound
    return (sound + noise * rng.standard_normal(len(sound))).astype(np.float32)


def write_example(folder, number, rng, *, name, seconds=2.0, midi=(45, 48, 52, 57)):
    n_frames = int(seconds * FRAME_RATE)
    note = np.arange(n_frames) * len(midi) // n_frames
    within = (np.arange(n_frames) % (n_frames // len(midi))) / (n_frames // len(midi))
    vibrato = 0.15 * np.sin(2 * np.pi * 5.5 * np.arange(n_frames) / FRAME_RATE)
    f0_hz = 440 * 2 ** ((np.array(midi)[note] + vibrato - 69) / 12)
    level = np.minimum(1, within * 12) * np.exp(-1.6 * within) * (within < 0.9) + 1e-4
    confidence = np.where(level > 0.01, 0.95, 0.05)
    loudness_db = 20 * np.log10(level) - 18
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / f"{number}.npz",
        name=np.array(name),
        sample_rate=SAMPLE_RATE,
        frame_rate=FRAME_RATE,
        original=make_sound(f0_hz, level, rng),
        resynthesis=make_sound(f0_hz, level**1.1, rng, n_harmonics=8, noise=0.01),
        f0_hz=np.float32(f0_hz),
        f0_confidence=np.float32(confidence),
        loudness_db=np.float32(loudness_db),
        resynthesis_f0_hz=np.float32(f0_hz * 2 ** (rng.normal(0, 0.08, n_frames) / 12)),
        resynthesis_loudness_db=np.float32(loudness_db * 1.04 - 1),
    )


def write_artifacts(path, artifacts, rng, *, names=("takes/suite.wav",), seconds=2.0):
    """Writes what the evaluator and the transform leave, and where they lie."""
    for number, name in enumerate(names):
        midi = tuple(m + 2 * number for m in (45, 48, 52, 57))
        write_example(
            artifacts / "evaluation" / "examples",
            number,
            rng,
            name=name,
            midi=midi,
            seconds=seconds,
        )
    statistics = personality_pb2.Statistics(
        sounding_duration_s=611.0,
        voiced_duration_s=575.0,
        pitch_quantiles_midi=np.linspace(36, 79, 21),
        loudness_quantiles_db=np.linspace(-62, -21, 21),
        silence_loudness_db=-78.0,
        take_count={"train": 41, "eval": 5},
        note_shape=personality_pb2.NoteShape(
            note_count=412,
            attack_duration_s=0.085,
            attack_depth_db=26.0,
            decay_duration_s=0.12,
            decay_depth_db=3.4,
            sustain_slope_db_per_s=-4.2,
            release_duration_s=0.32,
            soft_loudness_db=-48.0,
            loud_loudness_db=-23.0,
            vibrato_rate_hz=5.6,
            vibrato_depth_cents=18.0,
            vibrato_delay_s=0.3,
        ),
    )
    (artifacts / "statistics").mkdir(parents=True)
    text = json_format.MessageToJson(statistics, preserving_proto_field_name=True)
    (artifacts / "statistics" / "statistics.json").write_text(text)
    result = {
        "evaluation_uri": str(artifacts / "evaluation"),
        "statistics_uri": str(artifacts / "statistics"),
        "generation": 2,
        "blessed": True,
    }
    (path / "result.json").write_text(json.dumps(result))


def make_whole_practice(
    deu, artifacts, rng, *, names=("takes/suite.wav",), blessed=True, seconds=2.0
):
    recordings = [f"/music/cello/{name}" for name in names]
    path = make_practice(deu, recordings=recordings)
    journal = Scribe(path)
    write_training(journal)
    write_end(journal, blessed=blessed)
    write_artifacts(path, artifacts, rng, names=names, seconds=seconds)
    return path
