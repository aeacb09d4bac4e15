"""What a generation learned from, as its `Examples` tell: in a property, or, of many takes, in a file."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ml_metadata.proto import metadata_store_pb2

from amadeus.audio import skips
from amadeus.errors import AmadeusError
from amadeus.lineage.records import TakeRecord
from amadeus.stores.addresses import is_url, join, split

MANY = 1_000  # takes that are named where many generations are told of at once

_Artifact = metadata_store_pb2.Artifact


class Learned(NamedTuple):
    """What a generation learned from.

    Attributes:
      takes: The takes; none where they are many and their file is gone.
      n_takes: How many there are.
      skipped: What was given and could not be learned from, in a clause; empty if nothing.
    """

    takes: tuple[TakeRecord, ...] = ()
    n_takes: int = 0
    skipped: str = ""


def find_learned(
    artifacts: Iterable[_Artifact], *, limit: int | None = None
) -> Learned:
    """Reads the first artifact that tells of takes.

    Args:
      artifacts: The nearest first.
      limit: How many takes to name at most; None names all.
    """
    for artifact in artifacts:
        own = artifact.custom_properties
        if "takes" in own or "takes_file" in own:
            rows = _rows(artifact)
            n_takes = own["take_count"].int_value if "take_count" in own else len(rows)
            takes = tuple(map(_record, rows[:limit]))
            return Learned(takes, n_takes, _say_skipped(artifact))
    return Learned()


def _rows(artifact: _Artifact) -> list[dict[str, Any]]:
    own = artifact.custom_properties
    if "takes" in own:
        return json.loads(own["takes"].string_value)
    try:
        text = _read(artifact.uri, own["takes_file"].string_value)
        return json.loads(text)["takes"]
    except (
        OSError,
        AmadeusError,
        ValueError,
    ):  # pruned, or out of reach: the count is left
        return []


def _read(folder: str, name: str) -> bytes:
    if not is_url(folder):
        return Path(folder, name).read_bytes()
    from amadeus.stores.opening import open_store

    with tempfile.TemporaryDirectory(prefix="amadeus-takes-") as scratch:
        path = Path(scratch, "takes")
        above, key = split(join(folder.rstrip("/"), name))
        open_store(above).download(key, path, max_bytes=1 << 30)
        return path.read_bytes()


def _record(row: dict[str, Any]) -> TakeRecord:
    return TakeRecord(
        name=row["name"],
        digest=row["digest"],
        splits=tuple(row["splits"]),
        duration_s=row.get("duration_s"),
    )


def _say_skipped(artifact: _Artifact) -> str:
    own = artifact.custom_properties
    if "skipped" not in own:
        return ""
    found = skips.from_json(json.loads(own["skipped"].string_value))
    return skips.say(found, own["given_count"].int_value)
