"""NSynth: notes of 1,006 instruments, 4 s each at 16 kHz, and how they are written down in TFRecord files.

Two schemas are read, which the names of their features tell apart:

*Google's own files* (`nsynth-{train,valid,test}.tfrecord`, 305,979 notes), as
https://magenta.tensorflow.org/datasets/nsynth gives them:

    note                   int64             a number for the note
    note_str               bytes             <instrument_str>-<pitch>-<velocity>: flute_acoustic_002-077-100
    instrument             int64             a number for the instrument
    instrument_str         bytes             <family>_<source>_<number of three digits>: flute_acoustic_002
    pitch                  int64             MIDI note, in [0, 127]
    velocity               int64             MIDI velocity, in [0, 127]
    sample_rate            int64             in Hz
    audio                  float [64000]     in [-1, 1]
    qualities              int64 [10]        1 where a note has the quality, in the order of `QUALITIES`
    qualities_str          bytes [any]       the names of those it has
    instrument_family      int64             index into `FAMILIES`
    instrument_family_str  bytes
    instrument_source      int64             index into `SOURCES`
    instrument_source_str  bytes

*TensorFlow Datasets* (`nsynth/full`, `nsynth/gansynth_subset`, `nsynth/gansynth_subset.f0_and_loudness`, versions
2.3.x), as tensorflow_datasets/datasets/nsynth/nsynth_dataset_builder.py gives them; TFDS writes nested features with
`/` between the names, class labels as their numbers and truth values as int64:

    id                     bytes             the `note_str`
    audio                  float [64000]     at 16 kHz
    pitch, velocity        int64             in [0, 127]
    instrument/label       int64             index into the names of all instruments, which lie beside the data
    instrument/family      int64             index into `FAMILIES`
    instrument/source      int64             index into `SOURCES`
    qualities/<quality>    int64             0 or 1, one feature for each of `QUALITIES`
    f0/hz, f0/midi, f0/confidence, loudness/db   float [1000]   at 250 Hz; in `f0_and_loudness` only

A practice recomputes pitch and loudness, so those of the data set are not used: what trains a voice is measured as what
plays it is. The GANSynth subset is acoustic and of pitches 24 to 84: 86,775 notes in its three splits together.
"""

import re
from enum import Enum
from typing import NamedTuple

import numpy as np

from amadeus.datasets import example
from amadeus.datasets.example import Span, WireError

FAMILIES = (
    *("bass", "brass", "flute", "guitar", "keyboard", "mallet"),
    *("organ", "reed", "string", "synth_lead", "vocal"),
)
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
    *("bright", "dark", "distortion", "fast_decay", "long_release", "multiphonic"),
    *("nonlinear_env", "percussive", "reverb", "tempo-synced"),
)
SAMPLE_RATE = 16_000
GANSYNTH_NOTES = 86_775

_MIDI = range(128)
_RATES = range(8_000, 768_001)  # less would swell when it is resampled
_MAX_NAME = 200  # characters; every chosen note keeps its name in memory
_NAME = re.compile(r"(.*)-([0-9]{1,3})-([0-9]{1,3})")


class Schema(Enum):
    """Whose names the features have."""

    GOOGLE = "NSynth as Google publishes it"
    TFDS = "NSynth as TensorFlow Datasets writes it"


class Label(NamedTuple):
    """What a record says of its note.

    Attributes:
      name: The `note_str`.
      instrument: The `instrument_str`.
      family: One of `FAMILIES`.
      source: One of `SOURCES`.
      pitch: MIDI note.
      velocity: MIDI velocity.
      sample_rate: In Hz.
      n_samples: Samples of its audio.
      schema: Whose names its features have.
    """

    name: str
    instrument: str
    family: str
    source: str
    pitch: int
    velocity: int
    sample_rate: int
    n_samples: int
    schema: Schema

    @property
    def duration_s(self) -> float:
        """Length of the audio."""
        return self.n_samples / self.sample_rate


class Note(NamedTuple):
    """What a note's name says: `flute_acoustic_002-077-100`."""

    instrument: str
    pitch: int
    velocity: int


class SchemaError(ValueError):
    """A record that is none of NSynth; half a sentence says why."""


def read_label(record: bytes) -> Label:
    """Reads what a record says of its note; its audio is not looked at.

    Raises:
      SchemaError: It is no record of NSynth.
    """
    try:
        return _read_label(record, example.find_features(record))
    except WireError as error:
        raise SchemaError(str(error)) from error


def read_audio(record: bytes) -> np.ndarray:
    """Reads the sound of a note: float32 [n_samples], as it is written.

    Raises:
      SchemaError: It has none.
    """
    try:
        return example.floats(record, example.find_features(record)["audio"])
    except (WireError, KeyError) as error:
        raise SchemaError(f"no audio ({error})") from error


