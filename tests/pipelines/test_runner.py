import pytest

from components.beam_engine import DIRECT_RUNNER
from pipelines.beam_options import beam_args

OURS = [
    f"--runner={DIRECT_RUNNER}",
    "--direct_running_mode=multi_threading",
    "--direct_num_workers=2",
]


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ([], OURS),
        (["--direct_num_workers=3"], [*OURS, "--direct_num_workers=3"]),
        (["--runner=DirectRunner", "--x=1"], [*OURS, "--x=1"]),
        (["--runner=FlinkRunner", "--x=1"], ["--runner=FlinkRunner", "--x=1"]),
        (["--runner=DirectRunner", "--runner=FlinkRunner"], ["--runner=FlinkRunner"]),
    ],
)
def test_an_amas_beam_options_win_and_nothing_is_fetched(given, used):
    assert beam_args(given) == used


def test_the_runner_named_here_exists():
    module, _, name = DIRECT_RUNNER.rpartition(".")
    assert hasattr(__import__(module, fromlist=[name]), name)
