"""Versions in a base path: every child whose name is a whole number."""

import logging
import re
from pathlib import Path

from serving.model_server.status import invalid

_VERSION = re.compile(r"\s*-?[0-9]+\s*", re.ASCII)
_INT64 = range(-(2**63), 2**63)

_log = logging.getLogger(__name__)


def list_versions(name: str, base_path: Path) -> dict[int, Path]:
    """Reads the versions of a model.

    Leading zeros do not count: of `7` and `007` the last in the order of names is taken, with a warning.

    Raises:
      ServingError: INVALID_ARGUMENT if there is no such folder.
    """
    try:
        children = sorted(entry.name for entry in base_path.iterdir())
    except OSError as error:
        raise invalid(
            f"Could not find base path {base_path} for servable {name} with error "
            f"NOT_FOUND: {base_path}; {error.strerror}"
        ) from None
    versions: dict[int, Path] = {}
    for child in children:
        version = parse_version(child)
        if version is None:
            continue
        if version in versions:
            _log.warning(
                "version %d of model %s is in %s and %s: the second is taken",
                version,
                name,
                versions[version].name,
                child,
            )
        versions[version] = base_path / child
    return versions


def parse_version(text: str) -> int | None:
    """Reads an int64, or None if the name is no number."""
    if not _VERSION.fullmatch(text) or len(text) > 64:
        return None
    version = int(text)
    return version if version in _INT64 else None
