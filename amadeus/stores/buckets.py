"""What the stores in buckets have in common: trying again, one sentence for each failure, and names of objects.

A bucket has no folders: a name with `/` in it looks like one. Objects whose name ends with `/`, which consoles make
for folders that are empty, are passed over.
"""

import abc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from amadeus.errors import StoreError
from amadeus.home import explain_os_errors
from amadeus.stores.addresses import Address, check_key, join
from amadeus.stores.receiving import Sink, opened_sink, too_large
from amadeus.stores.retrying import PassingError, Patience, retrying
from amadeus.stores.store import AlreadyThereError, Entry, NotThereError, Store

SHA256_FIELD = "amadeus-sha256"  # of an object's metadata
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 60.0

_T = TypeVar("_T")


class BucketStore(Store, abc.ABC):
    """See `Store`. Subclasses speak to one kind of bucket, and let the errors of its library through."""

    def __init__(self, client: Any, address: Address, patience: Patience) -> None:
        self.url = address.url
        self._client, self._address, self._patience = client, address, patience

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self._address.bucket

    def at(self, folder: str) -> Self:
        """See `Store`."""
        if not folder:
            return self
        deeper = join(self._address.folder, check_key(folder))
        address = self._address._replace(folder=deeper)
        return type(self)(self._client, address, self._patience)

    def list(self, folder: str = "") -> Iterator[Entry]:
        """See `Store`."""
        prefix = join(self._address.folder, folder)
        prefix = f"{prefix}/" if prefix else ""
        own = len(self._address.folder) + 1 if self._address.folder else 0
        for found in self._try(lambda: self._list(prefix)):
            if not found.key.endswith("/"):
                yield found._replace(key=found.key[own:])

    def stat(self, key: str) -> Entry | None:
        """See `Store`."""
        found = self._try(lambda: self._stat(self._name(key)), self._name(key))
        return found and found._replace(key=key)

    def read(self, key: str, *, max_bytes: int) -> bytes:
        """See `Store`."""
        name = self._name(key)
        data = self._try(lambda: self._read(name, max_bytes + 1), name)
        if len(data) > max_bytes:
            raise too_large(join(self.url, key), len(data), max_bytes)
        return data

    def write(self, key: str, data: bytes, *, only_new: bool = False) -> None:
        """See `Store`."""
        name = self._name(check_key(key))
        n_tried = 0

        def put() -> None:
            nonlocal n_tried
            n_tried += 1
            try:
                self._write(name, data, only_new)
            except AlreadyThereError:
                # The answer to a try before may have been lost on its way, and this is what it wrote.
                if n_tried == 1 or self._read(name, len(data) + 1) != data:
                    raise

        self._try(put, name)

    def upload(self, path: Path, key: str, *, sha256: str) -> None:
        """See `Store`."""
        name = self._name(check_key(key))
        try:
            self._try(lambda: self._upload(path, name, sha256), name)
        except OSError as error:
            raise StoreError(
                f"cannot read {path}: {error.strerror or error}; check its read rights."
            ) from error

    def download(self, key: str, path: Path, *, max_bytes: int) -> str:
        """See `Store`."""
        name, source = self._name(key), join(self.url, key)
        found = self.stat(key)  # so that what is too large leaves the disk as it was
        if found is None:
            raise self._not_there(name)
        if found.size > max_bytes:
            raise too_large(source, found.size, max_bytes)
        with (
            explain_os_errors(path),
            opened_sink(path, source, max_bytes) as sink,
        ):

            def get() -> None:
                sink.begin()
                self._download(name, sink)

            self._try(get, name)
            return sink.sha256()

    def remove(self, key: str) -> None:
        """See `Store`."""
        name = self._name(key)
        self._try(lambda: self._remove(name), name)

    @abc.abstractmethod
    def _list(self, prefix: str) -> Sequence[Entry]:
        """Lists objects by the beginning of their names; keys are whole names."""

    @abc.abstractmethod
    def _stat(self, name: str) -> Entry | None: ...

    @abc.abstractmethod
    def _read(self, name: str, n_bytes: int) -> bytes:
        """Reads the first bytes of an object."""

    @abc.abstractmethod
    def _write(self, name: str, data: bytes, only_new: bool) -> None:
        """Writes an object; raises AlreadyThereError with `only_new` where there is one."""

    @abc.abstractmethod
    def _upload(self, path: Path, name: str, sha256: str) -> None: ...

    @abc.abstractmethod
    def _download(self, name: str, sink: Sink) -> None: ...

    @abc.abstractmethod
    def _remove(self, name: str) -> None: ...

    @abc.abstractmethod
    def _is_passing(self, error: Exception) -> bool:
        """Tells whether what failed may succeed when it is tried again."""

    @abc.abstractmethod
    def _explain(self, error: Exception, name: str) -> StoreError | None:
        """Words an error of the library; None: it is no such error, but a fault of ours."""

    def _name(self, key: str) -> str:
        return join(self._address.folder, key)

    def _try(self, call: Callable[[], _T], name: str = "") -> _T:
        def once() -> _T:
            try:
                return call()
            except Exception as error:
                if not self._is_passing(error):
                    raise
                raise PassingError(type(error).__name__) from error

        try:
            return retrying(once, self._patience, self.url)
        except PassingError as error:
            raise self._explain_passing(error.__cause__ or error) from error.__cause__
        except StoreError:
            raise
        except Exception as error:
            explained = self._explain(error, name)
            if explained is None:
                raise
            raise explained from error

    @abc.abstractmethod
    def _explain_passing(self, error: BaseException) -> StoreError:
        """Words what did not pass."""

    def _not_there(self, name: str) -> NotThereError:
        return NotThereError(
            f"there is no {self._address.scheme}://{self.bucket}/{name}: name one that is there."
        )

    def _no_bucket(self) -> NotThereError:
        return NotThereError(
            f"there is no bucket {self.bucket!r}, or it does not show itself to you: check its name, its project and "
            "your rights."
        )

    def _already_there(self, name: str) -> AlreadyThereError:
        return AlreadyThereError(
            f"{self._address.scheme}://{self.bucket}/{name} is there already: choose another name."
        )
