"""HandleReloadConfigRequest, versions and labels, after server_core_test.cc, tensorflow_model_server_test.py,
availability_preserving_policy_test.cc and file_system_storage_path_source_test.cc.
"""

import shutil
import threading

import grpc
import pytest
from google.protobuf import any_pb2

from tests.contract import fixture_models, server
from tests.contract.expectations import fails


@pytest.fixture
def base_path(models, request):
    """An empty base path, unlike that of any other test."""
    path = models["half_plus_two"].parent.parent / request.node.name
    path.mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def specific(base_path, *versions, **fields):
    policy = {"specific": {"versions": versions}}
    return {"base_path": base_path, "model_version_policy": policy, **fields}


def latest(base_path, n_versions, **fields):
    policy = {"latest": {"num_versions": n_versions}}
    return {"base_path": base_path, "model_version_policy": policy, **fields}


def everything(base_path, **fields):
    return {"base_path": base_path, "model_version_policy": {"all": {}}, **fields}


def states(served, name):
    """States of versions that have not ended; a server remembers those of tests before."""
    told = served.status(name).items()
    return {version: state for version, (state, *_) in told if state != "END"}


def has_ended(served, name, version):
    return served.status(name).get(version, ("",))[0] == "END"


def test_model_config_reload(reconfigured, models):
    reconfigured.reload(server.config(new_name=models["half_plus_three"]))
    assert reconfigured.half("new_name") == 4.0  # at once: the answer waited for it
    text = "Servable not found for request: Latest(half_plus_two)"
    with fails(grpc.StatusCode.NOT_FOUND, text):
        reconfigured.half("half_plus_two")


def test_reload_config_unloads_models(reconfigured):
    reconfigured.reload(server.config())
    reconfigured.wait_for(lambda: has_ended(reconfigured, "half_plus_two", 123))


def test_reload_config_handles_loading_a_previously_unloaded_model(
    reconfigured, standard
):
    reconfigured.reload(server.config())
    reconfigured.wait_for(lambda: has_ended(reconfigured, "half_plus_two", 123))
    reconfigured.reload(standard)
    assert reconfigured.half("half_plus_two") == 3.0
    assert states(reconfigured, "half_plus_two") == {123: "AVAILABLE"}


def test_duplicate_model_name_in_config(served, models):
    message = server.config(twice=models["half_plus_two"])
    message.model_config_list.config.append(message.model_config_list.config[0])
    text = "Illegal to list model twice multiple times in config list"
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.reload(message)
    assert served.half("half_plus_two") == 3.0  # nothing changed


def test_relative_base_path(served):
    text = "Expected model m to have an absolute path or URI; got base_path()=relative"
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.reload(server.config(m="relative"))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model_platform": ""}, "Illegal setting neither"),
        ({"model_type": 1}, "Illegal setting both"),
        ({"model_platform": "torch"}, "requests unsupported platform torch"),
    ],
)
def test_illegal_platforms(served, models, fields, text):
    message = server.config(m={"base_path": models["half_plus_two"], **fields})
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.reload(message)


def test_deprecated_model_type_config(reconfigured, models):
    fields = {"model_platform": "", "model_type": 1}
    message = server.config(m={"base_path": models["half_plus_two"], **fields})
    reconfigured.reload(message)
    assert reconfigured.half("m") == 3.0


def test_only_model_config_lists_can_be_loaded(served):
    message = server.config()
    message.custom_model_config.CopyFrom(any_pb2.Any())
    text = "Only ModelConfigList is currently supported"
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.reload(message)


@pytest.mark.skipif(bool(server.GRPC), reason="another server may wait for the folder")
def test_base_path_that_does_not_exist(reconfigured, base_path):
    text = f"Could not find base path {base_path}/none for servable m"
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        reconfigured.reload(server.config(m=base_path / "none"))


def test_load_failure_on_reload(reconfigured, base_path):
    (base_path / "3").mkdir()
    (base_path / "3" / "saved_model.pb").write_bytes(b"no model at all")
    text = "1 model(s) did not become available: {{name: m version: 3} due to error: "
    with fails(grpc.StatusCode.UNKNOWN, text):
        reconfigured.reload(server.config(m=base_path))
    state, code, message = reconfigured.status("m")[3]
    assert state == "END"
    assert code != 0
    assert message


def test_missing_saved_model_on_reload(reconfigured, base_path):
    (base_path / "3").mkdir()
    text = "Could not find SavedModel .pb"
    with fails(grpc.StatusCode.UNKNOWN, text):
        reconfigured.reload(server.config(m=base_path))


def test_damaged_variables_on_reload(reconfigured, base_path):
    path = fixture_models.save_line(base_path / "3")
    for file in (path / "variables").glob("*.data*"):
        file.write_bytes(b"")
    with fails(grpc.StatusCode.UNKNOWN, "did not become available"):
        reconfigured.reload(server.config(m=base_path))


def test_a_failed_version_leaves_the_old_one_alone(reconfigured, base_path):
    fixture_models.save_line(base_path / "1")
    reconfigured.reload(server.config(half_broken=base_path))
    broken = base_path / ".broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no model at all")
    broken.rename(base_path / "2")
    reconfigured.wait_for(lambda: has_ended(reconfigured, "half_broken", 2))
    assert reconfigured.half("half_broken") == 3.0
    assert states(reconfigured, "half_broken")[1] == "AVAILABLE"


