"""Recordings of strangers: declared, received in parts, checked, and kept once by their content.

No path is ever made of a name that came from a client. A name is shown to people; of its ending only a known suffix
is kept, for decoders that go by it.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import time
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import grpc

from amadeus.audio.recordings import SUFFIXES
from amadeus.v1 import session_pb2
from serving.studio.practice_limits import PracticeLimits
from serving.studio.sessions import Session
from serving.studio.status import StatusError

MAX_NAME_LENGTH = 200  # characters
MAX_CHUNK_BYTES = 1 << 20
REASON_MISPLACED = "CHUNK_MISPLACED"  # metadata: recording, held_byte_count
REASON_CHECKSUM = "CHECKSUM_MISMATCH"  # metadata: recording

_DIGEST_PATTERN = re.compile(r"[0-9a-f]{64}")
# They would turn the text around a name; joiners, which some scripts need, stay.
_TURNING = set(
    "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_READ_BYTES = 1 << 20

Infos = Sequence[session_pb2.RecordingInfo]


def check_recordings(
    recordings: Infos, limits: PracticeLimits
) -> list[session_pb2.RecordingInfo]:
    """Checks what a client declares, and hands it back with names fit to be shown.

    Raises:
      StatusError: There is none, too many or too much, or one is not declared as it should be.
    """
    if not recordings:
        raise _invalid(
            "the configuration declares no recordings: name those to sound like."
        )
    if len(recordings) > limits.recordings:
        raise _too_much(
            f"{len(recordings)} recordings are more than the {limits.recordings} this studio takes in a session: join "
            "or leave out some."
        )
    checked = [_check(n, info, limits) for n, info in enumerate(recordings)]
    total = sum(info.byte_size for info in checked)
    if total > limits.session_bytes:
        raise _too_much(
            f"the recordings have {total / 1e6:.0f} MB, and this studio takes {limits.session_bytes / 1e6:.0f} MB in a "
            "session: compress or leave out some."
        )
    return checked


def display_name(name: str, recording: int) -> str:
    """Makes a stranger's file name fit to be shown: no folders, no control characters, not too long."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(
        sign
        for sign in unicodedata.normalize("NFC", last)
        if sign not in _TURNING and unicodedata.category(sign) not in ("Cc", "Zl", "Zp")
    ).strip()
    if len(shown) > MAX_NAME_LENGTH:
        shown = shown[: MAX_NAME_LENGTH - 10] + "…" + shown[-9:]
    return shown if shown.strip(". ") else f"recording {recording + 1}"


