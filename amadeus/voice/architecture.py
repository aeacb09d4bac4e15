"""What makes two networks of one make: light, for whoever has to know before anything is loaded."""

# A base voice fits where these are equal.
ARCHITECTURE = (
    "sample_rate",
    "frame_rate",
    "harmonic_count",
    "noise_band_count",
    "recurrent_unit_count",
    "dense_unit_count",
    "dense_layer_count",
    "reverb_duration_s",
    "loudness_weighting",  # the same number would ask for another loudness
)
