"""The recording coach: what could be learned from recordings, and what stands in the way."""
