"""Recordings that are too many for a parameter, in a file instead.

ML Metadata records parameters, by default in messages of 4 MB: a hundred thousand paths do not fit. The file is named
by its content, so that the same recordings are the same parameter.
"""

import hashlib
from pathlib import Path

from google.protobuf import json_format

from amadeus.errors import PracticeError
from amadeus.home import write_atomically
from amadeus.v1 import practice_pb2

MAX_PARAMETER_BYTES = 1 << 18


def shorten(
    recordings: practice_pb2.Recordings, folder: Path
) -> practice_pb2.Recordings:
    """Puts a long list of recordings into a file, and names that; a short one stays as it is."""
    if recordings.ByteSize() <= MAX_PARAMETER_BYTES:
        return recordings
    text = json_format.MessageToJson(recordings, preserving_proto_field_name=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomically(path, text)
    return practice_pb2.Recordings(list_uri=str(path))


def lengthen(recordings: practice_pb2.Recordings) -> practice_pb2.Recordings:
    """Reads what `shorten` wrote.

    Raises:
      PracticeError: The file is not there any more.
    """
    if not recordings.list_uri:
        return recordings
    try:
        text = Path(recordings.list_uri).read_text()
    except OSError as error:
        raise PracticeError(
            f"the list of recordings {recordings.list_uri} cannot be read ({error.strerror}): start the practice again."
        ) from error
    return json_format.Parse(text, practice_pb2.Recordings())
