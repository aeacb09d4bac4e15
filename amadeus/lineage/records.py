"""Lineage as plain records."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["imitation", "tuning", "feedback", "import", "found"]


@dataclass(frozen=True, kw_only=True)
class TakeRecord:
    """A recording that a generation learned from.

    Attributes:
      name: File name.
      digest: SHA-256 of its bytes, hexadecimal.
      splits: `train`, `eval`, or both for a lone take.
      duration_s: Its length in seconds; None where it was not recorded.
    """

    name: str
    digest: str
    splits: tuple[str, ...]
    duration_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ExecutionRecord:
    """One step of the practice behind a generation.

    Attributes:
      component: Name of the step, such as `Trainer`.
      state: `complete`, `cached`, `failed`, `canceled` or `running`.
      started_ms: Start, in milliseconds since 1970.
      duration_s: Time it took, in seconds.
    """

    component: str
    state: str
    started_ms: int
    duration_s: float

    @property
    def cached(self) -> bool:
        """Whether its result came from the cache."""
        return self.state == "cached"


@dataclass(frozen=True, kw_only=True)
class GenerationRecord:
    """A generation and where it came from.

    Attributes:
      generation: Its number, from 1; 0 for an ancestor that is known by name only, because it was never held here.
      digest: Digest of the personality.
      parent_digest: Digest of the personality it grew from; empty for one that grew from nothing.
      parent_generation: Number of its parent by input event; None without one.
      practice: Name of the practice that made it.
      created_ms: When it was recorded, in milliseconds since 1970.
      voice_path: Where it was pushed to.
      artifact_id: Its artifact in ML Metadata.
      kind: What made it.
      metrics: Held-out metrics by name.
      takes: What it learned from; read only where asked for. Where takes are many, perhaps the first of them.
      n_takes: How many they are; a data set counts as its notes.
      skipped: What was given and could not be learned from, in a clause; empty if nothing.
      executions: The run that recorded it, in order; read only where asked for.
      is_imported: Whether it was made elsewhere; then `created_ms` is when it came.
      born_deu, born_generation, born_kind, born_ms: Who and what it was where it was made, if elsewhere and told.
      n_older: Ancestors elsewhere that were too many to travel.
      n_elsewhere: Ancestors that were never held here, before the first that was.
    """

    generation: int
    digest: str
    parent_digest: str
    parent_generation: int | None
    practice: str
    created_ms: int
    voice_path: Path
    artifact_id: int = 0
    kind: Kind = "imitation"
    metrics: dict[str, float] = field(default_factory=dict)
    takes: tuple[TakeRecord, ...] = ()
    n_takes: int = 0
    skipped: str = ""
    executions: tuple[ExecutionRecord, ...] = ()
    is_imported: bool = False
    born_deu: str = ""
    born_generation: int = 0
    born_kind: str = ""
    born_ms: int = 0
    n_older: int = 0
    n_elsewhere: int = 0
