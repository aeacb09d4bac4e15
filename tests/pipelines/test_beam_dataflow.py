"""Our Beam steps for Dataflow, compiled to the request that would be sent, and staged into a bucket."""

import json
import secrets
import tarfile
from pathlib import Path

import apache_beam as beam
import pytest

from amadeus.personality import profiles
from amadeus.stores import open_store
from components.audio_example_gen import ingest, takes
from components.ddsp_transform import transform
from pipelines.beam_places import find_workers
from tests.stores import emulators
from tests.stores.conftest import (  # noqa: F401
    amazon_environment,
    google_environment,
    nobody,
    reach,
)

REPOSITORY = Path(__file__).parents[2]
IMAGE = "registry.example/amadeus-practice:1"

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture
def bucket(reach, monkeypatch):  # noqa: F811
    # Beam would look for credentials for half a minute, though the emulator asks for none.
    monkeypatch.setattr(
        "apache_beam.internal.gcp.auth._Credentials._credentials_init", True
    )
    environment = reach("gs")
    name = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket("gs", environment, name)
    return f"gs://{name}"


def compile_job(bucket, build, *options):
    """Lets Beam write the job that it would send, and hands out the request and what was staged."""
    given = [
        "--runner=DataflowRunner",
        "--project=amadeus",
        "--region=europe-west4",
        "--job_name=cello",
        f"--temp_location={bucket}/temp",
        f"--staging_location={bucket}/staging",
        f"--template_location={bucket}/templates/job",
        "--no_auth",
        *options,
    ]
    urls = [f"{bucket}/cello/take.flac"]
    root = {"AMADEUS_PIPELINE_ROOT": f"{bucket}/runs"}
    workers = find_workers(given, urls, root)
    assert workers.is_remote
    pipeline = beam.Pipeline(argv=workers.args)
    build(pipeline, urls, f"{bucket}/runs")
    pipeline.run()
    store = open_store(bucket)
    (key,) = [e.key for e in store.list() if e.key.startswith("templates/job")]
    job = json.loads(store.read(key, max_bytes=10_000_000))
    staged = {Path(e.key).name: e.key for e in store.list() if "staging" in e.key}
    return job, staged


def decode(pipeline, urls, root):
    found = [takes.Take(url, Path(url).name, "a" * 64) for url in urls]
    profile = profiles.complete_learner_profile()
    ingest.run(
        takes.Gathered(found, [], []),
        {split: f"{root}/Split-{split}" for split in ("train", "eval")},
        f"{root}/takes.json",
        settings=ingest.settings_of(profile),
        pipeline=pipeline,
    )


def add_features(pipeline, urls, root):
    file = transform.RecordFile(f"{root}/a.gz", f"{root}/b.gz", "train")
    profile = profiles.complete_learner_profile()
    transform.run([file], root, profile=profile, pipeline=pipeline)


@pytest.mark.parametrize("build", [decode, add_features])
def test_workers_run_our_image_on_the_machines_that_were_asked_for(bucket, build):
    job, _ = compile_job(
        bucket,
        build,
        f"--sdk_container_image={IMAGE}",
        "--machine_type=n2-highcpu-8",
        "--num_workers=3",
        "--max_num_workers=9",
        "--autoscaling_algorithm=THROUGHPUT_BASED",
        "--number_of_worker_harness_threads=2",
    )
    assert job["name"] == "cello"
    (pool,) = job["environment"]["workerPools"]
    assert pool["machineType"] == "n2-highcpu-8"
    assert int(pool["numWorkers"]) == 3
    assert int(pool["autoscalingSettings"]["maxNumWorkers"]) == 9
    assert int(pool["numThreadsPerWorker"]) == 2
    images = [one["containerImage"] for one in pool["sdkHarnessContainerImages"]]
    assert IMAGE in images
    options = job["environment"]["sdkPipelineOptions"]["options"]
    assert options["records_root"] == f"{bucket}/runs"
    assert options["temp_location"].startswith(f"{bucket}/temp")
    assert options["region"] == "europe-west4"


def test_sources_are_packed_with_all_that_they_are_built_from_and_staged(
    bucket, tmp_path
):
    job, staged = compile_job(
        bucket, add_features, f"--setup_file={REPOSITORY / 'setup.py'}"
    )
    assert "workflow.tar.gz" in staged
    packages = [
        package["name"]
        for pool in job["environment"]["workerPools"]
        for package in pool.get("packages", [])
    ]
    assert "workflow.tar.gz" in packages
    archive = tmp_path / "workflow.tar.gz"
    open_store(bucket).download(
        staged["workflow.tar.gz"], archive, max_bytes=100_000_000
    )
    with tarfile.open(archive) as sources:
        names = {name.partition("/")[2] for name in sources.getnames()}
    for room in ("amadeus", "components", "pipelines"):
        ours = {
            path.relative_to(REPOSITORY).as_posix()
            for path in (REPOSITORY / room).rglob("*.py")
        }
        assert ours <= names
    for folder, suffixes in (("proto", ".proto"), ("amadeus/native", ".c .h")):
        ours = {
            path.relative_to(REPOSITORY).as_posix()
            for path in (REPOSITORY / folder).rglob("*")
            if path.suffix in suffixes.split()
        }
        assert ours
        assert ours <= names
