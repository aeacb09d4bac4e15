"""From audio to what a voice is taught and played with: pitch, confidence, loudness."""

from amadeus.features.types import Features, Pitch, PitchTracker

__all__ = ["Features", "Pitch", "PitchTracker"]
