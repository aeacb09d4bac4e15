"""The two splits of examples and where their records lie."""

import os

from tfx import types
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components import records
from components.split_names import SPLITS, Split


def make_splits(examples: types.Artifact) -> dict[Split, str]:
    """Names the splits of a new Examples artifact and makes a folder for each.

    Returns:
      The folder of each split.
    """
    examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    uris = {split: split_uri(examples, split) for split in SPLITS}
    for uri in uris.values():
        os.makedirs(uri, exist_ok=True)
    return uris


def split_uri(examples: types.Artifact, split: Split) -> str:
    """Names the folder of a split."""
    return artifact_utils.get_split_uri([examples], split)


def split_files(examples: types.Artifact) -> dict[Split, list[str]]:
    """Lists the record files of each split, always in the same order."""
    return {split: records.list_files(split_uri(examples, split)) for split in SPLITS}