def parse_name(name: str) -> Note:
    """Reads the name of a note.

    Raises:
      SchemaError: It is none.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise SchemaError(f"{name!r} is no <instrument>-<pitch>-<velocity>")
    instrument, pitch, velocity = match.groups()
    return Note(instrument, int(pitch), int(velocity))


def name_note(note: Note) -> str:
    """Names a note as NSynth does."""
    return f"{note.instrument}-{note.pitch:03d}-{note.velocity:03d}"


def encode(
    note: Note,
    *,
    number: int,
    instrument_number: int,
    family: str,
    source: str,
    sample_rate: int,
    audio: np.ndarray,
    qualities: frozenset[str] = frozenset(),
) -> bytes:
    """Writes a record in Google's schema.

    Args:
      note: Instrument, pitch and velocity.
      number: Of the note in its data set.
      instrument_number: Of the instrument in its data set.
      family: One of `FAMILIES`.
      source: One of `SOURCES`.
      sample_rate: In Hz.
      audio: In [-1, 1]. Shape [n_samples].
      qualities: Those of `QUALITIES` that it has.
    """
    has = [quality for quality in QUALITIES if quality in qualities]
    return example.encode(
        {
            "note": number,
            "note_str": name_note(note).encode(),
            "instrument": instrument_number,
            "instrument_str": note.instrument.encode(),
            "pitch": note.pitch,
            "velocity": note.velocity,
            "sample_rate": sample_rate,
            "qualities": [int(quality in qualities) for quality in QUALITIES],
            "qualities_str": [quality.encode() for quality in has],
            "instrument_family": FAMILIES.index(family),
            "instrument_family_str": family.encode(),
            "instrument_source": SOURCES.index(source),
            "instrument_source_str": source.encode(),
            "audio": np.asarray(audio, np.float32),
        }
    )


def _read_label(record: bytes, spans: dict[str, Span]) -> Label:
    if "note_str" in spans:
        schema = Schema.GOOGLE
        name = _text(record, spans, "note_str")
        family = _choice(record, spans, "instrument_family", FAMILIES)
        source = _choice(record, spans, "instrument_source", SOURCES)
        rate = _number(record, spans, "sample_rate", _RATES)
    elif "instrument/family" in spans:
        schema = Schema.TFDS
        name = _text(record, spans, "id")
        family = _choice(record, spans, "instrument/family", FAMILIES)
        source = _choice(record, spans, "instrument/source", SOURCES)
        rate = SAMPLE_RATE
    else:
        raise SchemaError("it has neither note_str nor instrument/family")
    return Label(
        name,
        _instrument(record, spans, name),
        family,
        source,
        _number(record, spans, "pitch", _MIDI),
        _number(record, spans, "velocity", _MIDI),
        rate,
        example.n_floats(record, _span(spans, "audio")),
        schema,
    )


def _instrument(record: bytes, spans: dict[str, Span], name: str) -> str:
    """Tells the instrument; TFDS writes a number for it, so that there its name comes from the note's."""
    if "instrument_str" in spans:
        return _text(record, spans, "instrument_str")
    return parse_name(name).instrument


def _choice(
    record: bytes, spans: dict[str, Span], key: str, names: tuple[str, ...]
) -> str:
    """Reads one of a few names, by its word where the record has it, else by its number."""
    word = f"{key}_str"
    if word not in spans:
        return names[_number(record, spans, key, range(len(names)))]
    text = _text(record, spans, word)
    if text not in names:
        raise SchemaError(f"its {word} is {text!r}, which is none of NSynth")
    return text


def _number(record: bytes, spans: dict[str, Span], key: str, valid: range) -> int:
    values = example.ints(record, _span(spans, key))
    if len(values) != 1 or values[0] not in valid:
        raise SchemaError(
            f"its {key} is {values[:3]}, and not one number in [{valid[0]}, {valid[-1]}]"
        )
    return values[0]


def _text(record: bytes, spans: dict[str, Span], key: str) -> str:
    values = example.texts(record, _span(spans, key))
    if len(values) != 1:
        raise SchemaError(f"its {key} holds {len(values)} texts, and not one")
    try:
        text = values[0].decode()
    except UnicodeDecodeError as error:
        raise SchemaError(f"its {key} is no text") from error
    if len(text) > _MAX_NAME or not text.isprintable():  # it is shown in terminals
        raise SchemaError(f"its {key} is no name")
    return text


def _span(spans: dict[str, Span], key: str) -> Span:
    if key not in spans:
        raise SchemaError(f"it has no {key}")
    return spans[key]
