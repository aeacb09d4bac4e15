"""What ended an attempt at a task for good, kept where the next attempt looks before it begins.

Kubeflow tries a container again whatever its exit status says: its retry policy knows counts and pauses, and Argo's
expressions on exit codes cannot be reached from a pipeline's IR. What the ama has to mend (a recording that is none, a
setting that cannot work) is no better half an hour later, so the first attempt leaves its sentence beside the outputs
of its task, and those that follow say the same at once. They count down as many as the policy grants; a run that is
taken up by hand after that, by `Retry`, begins anew. How many are granted, `prepare` is told by its environment and
writes down for the others: in theirs, Kubeflow's cache would take it for a part of what they do.

What may pass by itself is tried again in earnest: a store or metadata that cannot be reached, a disk that is full.
"""

import json
import logging

from amadeus.errors import (
    AmadeusError,
    ConfigError,
    NotHeldError,
    PracticeError,
    RecordingError,
    StoreError,
    VoiceError,
)
from amadeus.stores import NotThereError, Store, open_store
from amadeus.stores.retrying import Patience
from pipelines.kubeflow.contract import Folder

RETRIES_VARIABLE = "AMADEUS_RETRIES"
"""Of the environment of `prepare`: how often Kubeflow tries each task again, as JSON by task."""

_FINAL = (ConfigError, RecordingError, VoiceError, NotHeldError, PracticeError)
_KEY = "ended-for-good.json"  # in the folder of a task
_GRANTED_KEY = "retries.json"  # in that of a run
_MAX_BYTES = 2**16
_PATIENCE = Patience(n_tries=2)  # a container does without

_log = logging.getLogger(__name__)


def is_final(error: AmadeusError) -> bool:
    """Tells whether another attempt would end as this one did."""
    return isinstance(error, _FINAL)


class Attempts:
    """The attempts at one task of one run, of which this container is one."""

    def __init__(self, folder: Folder | None) -> None:
        """Gets ready; nothing is asked yet.

        Args:
          folder: Of the task in the pipeline root; None where Kubeflow does not say which it is.
        """
        self._folder = folder

    def grant(self, text: str) -> None:
        """Writes down for all tasks of the run how often each is tried again.

        Args:
          text: As the compiler wrote it; empty where none is.
        """
        if self._folder is not None and text:
            try:
                self._open(self._folder.run_url).write(_GRANTED_KEY, text.encode())
            except (StoreError, ConfigError) as error:
                _log.info("attempts that follow cannot be counted: %s", error)

    def recall(self) -> str:
        """Says what an attempt before this one ended of for good; empty where there was none."""
        if self._folder is None:
            return ""
        try:
            store = self._open(self._folder.url)
            text, n_left = _read(store.read(_KEY, max_bytes=_MAX_BYTES))
            if n_left > 1:
                store.write(_KEY, _written(text, n_left - 1))
            else:
                store.remove(_KEY)
            return text if n_left > 0 else ""
        except NotThereError:
            return ""
        except (StoreError, ConfigError) as error:
            _log.info("attempts before this one cannot be asked: %s", error)
            return ""

    def remember(self, text: str) -> None:
        """Keeps a sentence for the attempts that follow; where it cannot be kept, they find out themselves."""
        if self._folder is None:
            return
        try:
            granted = self._open(self._folder.run_url).read(
                _GRANTED_KEY, max_bytes=_MAX_BYTES
            )
            n_left = _count(granted, self._folder.task)
            if n_left:
                self._open(self._folder.url).write(_KEY, _written(text, n_left))
        except (StoreError, ConfigError) as error:
            _log.info("attempts after this one cannot be told: %s", error)

    def _open(self, url: str) -> Store:
        return open_store(url, patience=_PATIENCE)


def _count(granted: bytes, task: str) -> int:
    """Reads how often a task is tried again."""
    try:
        told = json.loads(granted)[task]
    except (ValueError, LookupError, TypeError):
        return 0
    return told if type(told) is int and 0 < told < 1_000 else 0


def _written(text: str, n_left: int) -> bytes:
    return json.dumps({"text": text, "attempts_left": n_left}).encode()


def _read(data: bytes) -> tuple[str, int]:
    try:
        told = json.loads(data)
        return str(told["text"]), int(told["attempts_left"])
    except (ValueError, KeyError, TypeError):
        return "", 0  # of another release
