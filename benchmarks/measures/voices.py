"""Voices with random weights, which cost as much as taught ones."""

from collections.abc import Iterable


def make(settings: Iterable[str], path: str):
    """Exports a voice of the learner settings KEY=VALUE to `path` and loads it. Returns a `Voice`."""
    from amadeus.personality import profiles
    from amadeus.v1 import personality_pb2
    from amadeus.voice import export
    from amadeus.voice.model import VoiceModel
    from amadeus.voice.player import Voice

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(tuple(settings))
    )
    personality = personality_pb2.Personality(deu="random", learner_profile=profile)
    export.export(VoiceModel(profile), path, personality)
    return Voice.load(path)
