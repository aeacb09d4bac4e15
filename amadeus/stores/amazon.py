"""A store in a bucket of S3 or of what speaks like it (MinIO, Ceph, ...), by boto3.

Endpoints come from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. `minio://` is S3 with such an endpoint, and refused
without one, so that nothing meant for a cluster goes to Amazon.
"""

import contextlib
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import boto3
import boto3.exceptions
import botocore.config
import botocore.session
from boto3.s3.transfer import TransferConfig
from botocore import exceptions

from amadeus.errors import StoreError
from amadeus.stores.addresses import MINIO, Address
from amadeus.stores.buckets import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    SHA256_FIELD,
    BucketStore,
)
from amadeus.stores.parallel import N_TRANSFERS
from amadeus.stores.receiving import Sink
from amadeus.stores.retrying import Patience
from amadeus.stores.store import Entry

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")

_CHUNK_BYTES = 1 << 20
# Below this a file is one request, streamed from the disk: an interrupted upload then leaves nothing at all.
_TRANSFER = TransferConfig(
    multipart_threshold=2**30, multipart_chunksize=2**26, max_concurrency=2
)
_PASSING_CODES = {
    *("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"),
    *("InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"),
    *("ConditionalRequestConflict", "RequestTimeTooSkewed", "TooManyRequests"),
}
_PASSING_STATUSES = {408, 429, 500, 502, 503, 504}
_PASSING = (
    exceptions.HTTPClientError,  # refused, cut off, too late
    exceptions.ConnectionError,
    exceptions.IncompleteReadError,
    exceptions.ResponseStreamingError,
    exceptions.FlexibleChecksumError,
    ConnectionError,
)
_BAD_CREDENTIALS = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
    *("TokenRefreshRequired", "AuthorizationHeaderMalformed", "UnrecognizedClientException"),
}  # fmt: skip


