"""A deu that a studio has taught, without any teaching."""

import hashlib
import shutil

from google.protobuf import json_format

from amadeus.personality.content import read_personality, write_personality
from amadeus.v1 import practice_pb2

CONTENT = b"noise" * 100  # of the recording it learned from
NAME = hashlib.sha256(CONTENT).hexdigest()


def teach(home, voice_path):
    """Makes a deu whose one generation a studio has taught by a recording that it keeps."""
    deu = home.create_deu("cello")
    shutil.copytree(voice_path, deu.voices_path / "1")
    home.recordings_path.mkdir(parents=True)
    for name in (NAME, f"{NAME}.wav"):
        (home.recordings_path / name).write_bytes(CONTENT)
    request = practice_pb2.ImitationRequest(
        deu="cello",
        practice="p0",
        recordings={
            "uri": [str(home.recordings_path / f"{NAME}.wav")],
            "name": ["élégie.wav"],
        },
    )
    (deu.practices_path / "p0").mkdir(parents=True)
    (deu.practices_path / "p0" / "request.json").write_text(
        json_format.MessageToJson(request)
    )
    who = read_personality(deu.voice_path(1))
    who.practice = "p0"
    write_personality(deu.voice_path(1), who)
    return deu
