"""Stores: folders in buckets and on disks, behind one small interface.

    store = open_store("gs://bucket/folder")        # s3://, minio:// (an s3 with an endpoint), or a path
    store.upload(path, "takes/a.wav", sha256=...)    # whole or not at all, as everything in a store

    publish_voice("gs://bucket/voices", "cello", path)            # -> gs://bucket/voices/cello/3
    fetch_voice("gs://bucket/voices", "cello", 3, into=Path(...))

Buckets are spoken to by the libraries of those who run them, google-cloud-storage and boto3, loaded when a bucket is
named and not before. Credentials come from where those libraries look (GOOGLE_APPLICATION_CREDENTIALS, the metadata
server, AWS_ACCESS_KEY_ID, ~/.aws, the identity of a pod ...); endpoints from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or
STORAGE_EMULATOR_HOST. Neither ever stands in a URL.

What of Amadeus may lie in a bucket:

    recordings        wherever they are named: `practice imitate`, `listen`, and in a pipeline. They are read only, and
                      kept by their content in `recordings/` of the home.
    personalities     AMADEUS_PERSONALITIES, `deu push`, `deu pull`, `studio --personalities`: bundles, each written
                      once under a number of its own.
    pipeline root     of a run on Kubeflow, whose launcher carries artifacts in and out of containers.

What may not: the home itself. Locks (flock), renames of folders, SQLite and the sessions of studios need a file system
that keeps their promises, and no bucket does; `--home gs://...` is refused in a sentence. Metadata that many machines
share goes to a server by AMADEUS_METADATA, and a home that many studios share to a shared disk.
"""

from amadeus.stores.addresses import is_url
from amadeus.stores.opening import open_store
from amadeus.stores.personalities import (
    StoredVoice,
    fetch_voice,
    find_voice,
    list_voices,
    publish_voice,
)
from amadeus.stores.store import AlreadyThereError, Entry, NotThereError, Store

__all__ = [
    "AlreadyThereError",
    "Entry",
    "NotThereError",
    "Store",
    "StoredVoice",
    "fetch_voice",
    "find_voice",
    "is_url",
    "list_voices",
    "open_store",
    "publish_voice",
]
