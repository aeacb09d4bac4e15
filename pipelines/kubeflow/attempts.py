"""What ended an attempt at a task for good, kept where the next attempt looks before it begins.

Kubeflow tries a container again whatever its exit status says: its retry policy knows counts and pauses, and Argo's
expressions on exit codes cannot be reached from a pipeline's IR. What the ama has to mend (a recording that is none, a
setting that cannot work) is no better half an hour later, so the first attempt leaves its sentence beside the outputs
of its task, and those that follow say the same at once. They count down as many as the policy grants; a run that is
taken up by hand after that, by `Retry`, begins anew.

What may pass by itself is tried again in earnest: a store or metadata that cannot be reached, a disk that is full.
"""

import json
import logging
import os

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

RETRIES_VARIABLE = "AMADEUS_RETRIES"
"""Of the environment: how often Kubeflow tries this container again, as the compiler writes it."""

_FINAL = (ConfigError, RecordingError, VoiceError, NotHeldError, PracticeError)
_KEY = "ended-for-good.json"
_MAX_BYTES = 2**16
_PATIENCE = Patience(n_tries=2)  # a container does without

_log = logging.getLogger(__name__)


def is_final(error: AmadeusError) -> bool:
    """Tells whether another attempt would end as this one did."""
    return isinstance(error, _FINAL)


class Attempts:
    """The attempts at one task of one run, of which this container is one."""

    def __init__(self, folder_url: str) -> None:
        """Gets ready; nothing is asked of the store where Kubeflow does not try again.

        Args:
          folder_url: Of the task in the pipeline root; empty where Kubeflow does not say which it is.
        """
        self._n_retries = _read_count(os.environ.get(RETRIES_VARIABLE, ""))
        self._url = folder_url if self._n_retries else ""
        self._store: Store | None = None

    def recall(self) -> str:
        """Says what an attempt before this one ended of for good; empty where there was none."""
        try:
            store = self._open()
            if store is None:
                return ""
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
        try:
            store = self._open()
            if store is not None:
                store.write(_KEY, _written(text, self._n_retries))
        except (StoreError, ConfigError) as error:
            _log.info("attempts after this one cannot be told: %s", error)

    def _open(self) -> Store | None:
        if self._store is None and self._url:
            self._store = open_store(self._url, patience=_PATIENCE)
        return self._store


def _read_count(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 0


def _written(text: str, n_left: int) -> bytes:
    return json.dumps({"text": text, "attempts_left": n_left}).encode()


def _read(data: bytes) -> tuple[str, int]:
    try:
        told = json.loads(data)
        return str(told["text"]), int(told["attempts_left"])
    except (ValueError, KeyError, TypeError):
        return "", 0  # of another release
