"""Personalities: profiles, metadata, digests, and where a home folder keeps them."""
