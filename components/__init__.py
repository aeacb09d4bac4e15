"""TFX components: a folder each, with `component.py` (names), `executor.py` (artifacts) and the work."""
