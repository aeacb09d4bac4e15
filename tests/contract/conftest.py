"""One server and one set of models for the whole suite."""

from pathlib import Path

import pytest

from tests.contract import fixture_models, server


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Base paths of the suite's models, by name, in a folder that the server can read."""
    if server.MODELS:
        folder = Path(tmp_path_factory.mktemp("contract").name)
        folder = Path(server.MODELS) / folder
        folder.mkdir(parents=True, exist_ok=True)
    else:
        folder = tmp_path_factory.mktemp("models")
    return fixture_models.save_all(folder)


@pytest.fixture(scope="session")
def standard(models):
    """The configuration that all tests find and leave behind."""
    served = {**models, "two_versions": _all_versions(models["two_versions"])}
    return server.config(**served)


@pytest.fixture(scope="session")
def served(models, standard, tmp_path_factory):
    """The server, with all models of the suite."""
    if server.GRPC:
        named = server.Server(server.GRPC, server.REST)
        named.reload(standard)
        yield named
        return
    folder = tmp_path_factory.mktemp("server")
    config_file = folder / "models.config"
    config_file.write_text(str(standard))
    with (folder / "log.txt").open("w") as log:
        process, *addresses = server.start_process(
            f"--model_config_file={config_file}",
            "--file_system_poll_wait_seconds=0.1",
            "--max_num_load_retries=0",
            log=log,
        )
        try:
            yield server.Server(*addresses)
        finally:
            process.terminate()
            assert process.wait(30) == 0
            process.stdout.close()


@pytest.fixture
def reconfigured(served, standard):
    """The server, for tests that change its configuration; it is set back."""
    yield served
    served.reload(standard)


def _all_versions(base_path):
    return {"base_path": base_path, "model_version_policy": {"all": {}}}
