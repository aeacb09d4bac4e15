"""Who can be played: personalities of the home, sung by the embedded model server or by a TF Serving elsewhere.

What a performance has to know beside the network (who it is, its reverb, the size of its state) is read from the home.
The network itself is only ever asked through the model server's signatures: `step` for one frame, `bend` for several.
"""

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import grpc
import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import AmadeusError, VoiceError
from amadeus.home import Home
from amadeus.live.bus import Sung
from amadeus.live.notes import Frames
from amadeus.personality.holding import find_by_digest
from amadeus.v1 import personality_pb2
from serving.model_server.core import ModelServer
from serving.model_server.status import NotFoundError
from serving.studio.status import StatusError

NOT_HELD = "PERSONALITY_NOT_HELD"
_TIMBRE = ("harmonic_gain_db", "noise_gain_db", "brightness")

Call = Callable[[str, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


class Facts(NamedTuple):
    """What of a personality does not need its network."""

    personality: personality_pb2.Personality
    spec: AudioSpec
    impulse_response: np.ndarray
    state_size: int
    can_bend: bool


class ServedSinger:
    """A personality that a model server sings."""

    def __init__(
        self, facts: Facts, call: Call, release: Callable[[], None], identity: object
    ) -> None:
        """Takes a voice.

        Args:
          facts: Who sings.
          call: Asks a signature.
          release: Lets go of it.
          identity: Equal for all who ask the same network.
        """
        self.personality, self.spec = facts.personality, facts.spec
        self.impulse_response, self.state_size = (
            facts.impulse_response,
            facts.state_size,
        )
        self.identity = identity
        self.release = release
        self._call, self._can_bend = call, facts.can_bend

    def sing(self, frames: Frames, state: np.ndarray) -> Sung:
        """See `amadeus.live.bus.Singer`."""
        inputs = {
            "f0_hz": frames.f0_hz,
            "loudness_db": frames.loudness_db,
            "state": state,
        }
        signature = "perform"
        if self._can_bend:
            signature = "step" if frames.f0_hz.shape[1] == 1 else "bend"
            inputs |= {name: getattr(frames, name) for name in _TIMBRE}
        sung = self._call(signature, inputs)
        return Sung(sung["audio"], sung["state"])


class Voices(Protocol):
    """Where a studio gets its singers from. All methods may take seconds: call them from threads."""

    def acquire(self, reference: personality_pb2.PersonalityReference) -> ServedSinger:
        """Finds who is asked for.

        Raises:
          StatusError: NOT_FOUND with reason PERSONALITY_NOT_HELD, or INVALID_ARGUMENT.
        """
        ...

    def current(self, deu: str) -> int:
        """Names the generation that a deu plays with, which need not be its newest."""
        ...

    def close(self) -> None:
        """Frees everything."""
        ...


class HomeVoices:
    """The personalities of a home."""

    def __init__(self, home: Home, caller: "Caller") -> None:
        """Takes a home.

        Args:
          home: Where personalities lie.
          caller: Who asks their networks.
        """
        self._home, self._caller = home, caller

    def acquire(self, reference: personality_pb2.PersonalityReference) -> ServedSinger:
        """See `Voices`."""
        deu, generation = self._find(reference)
        voice_path = self._home.deu(deu).voice_path(generation)
        facts = read_facts(voice_path, _stamp(voice_path))
        try:
            call, release = self._caller.open(deu, generation)
        except NotFoundError as error:
            raise _not_held(deu, generation) from error
        digest = facts.personality.digest
        identity = (digest, self._caller.identity(deu, generation))
        return ServedSinger(facts, call, release, identity)

    def current(self, deu: str) -> int:
        """See `Voices`."""
        return self._home.deu(deu).current_generation()

    def close(self) -> None:
        """See `Voices`."""
        self._caller.close()

    def _find(self, reference: personality_pb2.PersonalityReference) -> tuple[str, int]:
        kind = reference.WhichOneof("reference")
        if kind == "digest":
            held = find_by_digest(self._home, reference.digest)
            if held is None:
                raise StatusError(
                    grpc.StatusCode.NOT_FOUND,
                    f"this studio holds no personality {reference.digest[:80]}: bring its bundle by ImportPersonality, "
                    "then begin again.",
                    NOT_HELD,
                    {"digest": reference.digest[:80]},
                )
            return held.deu, held.generation
        if kind != "generation":
            raise StatusError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "the configuration names no personality: name a deu, or a digest.",
            )
        wanted = reference.generation
        try:
            deu = self._home.deu(wanted.deu)
            number = wanted.generation or deu.current_generation()
            deu.voice_path(wanted.generation or None)
        except AmadeusError as error:
            raise StatusError(
                grpc.StatusCode.NOT_FOUND,
                str(error),
                NOT_HELD,
                {"deu": wanted.deu, "generation": str(wanted.generation)},
            ) from error
        return deu.name, number


class Caller(Protocol):
    """Asks networks."""

    def open(self, deu: str, generation: int) -> tuple[Call, Callable[[], None]]:
        """Finds a network: how to ask it, and how to let go of it.

        Raises:
          NotFoundError: There is none.
        """
        ...

    def identity(self, deu: str, generation: int) -> object:
        """Equal for calls that may be made as one."""
        ...

    def close(self) -> None:
        """Frees everything."""
        ...


class EmbeddedCaller:
    """Asks the model server of this process, without a network in between."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server

    def open(self, deu: str, generation: int) -> tuple[Call, Callable[[], None]]:
        """See `Caller`."""
        lease = self._server.lease(deu, generation)
        released = threading.Lock()  # held once it has been let go

        def release() -> None:
            if released.acquire(blocking=False):
                lease.release()

        return lease.model.call, release

    def identity(self, deu: str, generation: int) -> object:
        """See `Caller`."""
        return deu, generation

    def close(self) -> None:
        """The model server belongs to whoever made it."""


class NotServedError(StatusError):
    """A model server does not serve a voice, perhaps not yet: it looks for new ones now and then."""


@lru_cache(maxsize=64)
def read_facts(voice_path: Path, _stamp: tuple[int, int]) -> Facts:
    """Reads what there is to know of a voice beside its network.

    Args:
      voice_path: SavedModel folder.
      _stamp: Of its files, so that a folder that is replaced is read again.

    Raises:
      VoiceError: It is damaged, or not the one its digest names.
    """
    from amadeus.export.taught import read_checked
    from amadeus.live.room import prepare
    from amadeus.personality import profiles
    from amadeus.voice.model import read_impulse_response
    from serving.model_server.saved_model import read_outline

    # others play meanwhile: to make a network of the weights would keep Python's lock for 20 ms
    personality, weights = read_checked(voice_path)
    profile = profiles.complete_learner_profile(personality.learner_profile)
    try:
        impulse_response = read_impulse_response(weights)
        signatures = read_outline(voice_path).signature_def
        state_size = signatures["perform"].inputs["state"].tensor_shape.dim[1].size
    except (OSError, ValueError, LookupError) as error:
        raise VoiceError(
            f"the voice in {voice_path} is foreign ({error}): practise again with this version of Amadeus."
        ) from error
    prepare(impulse_response)
    return Facts(
        personality=personality,
        spec=profiles.spec(profile),
        impulse_response=impulse_response,
        state_size=state_size,
        can_bend="bend" in signatures,
    )


def _stamp(voice_path: Path) -> tuple[int, int]:
    found = (voice_path / "saved_model.pb").stat()
    return found.st_ino, found.st_mtime_ns


def _not_held(deu: str, generation: int) -> StatusError:
    return StatusError(
        grpc.StatusCode.NOT_FOUND,
        f"generation {generation} of {deu} is not served here: name another, or bring its bundle by ImportPersonality.",
        NOT_HELD,
        {"deu": deu, "generation": str(generation)},
    )
