"""Where a store is: `gs://bucket/folder`, `s3://bucket/folder`, `minio://bucket/folder`, or a path.

A URL says where and never who: what looks like a name, a password or a signature in it is refused, for URLs stand in
requests, logs and lineages. Keys below a store are relative and written with `/`, whatever the script of their names.
"""

import re
import unicodedata
from typing import NamedTuple

from amadeus.errors import ConfigError, StoreError
from amadeus.personality.quoting import tame

GOOGLE, AMAZON, MINIO, FILE = "gs", "s3", "minio", "file"
BUCKET_SCHEMES = (GOOGLE, AMAZON, MINIO)
MAX_KEY_BYTES = 1024  # of both S3 and GCS, with the folder

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_SIGNATURE = re.compile(
    r"[?&](X-Amz-|X-Goog-|AWSAccessKeyId|Signature=|(\w+_)?token=)", re.IGNORECASE
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


class Address(NamedTuple):
    """Where a store is.

    Attributes:
      scheme: One of `BUCKET_SCHEMES`, or `file`.
      bucket: Name of the bucket; empty for a path.
      folder: Folder in the bucket without slashes around it; empty for all of it. The path for `file`.
    """

    scheme: str
    bucket: str
    folder: str

    @property
    def url(self) -> str:
        """The address as an ama writes it."""
        if self.scheme == FILE:
            return self.folder
        return "/".join(filter(None, (f"{self.scheme}://{self.bucket}", self.folder)))


def is_url(text: str) -> bool:
    """Tells an address of a bucket, or of anything else that begins with `scheme://`, from a path."""
    return bool(_URL.match(text))


def parse(text: str) -> Address:
    """Reads an address.

    Raises:
      ConfigError: It is of an unknown kind, names no bucket, or carries what may be a secret.
    """
    match = _URL.match(text)
    if match is None:
        if not text:
            raise ConfigError(
                "a store was named by nothing: name gs://BUCKET/FOLDER, s3://BUCKET/FOLDER or a folder."
            )
        return Address(FILE, "", text)
    scheme, rest = match[1].lower(), match[2]
    if scheme == FILE:
        return Address(FILE, "", _local(rest))
    if scheme not in BUCKET_SCHEMES:
        raise ConfigError(
            f"{tame(scheme)}:// is no store that Amadeus knows: name gs://BUCKET/FOLDER, s3://BUCKET/FOLDER, "
            "minio://BUCKET/FOLDER or a folder."
        )
    bucket, _, folder = rest.partition("/")
    # The text itself is not quoted: it may be the secret.
    if "@" in bucket or ":" in bucket:
        raise ConfigError(
            f"an address {scheme}://... holds a name, a password or a port: write {scheme}://BUCKET/FOLDER, and give "
            "credentials and endpoints by the environment."
        )
    if _SIGNATURE.search(rest):
        raise ConfigError(
            f"an address {scheme}://... holds a signature: write {scheme}://BUCKET/FOLDER, and give credentials "
            "by the environment."
        )
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(
            f"an address {scheme}://... names no bucket: write {scheme}://BUCKET/FOLDER, the bucket in 3 to 222 of "
            "a-z, 0-9, -, _ and dots."
        )
    folder = folder.strip("/")
    if folder:
        check_key(folder)
    return Address(scheme, bucket, folder)


def check_key(key: str) -> str:
    """Makes sure that a key stays below where it is put, in a bucket and on a disk, and hands it back.

    Raises:
      StoreError: It leads out, or no disk or bucket could hold it.
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in key:
        raise _refused(key, "leads out of its folder, or nowhere")
    if any(unicodedata.category(sign) == "Cc" for sign in key):
        raise _refused(key, "holds control characters")
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        raise _refused(key, "is no text") from None
    if len(encoded) > MAX_KEY_BYTES or any(len(p.encode()) > 255 for p in parts):
        raise _refused(key, f"is longer than {MAX_KEY_BYTES} bytes, or a part than 255")
    return key


def join(folder: str, key: str) -> str:
    """Joins a folder, which may be empty, and what is below it."""
    return f"{folder}/{key}" if folder and key else folder or key


def split(url: str) -> tuple[str, str]:
    """Divides the URL of an object into that of its folder and its name; the name of a bucket alone is empty."""
    address = parse(url)
    head, _, name = address.folder.rpartition("/")
    return address._replace(folder=head).url, name


def _local(rest: str) -> str:
    if not rest.startswith("/"):
        raise ConfigError(
            f"file://{tame(rest)} names another machine or no whole path: write file:///FOLDER, or the path alone."
        )
    return rest


def _refused(key: str, why: str) -> StoreError:
    return StoreError(f"the name {tame(key)!r} {why}: rename it, then try again.")
