"""Playing as it happens: MIDI and sound come in, control frames go out, a few milliseconds at a time."""
