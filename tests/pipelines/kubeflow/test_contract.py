"""What a container reads of Kubeflow's launcher, and what it hands back."""

import ast
import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from amadeus.errors import PracticeError
from pipelines.kubeflow import contract

PLACE = "minio://mlpipeline/v2/artifacts/imitation-cello/run-1/trainer"


def executor_input(tmp_path, place=f"{PLACE}/an-id"):
    return json.dumps(
        {
            "inputs": {
                "parameterValues": {"seed": 7, "names": ["a", "b"]},
                "artifacts": {
                    "examples": {
                        "artifacts": [
                            {
                                "name": "12",
                                "uri": "gs://b/examples",
                                "metadata": {"n": 1},
                            }
                        ]
                    }
                },
            },
            "outputs": {
                "artifacts": {
                    key: {
                        "artifacts": [
                            {
                                "name": key,
                                "type": {"schemaTitle": "system.Artifact"},
                                "uri": f"{place}/{key}",
                            }
                        ]
                    }
                    for key in ("executor-logs", "model")
                },
                "parameters": {
                    key: {"outputFile": f"{tmp_path}/p/{key}"}
                    for key in ("mark", "number", "rows")
                },
                "outputFile": f"{tmp_path}/out/output_metadata.json",
            },
        }
    )


@pytest.fixture
def invocation(tmp_path):
    return contract.read_invocation(
        executor_input(tmp_path),
        input_paths={"examples": "/gcs/b/examples"},
        output_paths={"model": f"{tmp_path}/model"},
    )


def test_what_came_is_read(invocation):
    assert invocation.parameters == {"seed": 7, "names": ["a", "b"]}
    examples = invocation.inputs["examples"]
    assert (examples.uri, str(examples.path)) == ("gs://b/examples", "/gcs/b/examples")
    assert examples.properties == {"n": 1}
    assert set(invocation.outputs) == {"model"}, "logs are Kubeflow's own affair"


@pytest.mark.parametrize(
    ("place", "task_id"), [(f"{PLACE}/an-id", "an-id"), (PLACE, "")]
)
def test_a_task_knows_itself_from_where_its_outputs_go(tmp_path, place, task_id):
    invocation = contract.read_invocation(
        executor_input(tmp_path, place), input_paths={}, output_paths={"model": "/m"}
    )
    root = "minio://mlpipeline/v2/artifacts"
    assert invocation.task("imitation-cello") == contract.Task(
        root, "imitation-cello", "run-1", "trainer", task_id
    )
    with pytest.raises(PracticeError, match="names a run of imitation-viola"):
        invocation.task("imitation-viola")


def test_what_is_handed_back_is_an_executor_output(invocation, tmp_path):
    contract.write_artifacts(invocation, {"model": {"digest": "sha256:1", "n": 3}})
    told = json_format.Parse(
        (tmp_path / "out" / "output_metadata.json").read_text(),
        pipeline_spec_pb2.ExecutorOutput(),
    )
    (model,) = told.artifacts["model"].artifacts
    assert model.uri == f"{PLACE}/an-id/model", "where Kubeflow uploads is its own"
    assert json_format.MessageToDict(model.metadata) == {"digest": "sha256:1", "n": 3}


def test_parameters_are_handed_back_as_texts_in_files(invocation, tmp_path):
    contract.write_parameters(
        invocation, {"mark": "a text", "number": 3, "rows": ["a"]}
    )
    written = {path.name: path.read_text() for path in (tmp_path / "p").iterdir()}
    assert written == {"mark": "a text", "number": "3", "rows": '["a"]'}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"outputs": {}}', '{"outputs": {"outputFile": 1}}']
)
def test_another_call_is_refused_in_a_sentence(text):
    with pytest.raises(PracticeError, match="not called as Kubeflow"):
        contract.read_invocation(text, input_paths={}, output_paths={"model": "/m"})


def test_a_container_needs_no_kfp():
    folder = Path(contract.__file__).parent
    for name in ("entrypoint", "running", "places", "preparing", "lineage", "telling"):
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            modules = (
                [a.name for a in node.names] if isinstance(node, ast.Import) else []
            )
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            assert not [m for m in modules if m.split(".")[0] == "kfp"], name
