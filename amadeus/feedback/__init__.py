"""Learning from what an ama calls good and bad: descriptors, evidence, steps, and words for all of it."""
