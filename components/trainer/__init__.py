"""Trainer: passages in, a voice out."""