class AmazonStore(BucketStore):
    """See `Store`."""

    @classmethod
    def open(cls, address: Address, patience: Patience) -> Self:
        """Finds credentials where boto3 looks; whether there are any shows with the first request.

        Raises:
          StoreError: `minio://` was named and no endpoint is set, or the settings of boto3 cannot be used.
        """
        endpoint = find_endpoint()
        if address.scheme == MINIO and endpoint is None:
            raise StoreError(
                f"{address.url} needs the address of its server: set {ENDPOINT_VARIABLES[0]}, such as "
                "http://minio-service.kubeflow:9000."
            )
        try:
            client = _session().client("s3", config=_config(endpoint))
        except (exceptions.BotoCoreError, ValueError) as error:
            raise StoreError(
                f"{address.url}: the settings of AWS here cannot be used ({type(error).__name__}): look at the "
                "variables AWS_* and at ~/.aws."
            ) from error
        return cls(client, address, patience)

    def _list(self, prefix: str) -> Sequence[Entry]:
        pages = self._client.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix=prefix)
        return [
            Entry(row["Key"], row["Size"], row["ETag"].strip('"'))
            for page in found
            for row in page.get("Contents", ())
        ]

    def _stat(self, name: str) -> Entry | None:
        try:
            found = self._client.head_object(Bucket=self.bucket, Key=name)
        except exceptions.ClientError as error:
            if _status(error) == 404:
                return None
            raise
        sha256 = found["Metadata"].get(SHA256_FIELD, "")
        return Entry(name, found["ContentLength"], found["ETag"].strip('"'), sha256)

    def _read(self, name: str, n_bytes: int) -> bytes:
        # No range: of an empty object there is none.
        found = self._client.get_object(Bucket=self.bucket, Key=name)
        with contextlib.closing(found["Body"]) as body:
            return body.read(n_bytes)

    def _write(self, name: str, data: bytes, only_new: bool) -> None:
        condition = {"IfNoneMatch": "*"} if only_new else {}
        try:
            self._client.put_object(
                Bucket=self.bucket, Key=name, Body=data, **condition
            )
        except exceptions.ClientError as error:
            if _status(error) != 412:
                raise
            raise self._already_there(name) from error

    def _upload(self, path: Path, name: str, sha256: str) -> None:
        metadata = {"Metadata": {SHA256_FIELD: sha256}}
        if path.stat().st_size >= _TRANSFER.multipart_threshold:
            self._client.upload_file(
                str(path), self.bucket, name, ExtraArgs=metadata, Config=_TRANSFER
            )
            return
        with path.open("rb") as file:
            self._client.put_object(Bucket=self.bucket, Key=name, Body=file, **metadata)

    def _download(self, name: str, sink: Sink) -> None:
        found = self._client.get_object(Bucket=self.bucket, Key=name)
        sink.expect(found["ContentLength"])
        with contextlib.closing(found["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                sink.write(chunk)

    def _remove(self, name: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=name)

    def _is_passing(self, error: Exception) -> bool:
        if isinstance(error, boto3.exceptions.S3UploadFailedError):
            return isinstance(error.__cause__ or error.__context__, _PASSING)
        if isinstance(error, exceptions.ClientError):
            return _code(error) in _PASSING_CODES or _status(error) in _PASSING_STATUSES
        return isinstance(error, _PASSING)

    def _explain_passing(self, error: BaseException) -> StoreError:
        if isinstance(error, exceptions.ClientError):
            return StoreError(
                f"{self.url}: the server is busy or refuses more requests for now ({_code(error)}): wait a little, "
                "then try again."
            )
        return StoreError(
            f"{self.url} cannot be reached at {self._endpoint()} ({type(error).__name__}): check the network and "
            f"{ENDPOINT_VARIABLES[0]}, then try again."
        )

    def _explain(self, error: Exception, name: str) -> StoreError | None:
        if isinstance(error, exceptions.ClientError):
            return self._explain_refusal(error, name)
        if isinstance(error, boto3.exceptions.S3UploadFailedError):
            inner = error.__cause__ or error.__context__
            if isinstance(inner, exceptions.ClientError):
                return self._explain_refusal(inner, name)
        if isinstance(
            error, exceptions.BotoCoreError | boto3.exceptions.Boto3Error
        ):  # NoCredentialsError and its relatives, and what is set wrongly
            return StoreError(
                f"there are no usable AWS credentials for {self.url} ({type(error).__name__}): set AWS_ACCESS_KEY_ID "
                "and AWS_SECRET_ACCESS_KEY, or log in with `aws configure`."
            )
        return None

    def _explain_refusal(self, error: exceptions.ClientError, name: str) -> StoreError:
        code, status = _code(error), _status(error)
        if code == "NoSuchBucket" or (status == 404 and not name):
            return self._no_bucket()
        if status == 404:
            return self._not_there(name)
        if code in _BAD_CREDENTIALS:
            return StoreError(
                f"{self.url}: the AWS credentials here are not valid, or no longer ({code}): log in again, or set "
                "others."
            )
        if status in (401, 403):
            return StoreError(
                f"{self.url}: your AWS credentials may not do this there ({code}): ask the keeper of the bucket for "
                "s3:ListBucket, s3:GetObject and s3:PutObject."
            )
        if status == 501:
            return StoreError(
                f"{self.url}: its server does not know what was asked of it ({code}): update it, or name another "
                "store."
            )
        return StoreError(
            f"{self.url}: the server refused ({code}): check the address, then try again."
        )

    def _endpoint(self) -> str:
        return self._client.meta.endpoint_url


def find_endpoint() -> str | None:
    """Finds the server that the environment names; None: Amazon's own, or one that ~/.aws names."""
    found = (os.environ.get(name) for name in ENDPOINT_VARIABLES)
    return next(filter(None, found), None)


def _session() -> boto3.session.Session:
    """Makes a session, which looks for credentials anew; what describes the service is read once in a process."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _loader())
    return boto3.session.Session(botocore_session=session)


@functools.cache
def _loader() -> Any:
    return botocore.session.get_session().get_component("data_loader")


def _config(endpoint: str | None) -> botocore.config.Config:
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "max_pool_connections": 2 * N_TRANSFERS,
        "retries": {"total_max_attempts": 1},  # ours are counted in one place
    }
    if endpoint is not None:
        # Servers elsewhere have no host for each bucket, and old ones (as Kubeflow's) no checksums in trailers.
        options |= {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    return botocore.config.Config(**options)


def _code(error: exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: exceptions.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
