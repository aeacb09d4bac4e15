"""DdspTransform: passages in, passages with pitch and loudness out."""
