"""A practice on this machine, from its request to its result.

PRACTICE_DIR/request.json     what was asked for (ImitationRequest, TuningRequest, FeedbackRequest)
PRACTICE_DIR/settings.json    what was used: completed profile, Beam options, run
PRACTICE_DIR/result.json      what came out: uris of artifacts, metrics, generation
"""

import contextlib
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2

from amadeus import lineage
from amadeus.errors import ConfigError, NotHeldError
from amadeus.home import Home, explain_os_errors, write_atomically
from amadeus.journal import emit
from amadeus.lineage.store import connect, connection
from amadeus.personality import content, profiles
from amadeus.v1 import personality_pb2, practice_pb2
from components.audio_example_gen import describing, listing
from components.evaluation_file import METRICS_NAME
from pipelines import beam_places, feedback, imitation, runner, tuning
from pipelines.place import REQUEST_NAME, Place

SETTINGS_NAME = "settings.json"
RESULT_NAME = "result.json"

_log = logging.getLogger(__name__)


def run(place: Place) -> practice_pb2.PracticeFinished:
    """Runs a practice and writes its settings and result.

    The caller holds the deu's lock.

    Raises:
      AmadeusError: The request cannot work.
      Exception: Whatever a component raised.
    """
    request = _read_request(place)
    config = _configure(place, request)
    run_id = f"{place.deu.name}/{place.path.name}/{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    _write(place.path / SETTINGS_NAME, _settings(config, request, run_id))
    nodes = runner.PracticeRunner(run_id).run(imitation.create_pipeline(config))
    outputs = _outputs(place.home, nodes)
    verdict = _read_verdict(outputs)
    if nodes["AudioExampleGen"].cached:
        _tell_takes(outputs["AudioExampleGen.examples"], config)
    if nodes["Evaluator"].cached:
        emit(evaluated=practice_pb2.Evaluated(**verdict))
    lineage.repair(place.home, place.deu)
    session = lineage.Session(place.path.name, run_id, lineage.host_facts())
    lineage.attribute(place.home, place.deu, session)
    _point(place, outputs)
    finished = _finish(place, outputs)
    _write(place.path / RESULT_NAME, _result(outputs, verdict, finished, run_id))
    return finished


def _read_request(place: Place) -> feedback.Request:
    path = place.path / REQUEST_NAME
    try:
        request = feedback.parse_request(path.read_text())
    except json_format.ParseError as error:
        raise ConfigError(
            f"{path} is no request ({error}): start the practice again."
        ) from error
    if request.deu not in ("", place.deu.name):
        raise ConfigError(
            f"{path} is about deu {request.deu!r} but lies with deu {place.deu.name!r}: start the practice again."
        )
    return request


def _configure(place: Place, request: feedback.Request) -> imitation.ImitationConfig:
    parent = request.parent_generation
    return imitation.ImitationConfig(
        deu=place.deu.name,
        recordings=request.recordings,
        learner_profile=profiles.complete_learner_profile(request.learner_profile),
        voices_path=place.deu.voices_path,
        pipeline_root=place.deu.pipeline_path,
        metadata=connection(place.home),
        parent_path=place.deu.voice_path(parent) if parent else None,
        beam_args=tuple(_workers(request).args),
        player_profile=tuning.player_profile(request),
        taste=feedback.taste(request),
    )


def _workers(request: feedback.Request) -> beam_places.Workers:
    uris = listing.lengthen(request.recordings).uri
    return beam_places.find_workers(request.beam_arg, uris, os.environ)


def _settings(
    config: imitation.ImitationConfig,
    request: feedback.Request,
    run_id: str,
) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "pipeline": imitation.pipeline_name(config.deu),
        "learner_profile": json_format.MessageToDict(
            config.learner_profile, preserving_proto_field_name=True
        ),
        "parent_generation": request.parent_generation,
        "beam_args": list(config.beam_args),
    }


Outputs = dict[str, metadata_store_pb2.Artifact]


def _outputs(home: Home, nodes: dict[str, runner.NodeResult]) -> Outputs:
    """Finds the output artifacts of a run, by `Component.key`."""
    store = connect(connection(home))
    outputs = {}
    for name, node in nodes.items():
        if node.execution_id is None:
            continue
        for event in store.get_events_by_execution_ids([node.execution_id]):
            if event.type == metadata_store_pb2.Event.OUTPUT:
                (artifact,) = store.get_artifacts_by_id([event.artifact_id])
                outputs[f"{name}.{event.path.steps[0].key}"] = artifact
    return outputs


def _tell_takes(
    examples: metadata_store_pb2.Artifact, config: imitation.ImitationConfig
) -> None:
    """Says of takes from the cache what was said when they were made."""
    rate = config.learner_profile.sample_rate
    for text in describing.say_properties(examples.custom_properties, sample_rate=rate):
        emit(warning=practice_pb2.Warning(text=text))


def _read_verdict(outputs: Outputs) -> dict[str, Any]:
    path = Path(outputs["Evaluator.evaluation"].uri) / METRICS_NAME
    verdict = json.loads(path.read_text())
    return {
        key: verdict[key] for key in ("blessed", "reason", "metrics", "parent_metrics")
    }


def _point(place: Place, outputs: Outputs) -> None:
    """Has the voice play that this practice led to, also where all of it came from the cache."""
    pushed = outputs["Pusher.pushed_model"].custom_properties
    version = (
        pushed["pushed_version"].string_value if "pushed_version" in pushed else ""
    )
    if version and int(version) != place.deu.current_generation():
        with contextlib.suppress(NotHeldError):  # pruned in the meantime
            place.deu.point_to(int(version))


def _finish(place: Place, outputs: Outputs) -> practice_pb2.PracticeFinished:
    """Says what plays now, and whether it is this practice's doing."""
    generation = place.deu.current_generation()
    current = (
        content.read_personality(place.deu.voice_path(generation))
        if generation
        else personality_pb2.Personality()
    )
    is_pushed = (
        outputs["Pusher.pushed_model"].custom_properties["pushed"].int_value == 1
    )
    return practice_pb2.PracticeFinished(
        generation=generation,
        digest=current.digest,
        is_new=is_pushed and current.practice == place.path.name,
    )


def _result(
    outputs: Outputs,
    verdict: dict[str, Any],
    finished: practice_pb2.PracticeFinished,
    run_id: str,
) -> dict[str, Any]:
    pushed = outputs["Pusher.pushed_model"].custom_properties
    return {
        "run_id": run_id,
        "evaluation_uri": outputs["Evaluator.evaluation"].uri,
        "statistics_uri": outputs["DdspTransform.statistics"].uri,
        "examples_uri": outputs["DdspTransform.transformed_examples"].uri,
        "model_uri": outputs["Trainer.model"].uri,
        "model_run_uri": outputs["Trainer.model_run"].uri,
        "pushed_generation": int(pushed["pushed_version"].string_value or 0),
        "generation": finished.generation,
        "digest": finished.digest,
        "is_new": finished.is_new,
        **verdict,
    }


def _write(path: Path, content_: dict[str, Any]) -> None:
    with explain_os_errors(path.parent):
        write_atomically(path, json.dumps(content_, indent=2))
