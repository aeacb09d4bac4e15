"""Options for Beam that cannot work are refused in a sentence, before anything begins."""

import socket

import pytest

from amadeus.errors import ConfigError
from components.beam_engine import DIRECT_RUNNER
from pipelines import beam_options, beam_places
from pipelines.beam_places import find_workers, is_elsewhere

HERE = ["take.wav"]
DATAFLOW = [
    "--runner=DataflowRunner",
    "--project=p",
    "--region=europe-west4",
    "--temp_location=gs://b/temp",
    "--sdk_container_image=amadeus-practice",
]
ROOT = {"AMADEUS_PIPELINE_ROOT": "gs://bucket/runs"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--direct_num_worker=2"], "did you mean --direct_num_workers"),
        (["--nonsense"], "--nonsense is no option of Beam"),
        (["2"], "2 is no option of Beam"),
        (["--direct_num_workers=two"], "invalid int value: 'two'"),
        (["--direct_num_workers=-1"], "say 1 or more"),
        (["--direct_running_mode=fast"], "invalid choice: 'fast'"),
        (
            ["--direct_running_mode=in_memory", "--direct_num_workers=2"],
            "does nothing with --direct_running_mode=in_memory",
        ),
        (
            ["--direct_running_mode", "in_memory", "--direct_num_workers", "2"],
            "does nothing with --direct_running_mode=in_memory",
        ),
        (["--records_root=runs"], "--records_root=runs is no bucket"),
        (["--records_root="], "named by nothing"),
        (
            [
                "--runner=PortableRunner",
                "--job_endpoint=embed",
                "--environment_type=KUBERNETES",
            ],
            "choose DOCKER, PROCESS, EXTERNAL or LOOPBACK",
        ),
        (["--runner=DaskRunner"], "choose DirectRunner, PortableRunner"),
        (["--runner=PortableRunner"], "needs a job service"),
        (["--runner=FlinkRunner"], "needs a job service"),
        (["--runner=DataflowRunner"], "needs --project and --region"),
        (DATAFLOW[:-1], "name an image"),
        ([*DATAFLOW, "--direct_num_workers=2"], "is another: leave one out"),
    ],
)
def test_what_cannot_work_is_one_sentence(given, said):
    with pytest.raises(ConfigError) as caught:
        find_workers(given, ["gs://bucket/take.wav"], ROOT)
    text = str(caught.value)
    assert said in text
    assert "\n" not in text
    assert text.endswith((".", "?"))


@pytest.mark.parametrize(
    "read",
    [beam_options.runner_of, is_elsewhere, beam_places.check_contained],
)
@pytest.mark.parametrize(
    "given",
    [
        ["--s3_secret_access_key=hush"],
        ["--s3_session_token", "hush"],
        ["--azure_connection_string=hush"],
    ],
)
def test_a_secret_is_refused_and_not_repeated(read, given):
    with pytest.raises(ConfigError, match="is a secret") as caught:
        read(given)
    assert "hush" not in str(caught.value)


def test_no_secret_of_beam_is_forgotten():
    words = ("secret", "token", "password", "connection_string", "access_key")
    known = beam_options._parser()._option_string_actions
    telling = {name for name in known if any(word in name for word in words)}
    assert telling == set(beam_options._SECRETS)


def test_beams_own_engine_takes_its_options_and_local_files():
    given = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    workers = find_workers(given, HERE, ROOT)
    assert not workers.is_remote
    assert workers.args[0] == f"--runner={DIRECT_RUNNER}"
    assert workers.args[-2:] == given
    known = beam_options.parse(workers.args)
    assert (known.direct_running_mode, known.direct_num_workers) == (
        "multi_processing",
        2,
    )
    for given in (
        ["--direct_running_mode=in_memory"],
        ["--direct_running_mode", "in_memory"],
    ):
        alone = find_workers(given, HERE, {}).args
        assert beam_options.parse(alone).direct_num_workers == 1


def test_remote_workers_need_recordings_and_a_root_that_they_reach():
    with pytest.raises(ConfigError, match="AMADEUS_PIPELINE_ROOT=gs://"):
        find_workers(DATAFLOW, ["gs://bucket/take.wav"], {})
    with pytest.raises(ConfigError, match="lies on this machine"):
        find_workers(
            DATAFLOW, ["gs://bucket/take.wav"], {"AMADEUS_PIPELINE_ROOT": "/home"}
        )
    with pytest.raises(ConfigError, match=r"take\.wav lies on this machine"):
        find_workers(DATAFLOW, HERE, ROOT)
    with pytest.raises(ConfigError, match=r"nsynth:.* lies on this machine"):
        find_workers(DATAFLOW, ["nsynth:notes.tfrecord#family=flute"], ROOT)
    workers = find_workers(DATAFLOW, ["gs://bucket/take.wav"], ROOT)
    assert workers.is_remote
    assert workers.args[-1] == "--records_root=gs://bucket/runs"
    own = [*DATAFLOW, "--records_root=s3://other/runs"]
    assert find_workers(own, ["gs://bucket/take.wav"], ROOT).args[-1] == own[-1]


@pytest.mark.parametrize(
    ("given", "elsewhere"),
    [
        ([], False),
        (DATAFLOW, True),
        (["--runner=PortableRunner", "--job_endpoint=localhost:1"], True),  # DOCKER
        (
            [
                "--runner=PortableRunner",
                "--job_endpoint=localhost:1",
                "--environment_type=LOOPBACK",
            ],
            False,
        ),
        (
            [
                "--runner=PortableRunner",
                "--job_endpoint=localhost:1",
                "--environment_type=EXTERNAL",
                "--environment_config=localhost:2",
            ],
            False,
        ),
        (
            [
                "--runner=FlinkRunner",
                "--job_endpoint=flink:8099",
                "--environment_type=LOOPBACK",
            ],
            True,
        ),
    ],
)
def test_who_shares_the_disk_is_told_by_where_they_are(given, elsewhere):
    assert is_elsewhere(given) == elsewhere


def test_a_job_service_that_is_not_there_is_missed_in_bounded_time(monkeypatch):
    monkeypatch.setattr(beam_places, "PATIENCE_S", 0.5)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else takes it
        address = f"localhost:{closed.getsockname()[1]}"
        given = ["--runner=PortableRunner", f"--job_endpoint={address}"]
        with pytest.raises(
            ConfigError, match=f"no job service of Beam answers at {address}"
        ):
            find_workers(given, HERE, {})


def test_kubeflow_runs_no_other_engine():
    beam_places.check_contained(["--direct_num_workers=1"])
    with pytest.raises(ConfigError, match=r"--runner=FlinkRunner .* kubeflow"):
        beam_places.check_contained(["--runner=FlinkRunner"])
    with pytest.raises(ConfigError, match="is no option of Beam"):
        beam_places.check_contained(["--x=1"])
