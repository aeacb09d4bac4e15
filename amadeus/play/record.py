"""What was played exactly: written into a take, so that whoever judges it need not guess.

A record is a line of JSON (who played, how, on which clock), a line feed, and the control curves as little-endian
float32, compressed. `amadeus.audio.write` puts it into a chunk of the WAV file.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format

from amadeus.audio import AudioSpec, riff
from amadeus.errors import AmadeusError, RecordingError
from amadeus.play.notation import Controls, Timbre
from amadeus.v1 import profiles_pb2

FORMAT = "amadeus.play.record/1"

_MAX_HEADER_BYTES = 2**16
_MAX_LINES = 256
_MAX_CURVE_BYTES = 2**28


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was played, and by whom.

    Attributes:
      deu: Name.
      generation: Its number where it played.
      digest: Of the personality.
      player_profile: How it was played, complete.
      spec: The clock of the controls.
      gain_db: What the whole was turned by after the player's own gain, at most 0.
      lines: What each line was told, frame by frame, all from the first sample on; empty where that is not known.
      is_untouched: Whether the sound beside it is as it was played.
    """

    deu: str
    generation: int
    digest: str
    player_profile: profiles_pb2.PlayerProfile
    spec: AudioSpec
    gain_db: float = 0.0
    lines: Sequence[Controls] = field(default=())
    is_untouched: bool = True


def encode(record: Record) -> bytes:
    """Writes a record as bytes."""
    header = {
        "format": FORMAT,
        "deu": record.deu,
        "generation": record.generation,
        "digest": record.digest,
        "sample_rate": record.spec.sample_rate,
        "frame_rate": record.spec.frame_rate,
        "gain_db": round(record.gain_db, 6),
        "player_profile": json_format.MessageToDict(
            record.player_profile, preserving_proto_field_name=True
        ),
        "lines": [
            {"frame_count": len(line.f0_hz), "timbre": line.timbre is not None}
            for line in record.lines
        ],
    }
    curves = [
        np.asarray(curve, "<f4").tobytes()
        for line in record.lines
        for curve in (line.f0_hz, line.loudness_db, *(line.timbre or ()))
    ]
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b"\n" + zlib.compress(b"".join(curves))


def decode(content: bytes) -> Record:
    """Reads a record.

    Raises:
      RecordingError: It is damaged, or of a version that is not known here.
    """
    text, _, packed = content.partition(b"\n")
    if len(text) > _MAX_HEADER_BYTES:
        raise _damaged("its header is too long")
    try:
        header = json.loads(text)
        if header["format"] != FORMAT:
            raise _damaged(f"it is written as {str(header['format'])[:40]!r}")
        return _read(header, packed)
    except (
        AmadeusError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
        json_format.ParseError,
        zlib.error,
    ) as error:
        if isinstance(error, RecordingError):
            raise
        raise _damaged(f"{type(error).__name__}") from error


def read_record(path: Path) -> Record | None:
    """Reads the record in a take; None where it holds none.

    Raises:
      RecordingError: The record is damaged, or the file cannot be read.
    """
    try:
        sealed = riff.read(path)
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be read ({error.strerror}): give a WAV file that may be read."
        ) from error
    if sealed is None:
        return None
    record = decode(sealed.content)
    if sealed.is_untouched:
        return record
    # Edited: who played is known still, but not when.
    return Record(
        deu=record.deu,
        generation=record.generation,
        digest=record.digest,
        player_profile=record.player_profile,
        spec=record.spec,
        is_untouched=False,
    )


def _read(header: dict[str, Any], packed: bytes) -> Record:
    from amadeus.personality.profiles import complete_player_profile

    profile = json_format.ParseDict(
        header["player_profile"],
        profiles_pb2.PlayerProfile(),
        ignore_unknown_fields=True,
    )
    gain_db = float(header["gain_db"])
    if not -200 <= gain_db <= 0:
        raise _damaged(f"its gain is {gain_db:g} dB")
    return Record(
        deu=str(header["deu"]),
        generation=int(header["generation"]),
        digest=str(header["digest"]),
        player_profile=complete_player_profile(profile),
        spec=AudioSpec(
            sample_rate=int(header["sample_rate"]), frame_rate=int(header["frame_rate"])
        ),
        gain_db=gain_db,
        lines=tuple(_read_lines(header["lines"], packed)),
    )


def _read_lines(shapes: list[dict[str, Any]], packed: bytes) -> list[Controls]:
    counts = [(int(s["frame_count"]), 5 if s["timbre"] else 2) for s in shapes]
    n_bytes = sum(4 * n_frames * n_curves for n_frames, n_curves in counts)
    if len(counts) > _MAX_LINES or n_bytes > _MAX_CURVE_BYTES:
        raise _damaged("it holds too many curves")
    if any(n_frames < 0 for n_frames, _ in counts):
        raise _damaged("a curve has no length")
    raw = zlib.decompressobj().decompress(packed, n_bytes + 1)
    if len(raw) != n_bytes:
        raise _damaged("its curves are not as long as it says")
    values = np.frombuffer(raw, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise _damaged("a control is no number")
    lines, start = [], 0
    for n_frames, n_curves in counts:
        end = start + n_frames * n_curves
        f0_hz, loudness_db, *timbre = values[start:end].reshape(n_curves, n_frames)
        lines.append(Controls(f0_hz, loudness_db, Timbre(*timbre) if timbre else None))
        start = end
    return lines


def _damaged(reason: str) -> RecordingError:
    return RecordingError(
        f"what the take says of how it was played is damaged or of another version ({reason}): perform it again."
    )
