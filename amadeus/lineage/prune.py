"""Freeing what no living generation needs, and saying why the rest stays.

A generation lives as long as its files are there. What it was made of stays with it: the outputs of its own practice,
up to its parent, so that a later practice finds them in the cache and a report can be written. All else that lies in
the pipeline's folder goes. Generations go only where a rule is given; the one that plays never does.

A generation that goes leaves a note of who it was (`pruned/N.json`), and its number is not given again. Its lineage
stays in ML Metadata, where its state says that the files are gone.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import ml_metadata
from ml_metadata.errors import NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import ConfigError
from amadeus.home import Deu, Home, explain_os_errors, write_atomically
from amadeus.lineage.read import generations_of
from amadeus.lineage.store import (
    Mode,
    find_personalities,
    open_store,
    persist,
    worded,
)
from amadeus.lineage.tree import ancestors_of
from amadeus.personality import content
from amadeus.personality.generations import STAGING_PREFIX
from amadeus.report.session import read_session

CHECKPOINTS_NAME = "checkpoints"
# No server reads it, and whoever next makes a generation sweeps it away.
_DOOMED_PREFIX = f"{STAGING_PREFIX}pruned-"
_RUN_CONTEXT = "pipeline_run"
_Artifact = metadata_store_pb2.Artifact
_Event = metadata_store_pb2.Event


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which generations may go; without any, none.

    Attributes:
      keep: All but the newest so many.
      branches: All that the one that plays did not grow from.
    """

    keep: int | None = None
    branches: bool = False

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise ConfigError(
                f"--keep={self.keep} keeps nothing: give the number of generations that stay, from 1."
            )


