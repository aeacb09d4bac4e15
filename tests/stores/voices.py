"""Voices to publish: one with random weights, and relatives of it that differ in a seed."""

from amadeus.personality.bundle import read_bundle
from tests.personality.forging import contents, forge, rewritten


def relative(bundle_bytes, seed, folder):
    """A voice with a digest of its own, in a folder."""

    def change(who):
        who["learner_profile"]["seed"] = seed

    packed = folder / f"seed-{seed}.deu"
    packed.write_bytes(forge(rewritten(contents(bundle_bytes), change)))
    read_bundle(packed, folder / f"seed-{seed}")
    return folder / f"seed-{seed}"
