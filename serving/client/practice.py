"""Lets a studio practise: recordings up, events and a personality back, over a connection that may break.

A session lives in the studio. `follow` attaches to it as often as it takes, sends what the studio does not hold yet,
and tells each event once. Whoever stops following leaves the session as it is.
"""

import hashlib
import queue
import random
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import grpc

from amadeus.errors import AmadeusError, RecordingError, StudioError
from amadeus.tuning.wish import Wish
from amadeus.v1 import profiles_pb2, session_pb2, studio_pb2
from amadeus.v1.practice_pb2 import PracticeEvent
from amadeus.v1.session_pb2 import PracticeSession
from amadeus.v1.studio_pb2_grpc import PracticeSessionsStub, StudioStub
from serving.client.connection import Address, connect, explain, explained, reason_of

CHUNK_BYTES = 1 << 18
PATIENCE_S = 600.0  # without a word from the studio
BACKOFF_S = (0.25, 15.0)  # first and longest pause between two attempts
MAX_DAMAGED = 3  # arrivals with another checksum

OVER = frozenset(
    {
        PracticeSession.STATE_SUCCEEDED,
        PracticeSession.STATE_FAILED,
        PracticeSession.STATE_CANCELLED,
    }
)
_LOST = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,  # by a proxy or a server that ends in a hurry
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_MISPLACED, _DAMAGED, _STREAMS = "CHUNK_MISPLACED", "CHECKSUM_MISMATCH", "STREAMS_FULL"
_BLOCK_BYTES = 1 << 20


class Recording(NamedTuple):
    """A file to send, as it was when it was declared."""

    path: Path
    info: session_pb2.RecordingInfo


class Listener(Protocol):
    """Who is told how a session goes."""

    def stands(self, session: PracticeSession) -> None:
        """Hears how the session stands: when attached, and whenever that changes."""

    def happened(self, event: PracticeEvent) -> None:
        """Hears of an event, each once."""

    def sent(self, n_bytes: int) -> None:
        """Hears that bytes of recordings left; called from another thread."""

    def lost(self, reason: str, pause_s: float) -> None:
        """Hears that the connection broke, and when it is tried again."""


def declare(paths: Sequence[Path]) -> list[Recording]:
    """Reads what there is to send.

    Raises:
      RecordingError: A file cannot be read.
    """
    return [Recording(path, _declare(path)) for path in paths]


def new_session_id(deu: str) -> str:
    """Names a session, so that it can be attached to even if the first connection breaks at once."""
    name = re.sub(r"[^a-z0-9]+", "-", deu).strip("-")
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{name}-{moment}-{secrets.token_hex(3)}".lstrip("-")


def configure(
    session_id: str,
    deu: str = "",
    profile: profiles_pb2.LearnerProfile | None = None,
    recordings: Sequence[Recording] = (),
) -> session_pb2.PracticeConfiguration:
    """Says what to practise; with an id alone, which session to attach to."""
    return session_pb2.PracticeConfiguration(
        session_id=session_id,
        deu=deu,
        learner_profile=profile,
        recordings=[recording.info for recording in recordings],
        send_personality=True,
    )


def configure_tuning(
    session_id: str, deu: str, wish: Wish
) -> session_pb2.PracticeConfiguration:
    """Says which knobs to turn."""
    return session_pb2.PracticeConfiguration(
        session_id=session_id,
        deu=deu,
        tuning=session_pb2.TuningConfiguration(
            player_profile=wish.player,
            learner_profile=wish.learner,
            default_knobs=sorted(wish.defaults),
        ),
        send_personality=True,
    )


def configure_feedback(
    session_id: str,
    deu: str,
    takes: Sequence[Recording],
    feedback: session_pb2.FeedbackConfiguration,
) -> session_pb2.PracticeConfiguration:
    """Says what was good and what was bad in takes."""
    return session_pb2.PracticeConfiguration(
        session_id=session_id,
        deu=deu,
        recordings=[take.info for take in takes],
        feedback=feedback,
        send_personality=True,
    )


def follow(
    address: Address,
    configuration: session_pb2.PracticeConfiguration,
    listener: Listener,
    *,
    recordings: Sequence[Recording] = (),
    bundle: BinaryIO,
    patience_s: float = PATIENCE_S,
) -> PracticeSession:
    """Follows a session to its end, over as many connections as it takes.

    Args:
      address: Of the studio.
      configuration: With a session id.
      listener: Is told how it goes.
      recordings: What the configuration declares.
      bundle: Takes the `.deu` bundle of who plays in the end; empty if there is nobody.
      patience_s: How long to try again when the studio is gone; one that was never there is not waited for.

    Returns:
      How the session stands at its end.

    Raises:
      RecordingError: A file changed or went away while it was sent.
      StudioError: The studio cannot be reached, or refused.
    """
    with connect(address) as channel:
        follower = _Follower(channel, configuration, listener, recordings, bundle)
        return _persist(follower, address, patience_s)


def list_sessions(address: Address, deu: str = "") -> Iterator[PracticeSession]:
    """Lists the sessions of a studio, the newest first.

    Raises:
      StudioError: The studio cannot be reached, or refused.
    """
    request = studio_pb2.ListPracticeSessionsRequest(deu=deu)
    with connect(address) as channel, explained(address.target):
        while True:
            page = PracticeSessionsStub(channel).ListPracticeSessions(request)
            yield from page.sessions
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def cancel(address: Address, session_id: str) -> PracticeSession:
    """Ends a session, and says how it stands now.

    Raises:
      StudioError: The studio cannot be reached, or holds no such session.
    """
    request = studio_pb2.CancelPracticeSessionRequest(session_id=session_id)
    with connect(address) as channel, explained(address.target):
        return PracticeSessionsStub(channel).CancelPracticeSession(request)