def known_suffix(name: str) -> str:
    """Finds the ending of a name, if it is one of sound files; else nothing."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in SUFFIXES else ""


class RecordingStore:
    """All recordings of a home, each once, by the SHA-256 of its bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def holds(self, info: session_pb2.RecordingInfo) -> bool:
        """Whether a recording is here whole."""
        return _size(self.path / info.sha256) == info.byte_size

    def lay_out(self, session: Session) -> list[Path]:
        """Makes a path with a known ending for each recording of a session; they are all here."""
        paths = []
        for info in session.configuration.recordings:
            plain = self.path / info.sha256
            os.utime(plain)  # it is kept for some time from now
            path = plain.with_name(info.sha256 + known_suffix(info.name))
            with contextlib.suppress(FileExistsError):
                os.link(plain, path)
            paths.append(path)
        return paths

    def held_byte_counts(self, session: Session) -> list[int]:
        """Counts the bytes held of each recording of a session."""
        infos = session.configuration.recordings
        if session.standing.queued_ns:  # all was held, and is now others' concern
            return [info.byte_size for info in infos]
        return [self._count(session, n, info) for n, info in enumerate(infos)]

    def is_whole(self, session: Session) -> bool:
        """Whether all recordings of a session are here."""
        return all(self.holds(info) for info in session.configuration.recordings)

    def receive(self, session: Session, chunk: session_pb2.RecordingChunk) -> None:
        """Takes a part of a recording in; with the last one the recording is checked and kept.

        A part of one that is here whole by now, brought by another session, is passed over.

        Raises:
          StatusError: It does not go on where the bytes held end, is too large, or the whole is not what was declared.
        """
        info = _find_info(session, chunk)
        if self.holds(info):
            return
        with _opened(session.part_path(chunk.recording)) as part:
            held = os.fstat(part.fileno()).st_size  # its own, not a cached one of NFS
            if self.holds(info):
                return
            _check_place(chunk, info, held)
            part.write(chunk.data)
            part.flush()
            is_all = held + len(chunk.data) == info.byte_size
            if is_all and not self._keep(
                part, session.part_path(chunk.recording), info
            ):
                raise _damaged(chunk.recording, info)

    def settle(self, session: Session) -> None:
        """Keeps what is all there but was not checked, because the studio that received it died."""
        for recording, info in enumerate(session.configuration.recordings):
            path = session.part_path(recording)
            if _size(path) == info.byte_size and not self.holds(info):
                with _opened(path) as part:
                    if _size(path) == info.byte_size:
                        self._keep(part, path, info)

    def purge(self, sessions: Sequence[Session], *, keep_s: float) -> None:
        """Forgets recordings that nobody used for `keep_s` and no session needs."""
        if not self.path.is_dir():
            return
        needed = {
            info.sha256
            for session in sessions
            if not session.state.is_over
            for info in session.configuration.recordings
        }
        oldest_s = time.time() - keep_s
        for path in self.path.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stem not in needed and path.stat().st_mtime < oldest_s:
                    path.unlink()

    def _count(
        self, session: Session, recording: int, info: session_pb2.RecordingInfo
    ) -> int:
        if self.holds(info):
            return info.byte_size
        return max(0, _size(session.part_path(recording)))

    def _keep(
        self, part: BinaryIO, path: Path, info: session_pb2.RecordingInfo
    ) -> bool:
        """Keeps a recording that is what was declared; drops it, and says so, if it is not."""
        digest = hashlib.sha256()
        part.seek(0)
        while block := part.read(_READ_BYTES):
            digest.update(block)
        if digest.hexdigest() != info.sha256:
            part.truncate(0)
            return False
        os.fsync(part.fileno())
        self.path.mkdir(parents=True, exist_ok=True)
        os.replace(path, self.path / info.sha256)
        return True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Opens the bytes received so far; two connections to one session take turns."""
    while True:
        with path.open("a+b") as part:
            fcntl.flock(part, fcntl.LOCK_EX)
            # It may have become a whole recording while we waited.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(part.fileno())):
                yield part
                return


def _check(
    recording: int, info: session_pb2.RecordingInfo, limits: PracticeLimits
) -> session_pb2.RecordingInfo:
    name = display_name(info.name, recording)
    if info.byte_size < 1:
        raise _invalid(
            f"recording {recording} ({name!r}) is declared with {info.byte_size} bytes: give its size, at least 1."
        )
    if info.byte_size > limits.recording_bytes:
        raise _too_much(
            f"recording {recording} ({name!r}) has {info.byte_size / 1e6:.0f} MB, and this studio takes "
            f"{limits.recording_bytes / 1e6:.0f} MB: compress or divide it."
        )
    digest = info.sha256.lower()
    if not _DIGEST_PATTERN.fullmatch(digest):
        raise _invalid(
            f"recording {recording} ({name!r}) is declared without a SHA-256: give 64 hexadecimal digits."
        )
    return session_pb2.RecordingInfo(name=name, byte_size=info.byte_size, sha256=digest)


def _find_info(
    session: Session, chunk: session_pb2.RecordingChunk
) -> session_pb2.RecordingInfo:
    infos = session.configuration.recordings
    if not 0 <= chunk.recording < len(infos):
        raise _invalid(
            f"a chunk is of recording {chunk.recording}, and the session has {len(infos)}: count them from 0."
        )
    if not 0 < len(chunk.data) <= MAX_CHUNK_BYTES:
        raise _invalid(
            f"a chunk has {len(chunk.data)} bytes: send 1 to {MAX_CHUNK_BYTES}."
        )
    return infos[chunk.recording]


def _check_place(
    chunk: session_pb2.RecordingChunk, info: session_pb2.RecordingInfo, held: int
) -> None:
    if chunk.byte_offset != held:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"a chunk of {info.name!r} begins at byte {chunk.byte_offset}, and {held} are held: send on from there.",
            REASON_MISPLACED,
            {"recording": str(chunk.recording), "held_byte_count": str(held)},
        )
    if held + len(chunk.data) > info.byte_size:
        raise _invalid(
            f"a chunk goes beyond the {info.byte_size} bytes declared for {info.name!r}: begin a new session if the "
            "file has grown."
        )


def _damaged(recording: int, info: session_pb2.RecordingInfo) -> StatusError:
    return StatusError(
        grpc.StatusCode.DATA_LOSS,
        f"{info.name!r} arrived with another SHA-256 than was declared, so what was received of it is dropped: send it "
        "again, or begin a new session if the file has changed.",
        REASON_CHECKSUM,
        {"recording": str(recording)},
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _invalid(text: str) -> StatusError:
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, text)


def _too_much(text: str) -> StatusError:
    return StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
