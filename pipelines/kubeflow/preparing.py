"""Finds out, when a run begins, what its inputs are: which recordings, with which content, and which parent.

Kubeflow has no drivers and no Resolver nodes, and its cache compares parameters. So one container that is never cached
turns places, whose content changes, into parameters, which say what the content is.
"""

import logging
from pathlib import Path
from typing import Any

from components.audio_example_gen import takes
from components.audio_example_gen.takes import warn_of_duplicates
from pipelines.kubeflow import lessons, names, sources
from pipelines.kubeflow.contract import Invocation

_log = logging.getLogger(__name__)


def prepare(
    invocation: Invocation,
    deu: str,
    personalities_url: str,
    scratch: Path,
    *,
    settings: str = "",
) -> dict[str, Any]:
    """Looks at recordings and parent.

    Args:
      invocation: What the container was called with.
      deu: Whose practice it is.
      personalities_url: Store of personalities.
      scratch: Folder for copies.
      settings: Digest of all that is taught besides the recordings.

    Returns:
      The values of `prepare`'s output parameters.

    Raises:
      RecordingError: A recording cannot be read.
      ConfigError: There is no store of personalities.
      NotHeldError: The parent is not there.
    """
    given = invocation.parameters
    asked = int(given[names.PARENT_GENERATION])
    if_new = asked == names.LATEST_IF_NEW
    # Looked for before the recordings are: a store that was not named is known at once.
    parent = sources.find_parent(
        personalities_url, deu, names.LATEST if if_new else asked
    )
    with sources.brought(
        given[names.RECORDINGS], given[names.RECORDING_NAMES], scratch
    ) as found:
        gathered = takes.gather([str(o.path) for o in found], [o.name for o in found])
    fingerprint = takes.fingerprint(gathered)
    lesson = lessons.name_lesson(fingerprint, settings)
    if if_new:
        parent = lessons.find_parent(personalities_url, deu, lesson)
    warn_of_duplicates(gathered.duplicates)
    _log.info("%d recordings; parent: generation %d.", len(found), parent.generation)
    return {
        names.FINGERPRINT: fingerprint,
        names.LESSON: lesson,
        names.PARENT_GENERATION: parent.generation,
        names.PARENT_DIGEST: parent.digest,
    }
