"""Leases, swaps, retries and labels of the model server, with stand-ins for models."""

import threading
import time

import pytest
from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.config import Model
from serving.model_server.core import ModelServer
from serving.model_server.options import ServingOptions
from serving.model_server.policy import All, Specific
from serving.model_server.states import State
from serving.model_server.status import Code, NotFoundError, ServingError
from tests.serving.model_server.stand_ins import Loader

FAST = {"poll_wait_s": 0.01, "max_load_retries": 0, "load_retry_interval_s": 0.01}


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def start(tmp_path, loader):
    """Starts servers of the model `m` in tmp_path; they are closed at the end."""
    servers = []

    def start(*versions, policy=None, discover=None, labels=(), **options):
        appear(tmp_path, *versions)
        model = Model("m", tmp_path, *([policy] if policy else []), labels=dict(labels))
        server = ModelServer(
            [] if discover else [model],
            discover=discover,
            options=ServingOptions(**{**FAST, **options}),
            load=loader,
        )
        servers.append(server)
        server.start()
        assert server.wait_until_settled(10)
        return server

    yield start
    loader.gate.set()
    for server in servers:
        server.close()


def appear(folder, *versions):
    for version in versions:
        (folder / str(version)).mkdir(parents=True)


def wait_for(condition):
    end_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.002)


def states(server):
    return {number: status.state for number, status in server.statuses("m").items()}


def version_of(lease):
    return lease.model.call("step", {})["version"]


def test_the_highest_version_is_served(start):
    server = start(1, 2, 10)
    assert server.available() == {"m": [10]}
    with server.acquire("m") as lease:
        assert (lease.name, lease.version, version_of(lease)) == ("m", 10, "10")
    with pytest.raises(NotFoundError, match=r"Specific\(m, 2\)"):
        server.acquire("m", 2)
    with pytest.raises(NotFoundError, match=r"Latest\(nobody\)"):
        server.acquire("nobody")


def test_a_new_version_is_loaded_before_the_old_one_goes(start, tmp_path, loader):
    server = start(1)
    loader.gate.clear()
    appear(tmp_path, 2)
    wait_for(lambda: states(server).get(2) == State.LOADING)
    assert server.acquire("m").version == 1
    loader.gate.set()
    wait_for(lambda: server.available() == {"m": [2]})


def test_a_lease_keeps_its_model_through_swaps(start, tmp_path, loader):
    server = start(1)
    lease = server.lease("m")
    appear(tmp_path, 2)
    wait_for(lambda: server.available() == {"m": [2]})
    assert states(server)[1] == State.UNLOADING
    assert version_of(lease) == "1"
    assert version_of(server.lease("m")) == "2"
    lease.release()
    wait_for(lambda: states(server)[1] == State.END)
    wait_for(lambda: loader.alive() == ["2"])
    lease.release()  # once more does no harm


def test_a_lease_outlives_the_server(start, loader):
    server = start(1)
    lease = server.lease("m")
    server.close()
    assert version_of(lease) == "1"
    lease.release()
    assert loader.alive() == []


def test_a_version_that_is_not_served_is_loaded_for_a_lease(start, loader):
    server = start(1, 2, 3)
    with server.lease("m", 1) as lease:
        assert version_of(lease) == "1"
        assert server.available() == {"m": [3]}
        assert 1 not in states(server)
    with server.lease("m", 1):
        assert [one.path.name for one in loader.loaded].count("1") == 1  # it had stayed
    with pytest.raises(NotFoundError, match=r"Specific\(m, 77\)"):
        server.lease("m", 77)


def test_only_a_few_stay_that_nobody_holds(start, loader):
    server = start(1, 2, 3, 4, 5, max_idle_models=2)
    for version in (1, 2, 3, 1, 4):
        server.lease("m", version).release()
    wait_for(lambda: loader.alive() == ["1", "4", "5"])


def test_many_leases_load_a_version_once(start, loader):
    server = start(1, 2)
    loader.gate.clear()
    leases = []
    asking = [
        threading.Thread(target=lambda: leases.append(server.lease("m", 1)))
        for _ in range(8)
    ]
    for thread in asking:
        thread.start()
    loader.gate.set()
    for thread in asking:
        thread.join()
    assert [version_of(lease) for lease in leases] == ["1"] * 8
    assert loader.alive() == ["1", "2"]
    for lease in leases:
        lease.release()


def test_models_may_be_loaded_by_leases_alone(start, loader):
    server = start(1, 2, policy=Specific())
    assert loader.alive() == []
    with server.lease("m") as lease:
        assert version_of(lease) == "2"


def test_a_lease_of_a_broken_version_tells_why(start, loader):
    loader.broken = {"1"}
    server = start(1, 2)
    for _ in range(2):
        with pytest.raises(ServingError, match="1 is broken"):
            server.lease("m", 1)
    assert server.n_loaded() == 1


