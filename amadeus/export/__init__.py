"""A voice in the formats of other programs: plugins, runtimes, convolvers."""