class Item(NamedTuple):
    """Something on disk, and why it goes or stays.

    Attributes:
      name: What it is.
      path: Where it lies.
      n_bytes: What it takes.
      why: The reason.
    """

    name: str
    path: Path
    n_bytes: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What goes and what stays.

    Attributes:
      generations: Numbers of the generations that go.
      goes: All that goes, generations included.
      stays: What stays.
    """

    generations: list[int] = field(default_factory=list)
    goes: list[Item] = field(default_factory=list)
    stays: list[Item] = field(default_factory=list)

    @property
    def n_bytes(self) -> int:
        """What is freed."""
        return sum(item.n_bytes for item in self.goes)


def plan(home: Home, deu: Deu, rule: Rule) -> Plan:
    """Finds out what would go, changing nothing.

    Raises:
      HomeError: The metadata cannot be read.
    """
    reasons = _judge(home, deu, rule)
    made = Plan()
    for generation, (goes, why) in reasons.items():
        path = deu.voices_path / str(generation)
        item = Item(f"generation {generation}", path, _size(path), why)
        (made.goes if goes else made.stays).append(item)
        if goes:
            made.generations.append(generation)
    living = [generation for generation, (goes, _) in reasons.items() if not goes]
    for item, goes in _judge_folders(home, deu, living):
        (made.goes if goes else made.stays).append(item)
    return made


def prune(home: Home, deu: Deu, rule: Rule) -> Plan:
    """Frees what no living generation needs.

    Raises:
      HomeError: A practice of this deu is running, or the folder cannot be written.
    """
    with explain_os_errors(deu.path), deu.locked():
        made = plan(home, deu, rule)
        doomed = [_take_away(deu, generation) for generation in made.generations]
        doomed += deu.voices_path.glob(f"{_DOOMED_PREFIX}*")  # of one that was killed
        folders = [i.path for i in made.goes if deu.pipeline_path in i.path.parents]
        for path in [*filter(None, doomed), *folders]:
            shutil.rmtree(path, ignore_errors=True)
        _mark(home, deu, folders)
    return made


def render_plan(deu_name: str, made: Plan, *, is_done: bool) -> str:
    """Words what goes, what stays and why."""
    verb = "freed" if is_done else "would free"
    lines = [f"{deu_name}: prune {verb} {_say_size(made.n_bytes)}"]
    for title, items in (("goes", made.goes), ("stays", made.stays)):
        if items:
            lines.append(title)
            width = max(len(item.name) for item in items)
            lines += [
                f"  {item.name:<{width}}  {_say_size(item.n_bytes):>8}  {item.why}"
                for item in items
            ]
    if not made.goes:
        lines.append("nothing goes: every file is needed by a generation that is there")
    return "\n".join(lines)


def _judge(home: Home, deu: Deu, rule: Rule) -> dict[int, tuple[bool, str]]:
    """Decides for each generation whether it goes, and why."""
    current = deu.current_generation()
    held = deu.generations()
    newest = set(held[-rule.keep :]) if rule.keep else set()
    ancestors: set[int] = set()
    if rule.branches:
        ancestors = set(ancestors_of(generations_of(home, deu), current))
    reasons = {}
    for generation in held:
        if generation == current:
            verdict = (False, "plays now")
        elif rule.keep is None and not rule.branches:
            verdict = (False, "no rule lets it go: --keep N, or --branches")
        elif generation in newest:
            verdict = (False, f"one of the newest {rule.keep}")
        elif rule.branches and generation in ancestors:
            verdict = (False, f"generation {current}, which plays, grew from it")
        else:
            verdict = (True, _say_rule(rule, current))
        reasons[generation] = verdict
    return reasons


def _say_rule(rule: Rule, current: int) -> str:
    words = []
    if rule.keep is not None:
        words.append(f"not one of the newest {rule.keep}")
    if rule.branches:
        words.append(f"generation {current}, which plays, did not grow from it")
    return " and ".join(words)


def _judge_folders(
    home: Home, deu: Deu, living: Iterable[int]
) -> Iterator[tuple[Item, bool]]:
    """Looks at every artifact and checkpoint on disk; whether it goes comes second."""
    store = open_store(home, mode=Mode.READONLY)
    owners: dict[str, set[int]] = {}
    unfinished = _unfinished(deu)
    taken_up: set[str] = set()
    if store is not None:
        with worded(home):
            owners = _owners(store, deu, set(living))
            taken_up = _made_by(store, deu, unfinished) if unfinished else set()
    for path in _artifact_folders(deu):
        key = _key(deu, str(path))
        name = str(path.relative_to(deu.path))
        if key in owners:
            named = ", ".join(map(str, sorted(owners[key])))
            noun = "generation" if len(owners[key]) == 1 else "generations"
            yield Item(name, path, _size(path), f"{noun} {named} came of it"), False
        elif key in taken_up:
            why = f"practice {unfinished} has no end yet and can be taken up again"
            yield Item(name, path, _size(path), why), False
        else:
            why = "no generation that is there came of it"
            yield Item(name, path, _size(path), why), True
    yield from _judge_checkpoints(deu, unfinished)


def _judge_checkpoints(deu: Deu, unfinished: str) -> Iterator[tuple[Item, bool]]:
    folder = deu.pipeline_path / CHECKPOINTS_NAME
    found = sorted(folder.iterdir(), key=_changed_s) if folder.is_dir() else []
    for path in found:
        name = str(path.relative_to(deu.path))
        if unfinished and path == found[-1]:
            why = f"practice {unfinished} has no end yet and goes on from it"
            yield Item(name, path, _size(path), why), False
        else:
            yield Item(name, path, _size(path), "of a lesson that is over"), True


def _owners(
    store: ml_metadata.MetadataStore, deu: Deu, living: set[int]
) -> dict[str, set[int]]:
    """Finds what living generations were made of, and whatever came of it in the same executions."""
    owners: dict[str, set[int]] = {}
    for personality in find_personalities(store, deu):
        generation = personality.custom_properties["generation"].int_value
        if generation in living:
            for artifact in _practice_behind(store, personality):
                owners.setdefault(_key(deu, artifact.uri), set()).add(generation)
    return owners


def _practice_behind(
    store: ml_metadata.MetadataStore, personality: _Artifact
) -> list[_Artifact]:
    seen, waiting = {personality.id: personality}, [personality.id]
    while waiting:
        events = store.get_events_by_artifact_ids(waiting)
        makers = {e.execution_id for e in events if e.type == _Event.OUTPUT}
        around = store.get_events_by_execution_ids(sorted(makers)) if makers else []
        ids = {event.artifact_id for event in around} - seen.keys()
        found = store.get_artifacts_by_id(sorted(ids)) if ids else []
        # not behind a parent, nor into a sibling
        news = [a for a in found if a.type_id != personality.type_id]
        seen |= {a.id: a for a in news}
        waiting = [a.id for a in news]
    return list(seen.values())


def _unfinished(deu: Deu) -> str:
    """Names the last practice, if it can be taken up again."""
    practices = deu.practices()
    if not practices:
        return ""
    return "" if read_session(practices[-1]).finished else practices[-1].name


def _made_by(store: ml_metadata.MetadataStore, deu: Deu, practice: str) -> set[str]:
    try:
        runs = store.get_contexts_by_type(_RUN_CONTEXT)
    except NotFoundError:
        return set()
    own = [run for run in runs if run.name.startswith(f"{deu.name}/{practice}/")]
    return {
        _key(deu, artifact.uri)
        for run in own
        for artifact in store.get_artifacts_by_context(run.id)
    }


def _artifact_folders(deu: Deu) -> Iterator[Path]:
    """Lists what TFX wrote: NODE/KEY/NUMBER below the pipeline's root."""
    for node in sorted(_folders(deu.pipeline_path)):
        if node.name != CHECKPOINTS_NAME:
            for key in sorted(_folders(node)):
                if key.name != ".system":
                    yield from sorted(_folders(key), key=lambda p: (len(p.name), p))


