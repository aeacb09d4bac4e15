"""AudioExampleGen and DdspTransform through a portable job service, on workers in processes of their own."""

import json
import os
import secrets
from pathlib import Path

import pytest

from amadeus.stores import open_store
from components import records
from tests.pipelines import portable
from tests.pipelines.conftest import Studio
from tests.stores import emulators
from tests.stores.conftest import (  # noqa: F401
    amazon_environment,
    google_environment,
    nobody,
    reach,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def here(tmp_path_factory, all_takes, tiny_profile):
    """A practice on this machine's own engine, to compare with."""
    studio = Studio(tmp_path_factory.mktemp("here"))
    outcome = studio.practise("1", all_takes, tiny_profile)
    assert outcome.status == 0
    return outcome


def contents(uri):
    """The records below a folder, on a disk or in a bucket, byte for byte."""
    found = {}
    for split in ("train", "eval"):
        for path in records.list_files(f"{uri}/Split-{split}"):
            with records.nearby(path) as near:
                found[split, os.path.basename(path)] = Path(near).read_bytes()
    return found


def test_a_job_service_on_this_machine_reads_and_writes_its_disk(
    tmp_path, here, all_takes, tiny_profile
):
    studio = Studio(tmp_path / "there")
    with portable.service(dict(os.environ)) as options:
        there = studio.run(
            studio.request("1", all_takes, tiny_profile, beam_arg=options)
        )
        assert there.status == 0
        assert there.result["digest"] == here.result["digest"]
        assert there.result["metrics"] == here.result["metrics"]
        ours, theirs = (contents(one.result["examples_uri"]) for one in (here, there))
        assert ours
        assert theirs == ours

        bad = tmp_path / "bad.wav"
        bad.write_text("do re mi")
        takes = [*all_takes, bad]
        worse = studio.run(studio.request("2", takes, tiny_profile, beam_arg=options))
        assert worse.status == 2
        (failed,) = worse.all("failed")
        assert "bad.wav" in failed.text
        assert "\n" not in failed.text


def test_recordings_and_records_in_a_bucket_make_the_same_voice(
    tmp_path,
    here,
    all_takes,
    tiny_profile,
    reach,  # noqa: F811
):
    environment = reach("s3")
    bucket = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket("s3", environment, bucket)
    store = open_store(f"s3://{bucket}/cello")
    for take in all_takes:
        store.write(take.name, take.read_bytes())
    urls = [f"s3://{bucket}/cello/{take.name}" for take in all_takes]
    studio = Studio(tmp_path / "there")
    with portable.service(environment) as options:
        given = [*options, f"--records_root=s3://{bucket}/runs"]
        there = studio.run(studio.request("1", urls, tiny_profile, beam_arg=given))
    assert there.status == 0
    assert there.result["digest"] == here.result["digest"]
    assert there.result["metrics"] == here.result["metrics"]
    runs = open_store(f"s3://{bucket}/runs")
    keys = [entry.key for entry in runs.list()]
    (folder,) = {
        key.split("/Split-")[0]
        for key in keys
        if "ddsp_transform/" in key and "Split" in key
    }
    assert contents(f"s3://{bucket}/runs/{folder}") == contents(
        here.result["examples_uri"]
    )
    local = Path(there.result["examples_uri"])
    assert not list(local.rglob("*.gz")), "they are in the bucket, and there only"
    ours, theirs = (
        json.loads(Path(one.result["statistics_uri"], "statistics.json").read_text())
        for one in (here, there)
    )
    assert ours == theirs  # maps of a proto have no order


def test_a_practice_that_fails_leaves_no_records_in_the_bucket(
    tmp_path,
    all_takes,
    tiny_profile,
    reach,  # noqa: F811
):
    environment = reach("s3")
    bucket = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket("s3", environment, bucket)
    bad = tmp_path / "bad.wav"
    bad.write_text("do re mi")
    studio = Studio(tmp_path / "home")
    given = [f"--records_root=s3://{bucket}/runs"]
    takes = [*all_takes, bad]
    failed = studio.run(studio.request("1", takes, tiny_profile, beam_arg=given))
    assert failed.status == 2
    assert not list(open_store(f"s3://{bucket}/runs").list())
