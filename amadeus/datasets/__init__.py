"""Data sets of single notes: NSynth as it is published, and folders of notes that become the same."""
