"""Voices of a store that many studios share: brought into the home when somebody asks for them, and kept there.

A personality that the home does not hold is looked for in the store once, by digest or by number, and goes through
the checks of a bundle from a stranger, in the process that checks. Of deus that are played, a newer generation in the
store is noticed within `period_s` and plays from then on, as one that was imported does: performances that follow
their deu cross over to it. Numbers are those of the store, so that studios which share it agree.

A store that cannot be reached takes nothing away: what is held plays on.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from amadeus.errors import AmadeusError, BundleError, NotHeldError
from amadeus.home import NAME_PATTERN, Home
from amadeus.personality import holding, inspection
from amadeus.personality.bundle import BundleLimits, Check
from amadeus.stores.homes import bring_voice
from amadeus.stores.opening import open_store
from amadeus.stores.personalities import StoredVoice, list_voices
from amadeus.stores.store import Store
from amadeus.v1 import personality_pb2
from serving.studio.voices import ServedSinger, Voices

PERIOD_S = 15.0

_MAX_REMEMBERED = 10_000  # deus that were looked for
_log = logging.getLogger(__name__)


class SharedVoices:
    """See `Voices`."""

    def __init__(
        self,
        home: Home,
        voices: Voices,
        store_url: str,
        *,
        limits: BundleLimits | None = None,
        check: Check = inspection.check_voice,
        period_s: float = PERIOD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks the store nothing yet.

        Args:
          home: Where voices are brought to.
          voices: Plays what the home holds.
          store_url: Where voices come from.
          limits: What a bundle may cost.
          check: Looks at one before it is held.
          period_s: Time between two looks for newer generations of a deu.
          clock: Tells the time in seconds.
        """
        self._home, self._voices, self._store_url = home, voices, store_url
        self._limits, self._check = limits, check
        self._period_s, self._clock = period_s, clock
        self._store: Store | None = None
        self._refused: set[str] = set()  # digests of bundles that must not be played
        self._looked_s: dict[str, float] = {}
        self._looking: set[str] = set()  # deus that somebody looks for now
        self._turns = threading.Lock()
        self._bringing = threading.Lock()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="amadeus-store")

    def acquire(self, reference: personality_pb2.PersonalityReference) -> ServedSinger:
        """See `Voices`.

        Raises:
          StoreError: The home does not hold it and the store cannot be read.
        """
        kind = reference.WhichOneof("reference")
        if kind == "digest":
            self._bring_digest(reference.digest)
        elif kind == "generation":
            named = reference.generation
            if NAME_PATTERN.fullmatch(named.deu):
                self._bring_generation(named.deu, named.generation)
        return self._voices.acquire(reference)

    def current(self, deu: str) -> int:
        """See `Voices`; what the store has newer shows in a later answer."""
        self._look_soon(deu)
        return self._voices.current(deu)

    def bring_newest(self, deu: str) -> None:
        """Has the home hold the newest generation that the store has of a deu; it plays then, if it is new here.

        Raises:
          StoreError: The store cannot be read.
          BundleError: It must not be played.
        """
        if not NAME_PATTERN.fullmatch(deu):
            return
        with self._bringing:  # from the list on: an older one must not come later
            voices = list_voices(self._opened(), deu)
            if voices:
                self._bring(voices[-1], plays=True)

    def close(self) -> None:
        """See `Voices`; what is being brought is not waited for here, but before the process ends."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._voices.close()

    def _bring_digest(self, digest: str) -> None:
        if holding.find_by_digest(self._home, digest) is not None:
            return
        with self._first(digest) as is_first:
            voices = list_voices(self._opened()) if is_first else []
            named = (v for v in voices[::-1] if v.digest == digest)
            if (found := next(named, None)) is not None:
                self._bring(found, plays=False)

    def _bring_generation(self, deu: str, generation: int) -> None:
        if self._holds(deu, generation):
            self._look_soon(deu)
            return
        with self._first(f"{deu}@{generation}") as is_first:
            voices = list_voices(self._opened(), deu) if is_first else []
            numbered = (v for v in voices[::-1] if generation in (0, v.generation))
            if (found := next(numbered, None)) is not None:
                self._bring(found, plays=not generation)

    @contextlib.contextmanager
    def _first(self, what: str) -> Iterator[bool]:
        """Waits for those who bring something, and tells whether the store has to be asked for `what`.

        Whoever waited for the same finds it in the home afterwards, or knows that it is not in the store either.
        """
        with self._bringing:
            is_first = self._is_due(what)
            try:
                yield is_first
            except BaseException:
                with self._turns:
                    self._looked_s.pop(what, None)  # the next one may ask again
                raise

    def _holds(self, deu: str, generation: int) -> bool:
        try:
            self._home.deu(deu).voice_path(generation or None)
        except NotHeldError:
            return False
        return True

    def _look_soon(self, deu: str) -> None:
        """Has somebody look for what is newer; nobody waits for it."""
        if not self._is_due(deu):
            return
        with self._turns:
            if deu in self._looking:  # a store that is slow gets no queue
                return
            self._looking.add(deu)
        with contextlib.suppress(RuntimeError):  # closed
            self._pool.submit(self._look, deu)

    def _look(self, deu: str) -> None:
        try:
            self.bring_newest(deu)
        except AmadeusError as error:
            _log.warning("no newer voice of %s was looked for: %s", deu, error)
        except Exception:  # a thread's end would be seen by nobody
            _log.exception("looking for a newer voice of %s failed", deu)
        finally:
            with self._turns:
                self._looking.discard(deu)

    def _bring(self, voice: StoredVoice, *, plays: bool) -> None:
        if voice.digest in self._refused:
            return
        try:
            held = bring_voice(
                self._home,
                self._opened(),
                voice,
                limits=self._limits,
                check=self._check,
                plays=plays,
            )
        except BundleError:
            self._refused.add(voice.digest)
            raise
        if not held.already_held:
            _log.info(
                "brought %s as generation %d", voice.uri, held.personality.generation
            )

    def _is_due(self, what: str) -> bool:
        """Tells whether it is time to ask the store, and takes it that it will be asked."""
        now_s = self._clock()
        with self._turns:
            if now_s - self._looked_s.get(what, -self._period_s) < self._period_s:
                return False
            if len(self._looked_s) >= _MAX_REMEMBERED:
                self._looked_s.clear()
            self._looked_s[what] = now_s
        return True

    def _opened(self) -> Store:
        if self._store is None:
            self._store = open_store(self._store_url)
        return self._store
