"""Generations written into a home by hand, as practices leave them: metadata and files."""

import json
import shutil

from ml_metadata.proto import metadata_store_pb2 as mlmd

from amadeus.lineage.store import Mode, open_store
from amadeus.personality import content
from amadeus.v1 import personality_pb2


class Tale:
    """A deu whose history is written by hand."""

    def __init__(self, home, deu):
        self.home, self.deu = home, deu
        home.path.mkdir(parents=True, exist_ok=True)
        self.store = open_store(home, mode=Mode.READWRITE_OPENCREATE)
        put = self.store.put_artifact_type
        self.types = {
            name: put(mlmd.ArtifactType(name=name))
            for name in ("amadeus.Personality", "Examples", "Model")
        }
        self.ids, self.digests = {}, {}

    def tell(
        self,
        generation,
        parent=None,
        *,
        takes=(),
        player=None,
        kind="Writer",
        voice=None,
        skipped=None,
    ):
        """Writes a generation with a folder of its own, and what it was made of."""
        n = generation
        who = personality_pb2.Personality(
            deu=self.deu.name,
            generation=n,
            digest=f"sha256:{n:064x}",
            parent_digest=self.digests[parent] if parent else "",
            practice=f"practice-{n}",
            metrics={"spectral_loss": 10.0 - n},
        )
        voice_path = self.deu.voices_path / str(n)
        if voice is not None:  # one that can be packed
            shutil.copytree(voice, voice_path)
            real = content.read_personality(voice_path)
            for name in ("deu", "generation", "parent_digest", "practice"):
                setattr(real, name, getattr(who, name))
            who = real
        else:
            voice_path.mkdir(parents=True)
            (voice_path / "weights").write_bytes(bytes(1000))
        for name, value in (player or {}).items():
            setattr(who.player_profile, name, value)
        content.write_personality(voice_path, who)
        self.digests[n] = who.digest
        examples = self._artifact("Examples", self._folder("Gen/examples", n))
        rows = [
            {"name": name, "digest": digest, "splits": ["train"], "duration_s": 61.0}
            for name, digest in takes
        ]
        properties = examples.custom_properties
        properties["takes"].string_value = json.dumps(rows)
        if skipped is not None:
            n_skipped = sum(one["count"] for one in skipped.values())
            properties["skipped"].string_value = json.dumps(skipped)
            properties["given_count"].int_value = len(rows) + n_skipped
        model = self._artifact("Model", self._folder("Trainer/model", n))
        voice = self._artifact("amadeus.Personality", str(voice_path))
        properties = voice.custom_properties
        for name in ("deu", "digest", "parent_digest", "practice"):
            properties[name].string_value = getattr(who, name)
        properties["generation"].int_value = n
        properties["metric_spectral_loss"].double_value = who.metrics["spectral_loss"]
        (examples_id,) = self._execute("Gen", [], [examples])
        (model_id,) = self._execute("Trainer", [examples_id], [model])
        parents = [(self.ids[parent], "parent")] if parent else []
        inputs = [(model_id, "model"), *parents]
        (self.ids[n],) = self._execute(kind, inputs, [voice])

    def _folder(self, place, n):
        path = self.deu.pipeline_path / place / str(n)
        path.mkdir(parents=True)
        (path / "file").write_bytes(bytes(500))
        return str(path)

    def _artifact(self, kind, uri):
        live = mlmd.Artifact.LIVE
        return mlmd.Artifact(type_id=self.types[kind], uri=uri, state=live)

    def _execute(self, kind, inputs, outputs):
        kind = self.store.put_execution_type(mlmd.ExecutionType(name=kind))
        execution = mlmd.Execution(
            type_id=kind, last_known_state=mlmd.Execution.COMPLETE
        )
        (execution_id,) = self.store.put_executions([execution])
        output_ids = self.store.put_artifacts(outputs)
        events = [
            mlmd.Event(artifact_id=i, execution_id=execution_id, type=mlmd.Event.OUTPUT)
            for i in output_ids
        ]
        for entry in inputs:
            artifact_id, key = entry if isinstance(entry, tuple) else (entry, "input")
            event = mlmd.Event(
                artifact_id=artifact_id,
                execution_id=execution_id,
                type=mlmd.Event.INPUT,
            )
            event.path.steps.add(key=key)
            events.append(event)
        self.store.put_events(events)
        return output_ids
