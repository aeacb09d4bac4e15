"""Files in one file: a zip of which there is one way to write it and one way to read it.

A zip says most things twice, in its directory and before each file, and readers differ in what they believe. So
what `pack` writes is all that `unpack` reads: the files lie one behind the other without gaps, each is stored or
deflated, times and rights are the same for all, nothing is encrypted, split, commented or extended, and the two
descriptions of a file agree. Any unzip program opens it. The same files give the same bytes with the same zlib.

Reference: APPNOTE.TXT, .ZIP File Format Specification, version 6.3.10, PKWARE.
"""

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from amadeus.errors import BundleError

MAX_MEMBERS = 64
MAX_NAME_LENGTH = 255

_EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip knows no earlier time
_RIGHTS = stat.S_IFREG | 0o644
_UNIX = 3  # whose rights these are
_FORMAT = 20  # 2.0, the first with deflate
_DATE = 1 << 5 | 1  # the epoch, as a zip writes it
_CHUNK = 2**18

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = struct.Struct("<4s2B4H3L2H")
_END_SIGNATURE, _ENTRY_SIGNATURE, _LOCAL_SIGNATURE = (
    b"PK\x05\x06",
    b"PK\x01\x02",
    b"PK\x03\x04",
)


class Member(NamedTuple):
    """A file as the directory describes it; `offset` is that of its bytes."""

    name: str
    method: int
    crc: int
    packed_size: int
    size: int
    offset: int


def pack(target: BinaryIO, files: Sequence[tuple[str, BinaryIO]]) -> None:
    """Writes files in the order given.

    Args:
      target: Open for writing, and able to seek.
      files: Name and content of each.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = _UNIX
            info.external_attr = _RIGHTS << 16
            with archive.open(info, "w") as entry:
                shutil.copyfileobj(content, entry, _CHUNK)


def members(source: BinaryIO) -> list[Member]:
    """Reads the directory, and holds it against what stands before each file.

    Raises:
      BundleError: It is damaged, or not as `pack` writes it.
    """
    n_bytes = source.seek(0, 2)
    directory, n_members, start = _read_directory(source, n_bytes)
    found, offset = [], 0
    for _ in range(n_members):
        entry, directory = _read_entry(directory)
        offset = _check_local(source, entry, offset)
        found.append(entry._replace(offset=offset))
        offset += entry.packed_size
    if directory or offset != start:
        raise _damaged("it holds bytes that belong to no file")
    return found


def unpack(source: BinaryIO, member: Member) -> Iterator[bytes]:
    """Reads a file in chunks, never more of it than the directory promises.

    Raises:
      BundleError: It is shorter or longer than promised, or damaged.
    """
    n_bytes, crc = 0, 0
    for chunk in _inflated(source, member):
        n_bytes += len(chunk)
        crc = zlib.crc32(chunk, crc)
        if n_bytes > member.size:
            raise _damaged(f"{member.name} is longer than it says")
        yield chunk
    if n_bytes != member.size or crc != member.crc:
        raise _damaged(f"{member.name} is not what it says it is")


def _read_directory(source: BinaryIO, n_bytes: int) -> tuple[bytes, int, int]:
    if n_bytes < _END.size:
        raise _damaged("it is too short")
    source.seek(n_bytes - _END.size)
    signature, disk, first_disk, n_here, n_members, size, start, n_comment = (
        _END.unpack(_read(source, _END.size))
    )
    if signature != _END_SIGNATURE:
        raise _damaged("its end is missing")
    if disk or first_disk or n_comment or n_here != n_members:
        raise _damaged("it is split or commented")
    if n_members > MAX_MEMBERS or size > n_members * (_ENTRY.size + MAX_NAME_LENGTH):
        raise BundleError(
            f"the bundle holds {n_members} files, where a voice has at most {MAX_MEMBERS}: ask for it again where it "
            "comes from."
        )
    if start + size + _END.size != n_bytes:
        raise _damaged("its directory is not where it should be")
    source.seek(start)
    return _read(source, size), n_members, start


def _read_entry(directory: bytes) -> tuple[Member, bytes]:
    if len(directory) < _ENTRY.size:
        raise _damaged("its directory is cut off")
    head = _ENTRY.unpack_from(directory)
    signature, *made, flags, method, clock, date = head[:9]
    crc, packed_size, size, n_name, n_extra, n_comment = head[9:15]
    disk, text, rights, offset = head[15:]
    name = _name(directory[_ENTRY.size : _ENTRY.size + n_name], n_name)
    odd = (flags, n_extra, n_comment, disk, text, clock)
    if signature != _ENTRY_SIGNATURE or any(odd) or date != _DATE:
        raise _damaged(f"{name} is encrypted, split or extended")
    if method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _damaged(f"{name} is packed by method {method}")
    if made != [_FORMAT, _UNIX, _FORMAT, 0] or rights != _RIGHTS << 16:
        raise BundleError(
            f"{name} in the bundle is a link, a folder or a device, not a plain file: only plain files are taken."
        )
    rest = directory[_ENTRY.size + n_name :]
    return Member(name, method, crc, packed_size, size, offset), rest


def _check_local(source: BinaryIO, entry: Member, offset: int) -> int:
    """Reads what stands before a file, and returns the offset of its first byte."""
    if entry.offset != offset:
        raise _damaged(f"{entry.name} is not where it should be")
    source.seek(offset)
    (
        signature,
        *made,
        flags,
        method,
        clock,
        date,
        crc,
        packed_size,
        size,
        n_name,
        n_extra,
    ) = _LOCAL.unpack(_read(source, _LOCAL.size))
    name = _name(_read(source, min(n_name, MAX_NAME_LENGTH)), n_name)
    said = Member(name, method, crc, packed_size, size, offset)
    odd = (flags, n_extra, clock)
    if signature != _LOCAL_SIGNATURE or any(odd) or said != entry:
        raise _damaged(f"{entry.name} is described twice and differently")
    if made != [_FORMAT, 0] or date != _DATE:
        raise _damaged(f"{entry.name} is described twice and differently")
    return source.tell()


def _inflated(source: BinaryIO, member: Member) -> Iterator[bytes]:
    packed = _chunks(source, member)
    if member.method == zipfile.ZIP_STORED:
        yield from packed
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for chunk in packed:
            yield inflate.decompress(chunk, _CHUNK)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, _CHUNK)
        while not inflate.eof and (rest := inflate.decompress(b"", _CHUNK)):
            yield rest
    except zlib.error as error:
        raise _damaged(f"{member.name} cannot be unpacked ({error})") from error
    if not inflate.eof or inflate.unused_data:
        raise _damaged(f"{member.name} is packed in more or fewer bytes than it says")


def _chunks(source: BinaryIO, member: Member) -> Iterator[bytes]:
    source.seek(member.offset)
    left = member.packed_size
    while left:
        chunk = _read(source, min(_CHUNK, left))
        left -= len(chunk)
        yield chunk


def _read(source: BinaryIO, n_bytes: int) -> bytes:
    content = source.read(n_bytes)
    if len(content) != n_bytes:
        raise _damaged("it is cut off")
    return content


def _name(text: bytes, n_name: int) -> str:
    if len(text) != n_name or not text.isascii() or not text.decode().isprintable():
        raise _damaged("a file in it has no readable name")
    return text.decode()


def _damaged(what: str) -> BundleError:
    return BundleError(
        f"this is no bundle of a voice, or a damaged one: {what}; ask for it again where it comes from."
    )
