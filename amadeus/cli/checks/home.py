"""The home: rights, room, lineage and voices."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from amadeus.cli.checks.check import Check, judge
from amadeus.errors import AmadeusError
from amadeus.home import METADATA_VARIABLE, Deu, Home, is_recorded

MIN_FREE_BYTES, GOOD_FREE_BYTES = 0.5e9, 5e9


def check_home(home: Home) -> Check:
    """The home folder, or the nearest folder above it that exists, can be written."""
    place = _nearest(home.path)
    mend = f"give yourself rights in {place}, or choose another home with AMADEUS_HOME"
    fits = _can_write(place)
    text = (
        f"{home.path} (deus: {len(home.deus())})"
        if place == home.path
        else f"{home.path}, not made yet"
    )
    return judge("home", fits, text, mend)


def check_disk(home: Home) -> Check:
    """A practice needs room for features and checkpoints."""
    free = shutil.disk_usage(_nearest(home.path)).free
    text = f"{free / 1e9:.1f} GB free"
    mend = "free some space, or choose another home with AMADEUS_HOME"
    if free < MIN_FREE_BYTES:
        return Check("disk", "problem", text, mend)
    return Check("disk", "warning" if free < GOOD_FREE_BYTES else "ok", text, mend)


def check_metadata(home: Home) -> Check:
    """The lineage store can be opened and read."""
    if os.environ.get(METADATA_VARIABLE):
        return _check_server(home)
    if not home.metadata_path.exists():
        return Check("lineage", "ok", "no practice has written any yet")
    mend = f"restore {home.metadata_path} from a copy, or move it away: voices play without it"
    try:
        uri = home.metadata_path.as_uri() + "?mode=ro"
        store = sqlite3.connect(uri, uri=True, timeout=1.0)
        (count,) = store.execute("SELECT COUNT(*) FROM Artifact").fetchone()
        store.close()
    except sqlite3.Error as error:
        return Check("lineage", "problem", f"{home.metadata_path}: {error}", mend)
    return Check("lineage", "ok", f"{count} artifacts recorded")


def _check_server(home: Home) -> Check:
    from amadeus.lineage import store  # ML Metadata takes half a second

    mend = f"start the server, or unset {METADATA_VARIABLE} for a file in the home"
    try:
        opened = store.open_store(home, mode=store.Mode.READONLY, patience_s=0.0)
        with store.worded(home):
            if opened is not None:
                opened.get_artifact_types()  # a channel of gRPC opens without an answer
    except AmadeusError as error:
        return Check("lineage", "problem", str(error), mend)
    return Check("lineage", "ok", f"{store.name_store(home)} answers")


def check_records(home: Home, deu: Deu) -> Iterator[Check]:
    """Every generation that is there is in the lineage; who made others was killed before it could record them."""
    if not deu.generations() or not is_recorded(home):
        return
    from amadeus.lineage import find_unrecorded  # ML Metadata takes half a second

    try:
        missing = find_unrecorded(home, deu)
    except AmadeusError:
        return  # the check of the store itself tells
    if missing:
        named = ", ".join(map(str, missing))
        mend = f"nothing needs to be done: the next practice or import of {deu.name} records them"
        yield Check(
            f"deu {deu.name}",
            "warning",
            f"not in the lineage: generation {named}",
            mend,
        )


def check_voice(deu: Deu) -> Check:
    """The files of the current voice are there and its description can be read."""
    name, generation = f"deu {deu.name}", deu.current_generation()
    if not generation:
        return Check(name, "ok", "no voice yet")
    path = deu.voice_path()
    needed = (
        "saved_model.pb",
        "variables/variables.index",
        "assets.extra/personality.json",
    )
    missing = [part for part in needed if not _has_content(path / part)]
    mend = f"play another with `amadeus deu checkout {deu.name}@N`, or practise again"
    if missing:
        return Check(
            name, "problem", f"generation {generation} lacks {', '.join(missing)}", mend
        )
    try:
        json.loads((path / needed[-1]).read_text())
    except (OSError, ValueError) as error:
        return Check(name, "problem", f"generation {generation}: {error}", mend)
    if notice := deu.pointer_notice():
        return Check(name, "warning", notice)
    return Check(name, "ok", f"generation {generation} can be played")


def _nearest(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _can_write(folder: Path) -> bool:
    # Tried rather than asked: rights on paper do not open a read-only disk.
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
