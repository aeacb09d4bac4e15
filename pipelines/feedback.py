"""Feedback for the learner: the pipeline of an imitation once more, hearing more often what the ama likes.

Recordings and features come from the cache; the trainer starts from the generation that the player's step has made, for
a short time, and is held near it.
"""

import json

from google.protobuf import json_format

from amadeus.v1 import practice_pb2
from pipelines import tuning

Request = tuning.Request | practice_pb2.FeedbackRequest


def parse_request(text: str) -> Request:
    """Reads the request of a practice that is run by this pipeline.

    Raises:
      json_format.ParseError: It is none.
    """
    if is_feedback(text):
        return json_format.Parse(text, practice_pb2.FeedbackRequest())
    return tuning.parse_request(text)


def is_feedback(text: str) -> bool:
    """Tells feedback for the learner from other requests: it says what to listen for."""
    try:
        fields = json.loads(text)
    except ValueError:
        return False
    return isinstance(fields, dict) and bool(fields.get("taste"))


def taste(request: Request) -> practice_pb2.Taste | None:
    """Says what to hear more often; None where all is heard alike."""
    if isinstance(request, practice_pb2.FeedbackRequest):
        return request.taste
    return None