def test_a_folder_made_anew_is_another_model(start, tmp_path, loader):
    server = start(1)
    appear(tmp_path / "elsewhere", 1)
    (tmp_path / "1").rename(
        tmp_path / "old"
    )  # kept, so that its inode is not given again
    (tmp_path / "elsewhere" / "1").rename(tmp_path / "1")
    wait_for(lambda: len(loader.loaded) == 2 and len(loader.alive()) == 1)
    wait_for(lambda: server.available() == {"m": [1]})


def test_a_failed_load_is_tried_again(start, tmp_path, loader):
    loader.broken = {"1"}
    appear(tmp_path, 1)
    options = ServingOptions(poll_wait_s=0.01, load_retry_interval_s=0.02)
    server = ModelServer([Model("m", tmp_path)], options=options, load=loader)
    server.start()
    wait_for(lambda: states(server).get(1) == State.LOADING)
    loader.broken = set()
    wait_for(lambda: states(server)[1] == State.AVAILABLE)
    server.close()


def test_a_load_given_up_tells_why_and_spares_the_others(start, tmp_path, loader):
    server = start(1)
    loader.broken = {"2"}
    appear(tmp_path, 2)
    wait_for(lambda: states(server).get(2) == State.END)
    error = server.statuses("m")[2].error
    assert (error.code, error.text) == (Code.DATA_LOSS, "2 is broken")
    assert server.available() == {"m": [1]}
    appear(tmp_path, 3)
    wait_for(lambda: server.available() == {"m": [3]})


def test_what_is_removed_is_unloaded(start, tmp_path, loader):
    server = start(1)
    (tmp_path / "1").rmdir()
    wait_for(lambda: states(server)[1] == State.END)
    assert loader.alive() == []


def test_last_version_is_not_removed_if_one_must_always_be_there(start, tmp_path):
    server = start(1, always_present=True)
    (tmp_path / "1").rmdir()
    time.sleep(0.1)  # ten looks at the folder
    assert server.available() == {"m": [1]}


def test_poll_once(start, tmp_path):
    server = start(1, poll_wait_s=0)
    appear(tmp_path, 2)
    time.sleep(0.1)
    assert server.available() == {"m": [1]}
    server.poll_now()
    wait_for(lambda: server.available() == {"m": [2]})


def test_poll_never(start):
    server = start(1, poll_wait_s=-1)
    time.sleep(0.05)
    assert server.available() == {"m": []}
    with server.lease("m") as lease:
        assert lease.version == 1


def test_models_are_discovered(start, tmp_path):
    found = []
    server = start(discover=lambda: found)
    appear(tmp_path / "cello", 1)
    found.append(Model("cello", tmp_path / "cello"))
    with server.lease("cello") as lease:  # at once
        assert lease.version == 1
    wait_for(lambda: server.available() == {"cello": [1]})
    found.clear()
    wait_for(lambda: server.available() == {})


def test_labels_name_versions(start):
    server = start(1, 2, policy=All(), labels={"stable": 1})
    assert server.acquire("m", label="stable").version == 1
    with pytest.raises(ServingError, match="version label: best"):
        server.acquire("m", label="best")


def reload_config(base_path, **fields):
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(
        name="m", base_path=str(base_path), model_platform="tensorflow", **fields
    )
    return config


def test_a_new_label_may_name_what_is_to_come_if_that_is_allowed(start, tmp_path):
    server = start(1, labels_for_unavailable=True)
    server.reload(reload_config(tmp_path, version_labels={"next": 2}))
    with pytest.raises(NotFoundError, match=r"Specific\(m, 2\)"):
        server.acquire("m", label="next")
    with pytest.raises(ServingError, match="Request to assign label to version 3"):
        server.reload(reload_config(tmp_path, version_labels={"next": 3}))


def test_only_lists_follow_lists(start):
    server = start(1)
    config = model_server_config_pb2.ModelServerConfig()
    server.reload(config)  # nothing changes nothing
    config.custom_model_config.SetInParent()
    with pytest.raises(ServingError, match="Cannot transition to requested config"):
        server.reload(config)
    assert server.available() == {"m": [1]}


def test_a_reload_stays_below_the_allowed_roots(start, tmp_path):
    server = start(1, allowed_roots=(tmp_path,))
    with pytest.raises(ServingError, match="outside the folders") as caught:
        server.reload(reload_config(tmp_path.parent))
    assert caught.value.code is Code.PERMISSION_DENIED


def test_swaps_under_load_fail_nothing(start, tmp_path, loader):
    server = start(1)
    seen, stop = [], threading.Event()

    def play():
        while not stop.is_set():
            with server.acquire("m") as lease:
                seen.append(version_of(lease))

    players = [threading.Thread(target=play) for _ in range(4)]
    for player in players:
        player.start()
    for version in range(2, 12):
        appear(tmp_path, version)
        wait_for(lambda wanted=version: server.available() == {"m": [wanted]})
    stop.set()
    for player in players:
        player.join()
    assert seen[-1] == "11"
    wait_for(lambda: loader.alive() == ["11"])
