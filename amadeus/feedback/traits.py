"""What is listened for: each trait with its unit, what of it can just be heard, its words and its knob."""

from typing import NamedTuple


class Trait(NamedTuple):
    """Something that two sounds can differ in.

    Attributes:
      unit: Of its values.
      audible: The least difference an attentive ear hears; what is smaller is nothing.
      more: What the sound with the larger value is.
      less: What the other one is.
      knob: Of the player profile; empty where no knob turns it.
      goes_with_playing: Whether playing louder or higher changes it by itself, so that this is taken out first.
    """

    unit: str
    audible: float
    more: str
    less: str
    knob: str = ""
    goes_with_playing: bool = True


TRAITS: dict[str, Trait] = {
    "loudness_db": Trait(
        "dB", 1.0, "louder", "softer", "loudness_offset_db", goes_with_playing=False
    ),
    "pitch_midi": Trait("semitones", 1.0, "higher", "lower", goes_with_playing=False),
    "brightness_octaves": Trait("octaves", 0.06, "brighter", "darker", "brightness"),
    "tilt_db": Trait("dB an octave", 1.0, "less steep in its harmonics", "steeper"),
    "odd_even_db": Trait("dB", 2.0, "hollower", "fuller"),
    "noise_db": Trait("dB", 1.0, "breathier", "cleaner", "noise_gain_db"),
    "roughness_db": Trait("dB", 0.5, "rougher", "smoother"),
    "attack_octaves": Trait(
        "octaves", 0.25, "slower in its attacks", "faster", "attack_scale"
    ),
    "vibrato_depth_cents": Trait(
        "cents", 4.0, "deeper in its vibrato", "shallower", "vibrato_scale"
    ),
    "vibrato_rate_hz": Trait(
        "Hz", 0.4, "faster in its vibrato", "slower", "vibrato_rate_hz"
    ),
}

TITLES = {
    "loudness_db": "loudness",
    "pitch_midi": "pitch region",
    "brightness_octaves": "brightness",
    "tilt_db": "harmonic tilt",
    "odd_even_db": "odd against even harmonics",
    "noise_db": "noisiness",
    "roughness_db": "roughness",
    "attack_octaves": "attack time",
    "vibrato_depth_cents": "vibrato depth",
    "vibrato_rate_hz": "vibrato rate",
}
