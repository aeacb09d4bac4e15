"""A store in a bucket of Google Cloud Storage, by google-cloud-storage.

Its own tries are turned off where ours do: one patience, one place that says how long. Large files go up in chunks of
a session that the service keeps, and are no object before the last one.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import google.auth.exceptions
import requests.exceptions
import urllib3.exceptions
from google.api_core import exceptions
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from amadeus.errors import StoreError
from amadeus.stores.addresses import Address
from amadeus.stores.buckets import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    SHA256_FIELD,
    BucketStore,
)
from amadeus.stores.receiving import Sink
from amadeus.stores.retrying import Patience
from amadeus.stores.store import Entry

_TIMEOUT_S = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
_CHUNK_BYTES = 4 * 2**20  # a multiple of 256 KiB
_IN_ONE_BYTES = 4 * 2**20  # what is smaller goes up in one request
_TYPE = "application/octet-stream"
_FIELDS = "items(name,size,generation,metadata),nextPageToken"
_CHUNK_RETRY = DEFAULT_RETRY.with_timeout(30.0)  # of a chunk, the others being there
_PASSING_STATUSES = {408, 429, 500, 502, 503, 504}
_PASSING = (
    exceptions.TooManyRequests,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    exceptions.RetryError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
    google.auth.exceptions.TransportError,
    ConnectionError,
    DataCorruption,
)


class GoogleStore(BucketStore):
    """See `Store`."""

    @classmethod
    def open(cls, address: Address, patience: Patience) -> Self:
        """Finds credentials where Google's libraries look.

        Raises:
          StoreError: There are none.
        """
        # For traces that nobody asked for it would look the bucket up, which takes a request and a right of its own.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        try:
            # No project: buckets have names of their own, and none is made here.
            client = storage.Client(project=None)
        except google.auth.exceptions.GoogleAuthError as error:
            raise _no_credentials(address.bucket) from error
        return cls(client, address, patience)

    def _list(self, prefix: str) -> Sequence[Entry]:
        found = self._client.list_blobs(
            self.bucket,
            prefix=prefix or None,
            fields=_FIELDS,
            retry=None,
            timeout=_TIMEOUT_S,
        )
        return [_entry(blob) for blob in found]

    def _stat(self, name: str) -> Entry | None:
        bucket = self._client.bucket(self.bucket)
        blob = bucket.get_blob(name, retry=None, timeout=_TIMEOUT_S)
        return _entry(blob) if blob is not None else None

    def _read(self, name: str, n_bytes: int) -> bytes:
        try:
            return self._blob(name).download_as_bytes(
                end=n_bytes - 1, raw_download=True, retry=None, timeout=_TIMEOUT_S
            )
        except exceptions.RequestRangeNotSatisfiable:  # it is empty
            return b""

    def _write(self, name: str, data: bytes, only_new: bool) -> None:
        try:
            self._blob(name).upload_from_string(
                data,
                content_type=_TYPE,
                if_generation_match=0 if only_new else None,
                retry=None,
                timeout=_TIMEOUT_S,
            )
        except exceptions.PreconditionFailed as error:
            raise self._already_there(name) from error

    def _upload(self, path: Path, name: str, sha256: str) -> None:
        blob = self._blob(name)
        blob.metadata = {SHA256_FIELD: sha256}
        if path.stat().st_size > _IN_ONE_BYTES:
            blob.chunk_size = _CHUNK_BYTES
        blob.upload_from_filename(
            str(path),
            content_type=_TYPE,
            retry=_CHUNK_RETRY if blob.chunk_size else None,
            timeout=_TIMEOUT_S,
        )

    def _download(self, name: str, sink: Sink) -> None:
        self._blob(name).download_to_file(
            sink, raw_download=True, retry=None, timeout=_TIMEOUT_S
        )

    def _remove(self, name: str) -> None:
        try:
            self._blob(name).delete(retry=None, timeout=_TIMEOUT_S)
        except exceptions.NotFound:
            return

    def _blob(self, name: str) -> Any:
        return self._client.bucket(self.bucket).blob(name)

    def _is_passing(self, error: Exception) -> bool:
        if isinstance(error, InvalidResponse):
            return error.response.status_code in _PASSING_STATUSES
        # Google's library knows which failures to renew a token are worth another try.
        return isinstance(error, _PASSING) or getattr(error, "retryable", False)

    def _explain_passing(self, error: BaseException) -> StoreError:
        if isinstance(error, exceptions.TooManyRequests):
            return StoreError(
                f"{self.url}: Google refuses more requests for now (quota): wait a little, or ask for a larger quota."
            )
        return StoreError(
            f"{self.url} cannot be reached, or does not answer ({type(error).__name__}): check the network"
            f"{self._named_endpoint()}, then try again."
        )

    def _explain(self, error: Exception, name: str) -> StoreError | None:
        if isinstance(error, exceptions.NotFound):
            no_bucket = not name or "bucket does not exist" in str(error)
            return self._no_bucket() if no_bucket else self._not_there(name)
        if isinstance(error, exceptions.Unauthorized):
            return _no_credentials(self.bucket)
        if isinstance(error, google.auth.exceptions.GoogleAuthError):
            return StoreError(
                f"{self.url}: the Google credentials here are no longer valid, or cannot be renewed: log in again, "
                "such as with `gcloud auth application-default login`."
            )
        if isinstance(error, exceptions.Forbidden):
            return StoreError(
                f"{self.url}: your Google account may not do this there: ask the keeper of the bucket for the role "
                "Storage Object User."
            )
        if isinstance(error, exceptions.GoogleAPICallError | InvalidResponse):
            status = getattr(error, "code", None) or type(error).__name__
            return StoreError(
                f"{self.url}: Google Cloud Storage refused ({status}): check the address, then try again."
            )
        return None

    def _named_endpoint(self) -> str:
        if not self._client._is_emulator_set:
            return ""
        return " and STORAGE_EMULATOR_HOST, which is set"


def _entry(blob: Any) -> Entry:
    sha256 = (blob.metadata or {}).get(SHA256_FIELD, "")
    return Entry(blob.name, int(blob.size or 0), str(blob.generation), sha256)


def _no_credentials(bucket: str) -> StoreError:
    return StoreError(
        f"there are no Google credentials for gs://{bucket}: set GOOGLE_APPLICATION_CREDENTIALS to the file of a "
        "service account, or run `gcloud auth application-default login`."
    )
