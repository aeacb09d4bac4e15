"""TFX's handle on ML Metadata, with patience: a server may be gone for a minute in the middle of a practice."""

from tfx.orchestration import metadata

from amadeus.lineage.store import connect


class PatientMetadata(metadata.Metadata):
    """A `metadata.Metadata` that waits for its server, and writes nothing twice for it."""

    def __enter__(self) -> "PatientMetadata":
        """Connects; raises `HomeError` where nobody answers."""
        self._store = connect(self.connection_config)
        self._users += 1
        return self
