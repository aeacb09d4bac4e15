"""Practice sessions as TFX pipelines, and one thin runner for each platform."""
