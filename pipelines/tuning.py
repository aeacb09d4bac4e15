"""Tuning: the pipeline of an imitation once more, with other knobs.

The pipeline is that of `imitation`: components whose inputs and settings are as before come from the cache, and the
trainer starts from the generation that is tuned wherever its network is of the same make. What is new is how the voice
will play, which a tuning says and an imitation takes over from the parent.
"""

from google.protobuf import json_format
from google.protobuf.message import Message

from amadeus.tuning.request import is_tuning
from amadeus.v1 import practice_pb2, profiles_pb2

Request = practice_pb2.ImitationRequest | practice_pb2.TuningRequest


def parse_request(text: str) -> Request:
    """Reads the request of a practice that is run by this pipeline.

    Raises:
      json_format.ParseError: It is none.
    """
    kind = (
        practice_pb2.TuningRequest if is_tuning(text) else practice_pb2.ImitationRequest
    )
    return json_format.Parse(text, kind())


def player_profile(request: Message) -> profiles_pb2.PlayerProfile | None:
    """Says how the new voice will play; None where it plays as its parent."""
    if isinstance(request, practice_pb2.TuningRequest):
        return request.player_profile
    return None
