"""How a model server behaves."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ServingOptions:
    """How a model server behaves; defaults are TF Serving's.

    Attributes:
      poll_wait_s: Between looks at the base paths; 0 looks once after each change of configuration, less never.
      max_load_retries: After a load that failed.
      load_retry_interval_s: Between them.
      max_idle_models: Models that stay loaded though nobody serves or holds them any more.
      warm_up: Whether a model is called before its first caller comes.
      allowed_roots: Folders that base paths of a new configuration must lie below; none allows all.
      always_present: Whether the last versions stay when a base path is emptied.
      labels_for_unavailable: Whether a new label may name a version that is not available.
    """

    poll_wait_s: float = 1.0
    max_load_retries: int = 5
    load_retry_interval_s: float = 60.0
    max_idle_models: int = 2
    warm_up: bool = True
    allowed_roots: tuple[Path, ...] = ()
    always_present: bool = False
    labels_for_unavailable: bool = False


DEFAULT_OPTIONS = ServingOptions()
