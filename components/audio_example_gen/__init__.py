"""AudioExampleGen: recordings in, passages of takes out."""
