"""Labels of NSynth, in Google's schema and in that of TensorFlow Datasets."""

import numpy as np
import pytest

from amadeus.datasets import example, nsynth
from amadeus.datasets.nsynth import Note, Schema, SchemaError
from tests.datasets import notes_made


def test_googles_schema_is_read():
    record = notes_made.google(
        7, family="synth_lead", source="synthetic", pitch=77, velocity=100, instrument=2
    )
    label = nsynth.read_label(record)
    assert label == nsynth.Label(
        *("synth_lead_synthetic_002-077-100", "synth_lead_synthetic_002"),
        *("synth_lead", "synthetic", 77, 100, 16_000, 800, Schema.GOOGLE),
    )
    assert label.duration_s == 0.05


def test_the_schema_of_tensorflow_datasets_is_read():
    label = nsynth.read_label(notes_made.tfds())
    assert label == nsynth.Label(
        *("string_acoustic_012-048-100", "string_acoustic_012"),
        *("string", "acoustic", 48, 100, 16_000, 800, Schema.TFDS),
    )


def test_what_is_written_is_the_published_schema():
    tf = pytest.importorskip("tensorflow")
    audio = notes_made.tone(69)
    record = notes_made.google(3, audio=audio)
    # As the data set's page describes it, and as those who train on it parse it.
    parsed = tf.io.parse_single_example(
        record,
        {
            **{
                key: tf.io.FixedLenFeature([1], tf.int64)
                for key in ("note", "instrument", "pitch", "velocity", "sample_rate")
            },
            "instrument_family": tf.io.FixedLenFeature([], tf.int64),
            "instrument_source": tf.io.FixedLenFeature([], tf.int64),
            **{
                key: tf.io.FixedLenFeature([], tf.string)
                for key in (
                    *("note_str", "instrument_str"),
                    *("instrument_family_str", "instrument_source_str"),
                )
            },
            "qualities": tf.io.FixedLenFeature([10], tf.int64),
            "qualities_str": tf.io.VarLenFeature(tf.string),
            "audio": tf.io.FixedLenFeature([16_000], tf.float32),
        },
    )
    assert parsed["note_str"].numpy() == b"flute_acoustic_000-069-075"
    assert parsed["instrument_family"].numpy() == 2
    assert parsed["qualities"].numpy().tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    assert parsed["qualities_str"].values.numpy().tolist() == [b"dark", b"reverb"]
    assert parsed["audio"].numpy().tobytes() == audio.tobytes()
    assert nsynth.read_audio(record).tobytes() == audio.tobytes()


def test_numbers_stand_in_for_words_that_are_missing():
    record = example.encode(
        {
            "note_str": b"reed_electronic_001-060-025",
            "instrument_family": 7,
            "instrument_source": 1,
            "pitch": 60,
            "velocity": 25,
            "sample_rate": 16_000,
            "audio": np.zeros(4, "f4"),
        }
    )
    label = nsynth.read_label(record)
    assert (label.family, label.source) == ("reed", "electronic")
    assert label.instrument == "reed_electronic_001"


def test_names_are_read_and_written():
    note = nsynth.parse_name("flute_acoustic_002-077-100")
    assert note == Note("flute_acoustic_002", 77, 100)
    assert nsynth.name_note(note) == "flute_acoustic_002-077-100"


def test_a_name_of_thousands_of_digits_is_none():
    with pytest.raises(SchemaError, match="is no <instrument>"):
        nsynth.parse_name(f"x-1-{'9' * 5000}")


def _without(key, **others):
    features = {
        "note_str": b"bass_synthetic_000-040-025",
        "instrument_family_str": b"bass",
        "instrument_source_str": b"synthetic",
        "pitch": 40,
        "velocity": 25,
        "sample_rate": 16_000,
        "audio": np.zeros(4, "f4"),
        **others,
    }
    features.pop(key, None)
    return example.encode(features)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (b"\x0a\x05hi", "a field goes beyond its message"),
        (_without("note_str"), "neither note_str nor instrument/family"),
        (_without("pitch"), "it has no pitch"),
        (_without("audio"), "it has no audio"),
        (
            _without("", pitch=128),
            r"pitch is \[128\], and not one number in \[0, 127\]",
        ),
        (_without("", pitch=[60, 61]), "not one number"),
        (_without("", pitch=b"60"), "another kind"),
        (_without("", sample_rate=0), "sample_rate"),
        (_without("", instrument_family_str=b"kazoo"), "'kazoo', which is none"),
        (_without("", note_str=b"\xff"), "note_str is no text"),
        (_without("", note_str=b"nameless"), "'nameless' is no <instrument>"),
        (_without("", note_str=b"x-1-" + b"9" * 5000), "note_str is no name"),
        (_without("", note_str=b"x\x1b[2J-1-1"), "note_str is no name"),
        (_without("", instrument_str=b"x\ny"), "instrument_str is no name"),
        (_without("", sample_rate=1), "sample_rate"),
        (_without("", audio=[1, 2]), "another kind"),
    ],
)
def test_records_of_another_kind_are_refused_with_the_reason(record, says):
    with pytest.raises(SchemaError, match=says):
        nsynth.read_label(record)
