"""The two splits of examples and where their records lie."""

import contextlib
import os
from collections.abc import Iterator

from tfx import types
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from amadeus.stores.addresses import is_url
from components import records
from components.audio_example_gen.nearby import all_nearby
from components.split_names import SPLITS, Split

RECORDS_URI_KEY = "records_uri"


def make_splits(
    examples: types.Artifact, *, records_uri: str | None = None
) -> dict[Split, str]:
    """Names the splits of a new Examples artifact and makes a folder for each.

    Args:
      examples: The artifact.
      records_uri: Folder in a bucket that the records shall lie in; None means that they lie in the artifact.

    Returns:
      The folder of each split.
    """
    examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    if records_uri is not None:
        examples.set_string_custom_property(RECORDS_URI_KEY, records_uri)
    uris = {split: split_uri(examples, split) for split in SPLITS}
    for uri in uris.values():
        if not is_url(uri):
            os.makedirs(uri, exist_ok=True)
    return uris


def split_uri(examples: types.Artifact, split: Split) -> str:
    """Names the folder of a split, wherever its records lie."""
    elsewhere = examples.get_string_custom_property(RECORDS_URI_KEY)
    if elsewhere:
        return records.place(elsewhere, f"Split-{split}")
    return artifact_utils.get_split_uri([examples], split)


def split_files(examples: types.Artifact) -> dict[Split, list[str]]:
    """Lists the record files of each split, always in the same order."""
    return {split: records.list_files(split_uri(examples, split)) for split in SPLITS}


@contextlib.contextmanager
def near_files(examples: types.Artifact) -> Iterator[dict[Split, list[str]]]:
    """Lists the record files of each split on this machine, where what lies in a bucket is brought for a while.

    Raises:
      StoreError: A bucket cannot be read, or the disk is too small.
    """
    with contextlib.ExitStack() as near:
        yield {
            split: near.enter_context(
                all_nearby(paths, max_bytes=records.MAX_FILE_BYTES)
            )
            for split, paths in split_files(examples).items()
        }