class _Follower:
    """What is known of a session from one connection to the next."""

    def __init__(
        self,
        channel: grpc.Channel,
        configuration: session_pb2.PracticeConfiguration,
        listener: Listener,
        recordings: Sequence[Recording],
        bundle: BinaryIO,
    ) -> None:
        self._stub = StudioStub(channel)
        self._configuration = configuration
        self._recordings = recordings
        self._bundle = bundle
        self._n_events = 0
        self._broken: AmadeusError | None = None
        self._call: Any = None
        self.listener = listener
        self.heard_at: float | None = None  # None: never
        self.n_damaged = 0

    def attach(self) -> PracticeSession | None:
        """Follows on one connection; None if it ended before the session did."""
        held: queue.SimpleQueue[Sequence[int] | None] = queue.SimpleQueue()
        self._call = call = self._stub.Practice(self._requests(held))
        n_seen, session = 0, None
        self._bundle.seek(0)
        self._bundle.truncate()
        try:
            for response in call:
                self.heard_at = time.monotonic()
                kind = response.WhichOneof("message")
                if kind == "session":
                    if session is None:
                        held.put(response.session.held_byte_counts)
                    session = response.session
                    self.listener.stands(session)
                elif kind == "event":
                    n_seen += 1
                    self._tell(n_seen, response.event)
                else:
                    self._bundle.write(response.personality_chunk)
        except grpc.RpcError:
            if self._broken is not None:
                raise self._broken from None
            raise
        finally:
            held.put(None)
            call.cancel()
        return session if session is not None and session.state in OVER else None

    def _tell(self, n_seen: int, event: PracticeEvent) -> None:
        if n_seen > self._n_events:  # a connection before did not tell it
            self._n_events = n_seen
            self.listener.happened(event)

    def _requests(
        self, held: "queue.SimpleQueue[Sequence[int] | None]"
    ) -> Iterator[session_pb2.PracticeRequest]:
        """Yields what is to be sent; gRPC asks for the next when the last has left."""
        yield session_pb2.PracticeRequest(configuration=self._configuration)
        counts = held.get()
        if counts is None:  # the call was over before it began
            return
        for number, recording in enumerate(self._recordings):
            try:
                for chunk in _chunks(number, recording, counts[number]):
                    yield session_pb2.PracticeRequest(chunk=chunk)
                    self.listener.sent(len(chunk.data))
            except RecordingError as error:
                self._broken = error
                if self._call is not None:
                    self._call.cancel()
                return


def _persist(
    follower: _Follower, address: Address, patience_s: float
) -> PracticeSession:
    pause_s, longest_s = BACKOFF_S
    while True:
        before = follower.heard_at
        try:
            session = follower.attach()
            reason = "the studio ended the connection"
        except grpc.RpcError as error:
            session, reason = None, error.details() or error.code().name
            _judge(error, follower, address, patience_s)
        if session is not None:
            return session
        if follower.heard_at != before:
            pause_s = BACKOFF_S[0]
        follower.listener.lost(reason, pause_s)
        # Many clients of one studio should not come back all at once.
        time.sleep(pause_s * random.uniform(0.75, 1.25))
        pause_s = min(2 * pause_s, longest_s)


def _judge(
    error: grpc.RpcError, follower: _Follower, address: Address, patience_s: float
) -> None:
    """Raises what another attempt would not mend."""
    reason = reason_of(error)
    if reason == _DAMAGED:
        follower.n_damaged += 1
    is_mendable = (
        error.code() in _LOST
        or reason in (_MISPLACED, _STREAMS)
        or (reason == _DAMAGED and follower.n_damaged < MAX_DAMAGED)
    )
    if not is_mendable or follower.heard_at is None:
        raise explain(error, address.target) from error
    if time.monotonic() - follower.heard_at > patience_s:
        raise StudioError(
            f"the studio at {address.target} has not answered for {patience_s / 60:.0f} minutes; the session is kept "
            "there: attach to it again later.",
            code=error.code().name,
        ) from error


def _declare(path: Path) -> session_pb2.RecordingInfo:
    digest, n_bytes = hashlib.sha256(), 0
    for block in _read(path, 0, _BLOCK_BYTES):
        digest.update(block)
        n_bytes += len(block)
    name = path.name.encode(errors="replace").decode()  # names may be no Unicode
    return session_pb2.RecordingInfo(
        name=name, byte_size=n_bytes, sha256=digest.hexdigest()
    )


def _chunks(
    number: int, recording: Recording, offset: int
) -> Iterator[session_pb2.RecordingChunk]:
    size = recording.info.byte_size
    if offset >= size:
        return
    for block in _read(recording.path, offset, CHUNK_BYTES):
        if offset + len(block) > size:
            break
        yield session_pb2.RecordingChunk(
            recording=number, byte_offset=offset, data=block
        )
        offset += len(block)
    if offset != size:
        raise RecordingError(
            f"{recording.path} changed while it was sent: leave it alone, and begin again."
        )


def _read(path: Path, offset: int, block_bytes: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while block := file.read(block_bytes):
                yield block
    except OSError as error:
        raise RecordingError(
            f"cannot read {path}: {error.strerror or error}; check the name and its read rights."
        ) from error
