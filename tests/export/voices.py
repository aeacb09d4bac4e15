"""Voices with random weights, as a practice would have left them in a home."""

from pathlib import Path

import numpy as np

from amadeus.personality import content, profiles
from amadeus.v1 import personality_pb2, profiles_pb2

SMALL = {
    "sample_rate": 8_000,
    "frame_rate": 50,
    "harmonic_count": 8,
    "noise_band_count": 9,
    "recurrent_unit_count": 16,
    "dense_unit_count": 16,
    "reverb_duration_s": 0.05,
}


def write_voice(path: Path, **settings) -> Path:
    """Writes a voice with learner settings into a folder, and hands the folder back."""
    from amadeus.voice.export import export
    from amadeus.voice.model import VoiceModel

    profile = profiles.complete_learner_profile(profiles_pb2.LearnerProfile(**settings))
    model = VoiceModel(profile)
    rng = np.random.default_rng(7)
    for variable in model.trainable_variables:
        variable.assign_add(rng.normal(0, 0.1, variable.shape))
    model.limit_reach(np.array([[-70, -50], [-60, -15]], np.float32))
    player_profile = profiles.complete_player_profile()
    statistics = personality_pb2.Statistics(
        pitch_quantiles_midi=np.linspace(40, 80, 101),
        loudness_quantiles_db=np.linspace(-60, -10, 101),
    )
    digest = content.digest(model.weights(), profile, player_profile, statistics)
    personality = personality_pb2.Personality(
        deu="cello",
        generation=1,
        digest=digest,
        learner_profile=profile,
        player_profile=player_profile,
        statistics=statistics,
    )
    export(model, path, personality)
    return path
