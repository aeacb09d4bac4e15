"""Lineage that leaves a home in a bundle, and lineage that comes."""

import itertools
import json
import math
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import AmadeusError, NotHeldError
from amadeus.home import Home
from amadeus.lineage.read import ancestry_of, detailed
from amadeus.lineage.records import GenerationRecord
from amadeus.personality import content
from amadeus.personality.pedigree import (
    FILE_NAME,
    MAX_ENTRIES,
    Entry,
    Take,
    find_pedigree,
    write_pedigree,
)

_Artifact = metadata_store_pb2.Artifact


def pedigree_of(voice_path: Path) -> bytes | None:
    """Writes the lineage of a voice in a home, to travel with it; None where nothing is known of it.

    A voice that came from elsewhere hands on what it brought, byte by byte.
    """
    home, deu_name = Home(voice_path.parents[3]), voice_path.parents[1].name
    try:
        personality = content.read_personality(voice_path)
        if find_pedigree(voice_path, personality) is not None:
            return (voice_path / content.EXTRAS_FOLDER / FILE_NAME).read_bytes()
        deu = home.deu(deu_name)
        chain = ancestry_of(home, deu, int(voice_path.name))
    except (NotHeldError, ValueError):
        return None  # a voice outside of a home, or one of which nothing was recorded
    if chain[0].digest != personality.digest:
        return None
    if chain[0].is_imported and not chain[0].born_deu:
        return None  # it came without, and its coming here is no part of it
    kept = [detailed(home, record) for record in _sound(chain)[:MAX_ENTRIES]]
    n_older = len(chain) - len(kept) + chain[-1].n_older
    entries = [_entry(record, deu_name) for record in kept]
    # the record may keep fewer digits than the voice itself
    own = entries[0]._replace(
        metrics={n: m for n, m in personality.metrics.items() if math.isfinite(m)}
    )
    return write_pedigree([own, *entries[1:]], n_older)


def pedigree_or_none(voice_path: Path) -> bytes | None:
    """Writes the lineage of a voice; None, too, where the metadata cannot be read: the voice may travel without."""
    try:
        return pedigree_of(voice_path)
    except AmadeusError:
        return None


def takes_json(takes: tuple[Take, ...]) -> str:
    """Writes recordings as AudioExampleGen does."""
    rows = [
        {key: value for key, value in take._asdict().items() if value is not None}
        for take in takes
    ]
    return json.dumps(rows)


def _sound(chain: list[GenerationRecord]) -> list[GenerationRecord]:
    """Cuts a chain where its digests do not lead on, as after files were put there by hand."""
    for place, (child, parent) in enumerate(itertools.pairwise(chain)):
        if child.parent_digest not in ("", parent.digest):
            return chain[: place + 1]
    return chain


def _entry(record: GenerationRecord, deu_name: str) -> Entry:
    return Entry(
        deu=record.born_deu or deu_name,
        generation=record.born_generation or record.generation,
        digest=record.digest,
        parent_digest=record.parent_digest,
        kind=record.born_kind or record.kind,
        practice=record.practice,
        created_ms=record.born_ms or record.created_ms,
        metrics=dict(sorted(record.metrics.items())),
        takes=tuple(
            Take(take.name, take.digest, take.splits, take.duration_s)
            for take in record.takes
        ),
    )
