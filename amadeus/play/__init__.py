"""From scores and sounds to control curves, and through a voice to audio."""
