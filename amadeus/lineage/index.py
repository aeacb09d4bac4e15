"""What was read of a long lineage, kept beside the deu: a generation never changes, so it need not be read twice.

    HOME/deus/DEU/lineage.json      a cache; whoever removes it loses nothing but a second

Rows are kept only of generations whose maker is known: what is half recorded is read again.
"""

import contextlib
import json
from typing import Any, NamedTuple

from amadeus.home import Deu, Home, write_atomically
from amadeus.lineage.rows import Row
from amadeus.lineage.store import name_store

INDEX_NAME = "lineage.json"
MIN_ROWS = 256  # fewer are read as quickly where they were recorded

_FORMAT = "amadeus.lineage.index/1"


class Kept(NamedTuple):
    """What is known of a deu.

    Attributes:
      newest_id: The newest artifact of any kind when it was read.
      rows: Its personalities, by artifact; at least one.
    """

    newest_id: int
    rows: list[Row]


def read(home: Home, deu: Deu) -> Kept | None:
    """Reads what is kept of a deu; None where that is nothing, of other metadata, or damaged."""
    try:
        written = json.loads((deu.path / INDEX_NAME).read_text())
        if written["head"] != _head(home, deu):
            return None
        rows = [Row(*row) for row in written["rows"]]
        return Kept(int(written["newest_id"]), rows) if rows else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(home: Home, deu: Deu, kept: Kept) -> None:
    """Keeps what was read, if it is much; where nothing can be written, nothing is kept."""
    half = [row.artifact_id for row in kept.rows if not row.is_made]
    newest_id = min([kept.newest_id, *(number - 1 for number in half)])
    rows = [row for row in kept.rows if row.is_made]
    if len(rows) < MIN_ROWS:
        return
    written: dict[str, Any] = {
        "head": _head(home, deu),
        "newest_id": newest_id,
        "rows": rows,
    }
    with contextlib.suppress(OSError):
        write_atomically(deu.path / INDEX_NAME, json.dumps(written))


def _head(home: Home, deu: Deu) -> list[str]:
    return [_FORMAT, name_store(home), deu.name, deu.created_at]
