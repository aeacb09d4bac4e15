"""The network of a voice under another profile: its files are shared, not copied."""

import errno
import os
import shutil
from pathlib import Path

from google.protobuf.message import DecodeError

from amadeus.errors import BundleError, VoiceError
from amadeus.personality import content, weights
from amadeus.personality.checkpoint_messages import message_class
from amadeus.personality.generations import UUID_NAME
from amadeus.v1 import personality_pb2, profiles_pb2

GRAPH_NAME = "saved_model.pb"

_OWN = {content.PERSONALITY_NAME, UUID_NAME}  # what is each generation's own
_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}


def digest_tuned(
    voice_path: Path,
    parent: personality_pb2.Personality,
    player_profile: profiles_pb2.PlayerProfile,
) -> str:
    """Names the personality that a voice becomes under another player profile, looking at all of it first.

    Args:
      voice_path: SavedModel of the parent.
      parent: Who it is.
      player_profile: How it will play, as it will be stored.

    Raises:
      VoiceError: Its files are not those that its digest names.
    """
    try:
        values = weights.read_weights(voice_path / "variables")
    except BundleError as error:
        raise _damaged(voice_path, parent, "its weights cannot be read") from error
    digest = content.digest(
        values, parent.learner_profile, parent.player_profile, parent.statistics
    )
    if digest != parent.digest:
        raise _damaged(
            voice_path, parent, f"its content is {digest[:19]}..., not its digest"
        )
    _check_graph(voice_path, parent)
    return content.digest(
        values, parent.learner_profile, player_profile, parent.statistics
    )


def share_network(voice_path: Path, target: Path) -> None:
    """Makes a SavedModel of the same files, hard links where the disk has them; who it is has to be written anew.

    Args:
      voice_path: SavedModel to share.
      target: Folder to make.
    """
    shutil.copytree(voice_path, target, copy_function=_link, ignore=_leave_out)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        shutil.copyfile(source, target)
    return target


def _leave_out(folder: str, names: list[str]) -> set[str]:
    return _OWN & set(names) if Path(folder).name == content.EXTRAS_FOLDER else set()


def _check_graph(voice_path: Path, parent: personality_pb2.Personality) -> None:
    """A file that was cut off is no message any more; who loads it looks closer."""
    try:
        saved_model = message_class("SavedModel")()
        saved_model.ParseFromString((voice_path / GRAPH_NAME).read_bytes())
    except (OSError, DecodeError) as error:
        raise _damaged(voice_path, parent, "its graph cannot be read") from error
    if not saved_model.meta_graphs:
        raise _damaged(voice_path, parent, "its graph is empty")


def _damaged(
    voice_path: Path, parent: personality_pb2.Personality, what: str
) -> VoiceError:
    return VoiceError(
        f"generation {parent.generation} of {parent.deu} in {voice_path} is damaged: {what}; put back a copy, or go on "
        f"from another generation with `amadeus deu checkout {parent.deu}@N`."
    )
