"""What kind of file is this: containers told by their first bytes, and the length they promise.

Names and suffixes are not believed. A container that is told here may be handed to ffmpeg with its
demuxer named, so that a playlist or another file that points elsewhere is never followed.
"""

import struct
from typing import BinaryIO, NamedTuple

HEAD_BYTES = 64

_UNKNOWN_BYTES = 0xFFFF_0000
"""Chunk sizes from here on are what recorders write that do not know the length yet."""

_LARGEST_OGG_PAGE = 65_307

_MAGIC = (
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"caff", "caf"),
    (0, b".snd", "au"),
    (0, b"riff", "w64"),
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"wvPk", "wv"),
    (0, b"MAC ", "ape"),
    (0, b"TTA1", "tta"),
    (0, b"DSD ", "dsf"),
    (0, b"#!AMR", "amr"),
    (0, b"\x0b\x77", "ac3"),
)


class PromisedData(NamedTuple):
    """Bytes of sound a container says it holds, and bytes that are there."""

    promised_bytes: int
    held_bytes: int

    @property
    def held_share(self) -> float:
        """Share of the promise that is kept; above 1 where more follows the sound."""
        return self.held_bytes / self.promised_bytes


def sniff(file: BinaryIO) -> str | None:
    """Names the container by its first bytes, in ffmpeg's words for demuxers; None if unknown."""
    head = _read_at(file, 0, HEAD_BYTES)
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    for offset, magic, container in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return container
    return _sniff_mpeg(file, head)


def looks_like_text(file: BinaryIO) -> bool:
    """Whether the file begins with nothing but printable text."""
    head = _read_at(file, 0, HEAD_BYTES)
    return bool(head) and all(byte >= 0x20 or byte in b"\t\r\n" for byte in head)


def read_promise(file: BinaryIO, container: str | None) -> PromisedData | None:
    """Reads how many bytes of sound a chunked container promises; None where it says nothing."""
    readers = {
        "wav": _riff_data,
        "aiff": _aiff_data,
        "caf": _caf_data,
        "au": _au_data,
        "mp3": _mpeg_data,
    }
    if container not in readers:
        return None
    try:
        found = readers[container](file)
    except (struct.error, IndexError):  # the file ends inside a chunk header
        return None
    if found is None:
        return None
    start, promised = found
    if promised == 0 or _UNKNOWN_BYTES <= promised < 2**32:
        return None
    if 0x7FFF_0000 <= promised < 2**31:  # the same, written by those who count signed
        return None
    return PromisedData(promised, max(0, _size(file) - start))


def ends_inside_ogg_page(file: BinaryIO) -> bool:
    """Whether an Ogg file stops in the middle of its last page, as a broken copy does."""
    size = _size(file)
    tail_start = max(0, size - 2 * _LARGEST_OGG_PAGE)
    tail = _read_at(file, tail_start, size - tail_start)
    page = tail.rfind(b"OggS")
    if page < 0:
        return False
    header = tail[page : page + 27]
    if len(header) < 27:
        return True
    segments = tail[page + 27 : page + 27 + header[26]]
    return len(tail) < page + 27 + header[26] + sum(segments)


def _sniff_mpeg(file: BinaryIO, head: bytes) -> str | None:
    tag_bytes = _id3_bytes(head)
    if tag_bytes:
        head = _read_at(file, tag_bytes, HEAD_BYTES).lstrip(b"\0")
        if not head:
            return "mp3"
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    is_adts = head[1] & 0xF6 == 0xF0  # sync, any version, layer 0
    return "aac" if is_adts else "mp3"


def _id3_bytes(head: bytes) -> int:
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = int.from_bytes(head[6:10])  # 7 bits in each byte
    return 10 + sum((size >> 8 * i & 0x7F) << 7 * i for i in range(4))


def _mpeg_data(file: BinaryIO) -> tuple[int, int] | None:
    start = _id3_bytes(_read_at(file, 0, HEAD_BYTES))
    frame = _read_at(file, start, 64)  # a Xing tag lies 13 to 36 bytes into the first
    found = max(frame.find(b"Xing"), frame.find(b"Info"))
    if found < 0:
        return None
    has_bytes, has_frames = frame[found + 7] & 2, frame[found + 7] & 1
    if not has_bytes:
        return None
    position = start + found + (12 if has_frames else 8)
    return start, struct.unpack(">I", _read_at(file, position, 4))[0]


def _riff_data(file: BinaryIO) -> tuple[int, int] | None:
    position = 12
    size_64: int | None = None
    while header := _read_at(file, position, 8):
        name, size = struct.unpack("<4sI", header)
        if name == b"ds64":
            size_64 = struct.unpack("<Q", _read_at(file, position + 16, 8))[0]
        if name == b"data":
            if size == 0xFFFF_FFFF and size_64 is not None:
                size = size_64
            return position + 8, size
        position += 8 + size + size % 2
    return None


def _aiff_data(file: BinaryIO) -> tuple[int, int] | None:
    position = 12
    while header := _read_at(file, position, 8):
        name, size = struct.unpack(">4sI", header)
        if name == b"SSND":
            return position + 16, max(0, size - 8)
        position += 8 + size + size % 2
    return None


def _caf_data(file: BinaryIO) -> tuple[int, int] | None:
    position = 8
    while header := _read_at(file, position, 12):
        name, size = struct.unpack(">4sq", header)
        if name == b"data":
            return (position + 16, size - 4) if size > 0 else None
        if size < 0:
            return None
        position += 12 + size
    return None


def _au_data(file: BinaryIO) -> tuple[int, int] | None:
    start, size = struct.unpack(">II", _read_at(file, 4, 8))
    return start, size


def _read_at(file: BinaryIO, position: int, n_bytes: int) -> bytes:
    file.seek(position)
    return file.read(n_bytes)


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)
