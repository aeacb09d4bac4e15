"""PersonalityWriter: a pushed voice enters the lineage."""