def _folders(path: Path) -> list[Path]:
    return [p for p in path.iterdir() if p.is_dir()] if path.is_dir() else []


def _key(deu: Deu, uri: str) -> str:
    """Names a folder by its place in the deu: a home may have been moved."""
    return uri.rstrip("/").rpartition(f"/deus/{deu.name}/")[2]


def _take_away(deu: Deu, generation: int) -> Path | None:
    """Takes a generation out of the folder of voices by one rename; returns what is to be removed."""
    path = deu.voices_path / str(generation)
    with deu.pointing():
        if generation == deu.current_generation():
            return None  # it was pointed to a moment ago
        deu.pruned_path.mkdir(exist_ok=True)
        who = path / content.EXTRAS_FOLDER / content.PERSONALITY_NAME
        text = who.read_text(errors="replace") if who.exists() else "{}"
        write_atomically(deu.pruned_path / f"{generation}.json", text)
        doomed = deu.voices_path / f"{_DOOMED_PREFIX}{generation}"
        path.rename(doomed)
    return doomed


def _mark(home: Home, deu: Deu, folders: list[Path]) -> None:
    """Has ML Metadata say of what is gone that it is."""
    store = open_store(home, mode=Mode.READWRITE)
    if store is None:
        return
    with worded(home):
        gone = set(deu.pruned_generations())
        found = [
            p
            for p in find_personalities(store, deu)
            if p.custom_properties["generation"].int_value in gone
        ]
        for path in folders:
            found += store.get_artifacts_by_uri(str(path))
        changed = [a for a in found if a.state != _Artifact.DELETED]
        for artifact in changed:
            artifact.state = _Artifact.DELETED
        if changed:
            persist(lambda: store.put_artifacts(changed))


def _size(path: Path) -> int:
    """Adds up files that no other generation shares."""
    files = [p.lstat() for p in path.rglob("*") if p.is_file() and not p.is_symlink()]
    return sum(status.st_size for status in files if status.st_nlink == 1)


def _changed_s(path: Path) -> float:
    return path.stat().st_mtime


def _say_size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.1f} kB"
