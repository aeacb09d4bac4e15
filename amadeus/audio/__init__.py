"""Sound files in, sound files out, and the one clock."""

from amadeus.audio.spec import AudioSpec

__all__ = ["AudioSpec"]