def test_files_appear_after_startup(reconfigured, base_path):
    fixture_models.save_line(base_path / "1")
    reconfigured.reload(server.config(m=base_path))
    assert reconfigured.half("m") == 3.0
    fixture_models.save_line(base_path / "2", offset=5.0)
    reconfigured.wait_for(lambda: reconfigured.half("m") == 6.0)
    reconfigured.wait_for(lambda: has_ended(reconfigured, "m", 1))
    assert states(reconfigured, "m") == {2: "AVAILABLE"}


def test_hot_swap_fails_no_call(reconfigured, base_path):
    fixture_models.save_line(base_path / "1")
    reconfigured.reload(server.config(m=base_path))
    answers, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            answers.append(reconfigured.half("m"))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        for number in (2, 3):
            fixture_models.save_line(base_path / str(number), offset=float(number))
            reconfigured.wait_for(
                lambda wanted=number + 1.0: answers and answers[-1] == wanted
            )
    finally:
        stop.set()
        for thread in asking:
            thread.join()
    assert set(answers) <= {3.0, 4.0}
    assert answers[-1] == 4.0


def test_all_versions_removed(reconfigured, base_path):
    fixture_models.save_line(base_path / "1")
    reconfigured.reload(server.config(m=base_path))
    (base_path / "1").rename(base_path / "gone")
    reconfigured.wait_for(lambda: has_ended(reconfigured, "m", 1))
    with fails(grpc.StatusCode.NOT_FOUND, "Latest(m)"):
        reconfigured.half("m")


def test_a_base_path_that_vanishes_unloads_nothing(reconfigured, base_path):
    fixture_models.save_line(base_path / "m" / "1")
    fixture_models.save_line(base_path / "other" / "1")
    reconfigured.reload(server.config(m=base_path / "m", other=base_path / "other"))
    (base_path / "m").rename(base_path / "moved")
    fixture_models.save_line(base_path / "other" / "2", offset=9.0)
    reconfigured.wait_for(lambda: reconfigured.half("other") == 10.0)  # it was looked
    assert reconfigured.half("m") == 3.0


def test_non_numbers_are_no_versions(reconfigured, base_path):
    fixture_models.save_line(base_path / "0007")
    for name in ("8.5", "nine", ".10", "0x0b", "99999999999999999999"):
        (base_path / name).mkdir()
    reconfigured.reload(server.config(m=everything(base_path)))
    assert states(reconfigured, "m") == {7: "AVAILABLE"}


def test_n_latest_versions(reconfigured, base_path):
    for number in (1, 2, 10):
        fixture_models.save_line(base_path / str(number), offset=float(number))
    reconfigured.reload(server.config(m=latest(base_path, 2)))
    reconfigured.wait_for(
        lambda: states(reconfigured, "m") == {10: "AVAILABLE", 2: "AVAILABLE"}
    )
    assert reconfigured.half("m") == 11.0
    assert reconfigured.half("m", version=2) == 3.0
    with fails(grpc.StatusCode.NOT_FOUND, "Specific(m, 1)"):
        reconfigured.half("m", version=1)


def test_specific_versions(reconfigured, base_path):
    for number in (1, 2, 3):
        fixture_models.save_line(base_path / str(number), offset=float(number))
    reconfigured.reload(server.config(m=specific(base_path, 1, 3, 77)))
    reconfigured.wait_for(
        lambda: states(reconfigured, "m") == {3: "AVAILABLE", 1: "AVAILABLE"}
    )
    with fails(grpc.StatusCode.NOT_FOUND, "Specific(m, 2)"):
        reconfigured.half("m", version=2)


def test_change_version_policy(reconfigured, base_path):
    for number in (1, 2):
        fixture_models.save_line(base_path / str(number), offset=float(number))
    reconfigured.reload(server.config(m=base_path))
    assert reconfigured.half("m") == 3.0
    reconfigured.reload(server.config(m=specific(base_path, 1)))
    reconfigured.wait_for(lambda: reconfigured.half("m") == 2.0)


def test_model_spec_multiple_versions_available(served):
    assert served.half("two_versions") == 4.0
    assert served.half("two_versions", version=123) == 3.0
    assert served.half("two_versions", version=124) == 4.0


def test_assign_label_to_available_version(reconfigured, models):
    fields = everything(models["two_versions"])
    reconfigured.reload(server.config(m=fields))
    reconfigured.wait_for(lambda: len(states(reconfigured, "m")) == 2)
    reconfigured.wait_for(
        lambda: set(states(reconfigured, "m").values()) == {"AVAILABLE"}
    )
    labels = {"stable": 123, "canary": 124}
    reconfigured.reload(server.config(m={**fields, "version_labels": labels}))
    assert reconfigured.half("m", label="stable") == 3.0
    assert reconfigured.half("m", label="canary") == 4.0
    labels = {"stable": 124}
    reconfigured.reload(server.config(m={**fields, "version_labels": labels}))
    assert reconfigured.half("m", label="stable") == 4.0
    text = "Unrecognized servable version label: canary"
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        reconfigured.half("m", label="canary")


def test_assign_label_to_unavailable_version(reconfigured, models):
    fields = {"base_path": models["half_plus_two"], "version_labels": {"stable": 2}}
    text = (
        "Request to assign label to version 2 of model half_plus_two, which is not currently available for "
        "inference"
    )
    with fails(grpc.StatusCode.FAILED_PRECONDITION, text):
        reconfigured.reload(server.config(half_plus_two=fields))


def test_a_reload_may_be_given_up(reconfigured, base_path):
    with fails(grpc.StatusCode.DEADLINE_EXCEEDED, ""):
        reconfigured.reload(server.config(m=base_path), timeout=0.5)  # empty: waits
    fixture_models.save_line(base_path / "1")
    reconfigured.wait_for(lambda: reconfigured.half("m") == 3.0)
