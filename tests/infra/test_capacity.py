"""The tables of CAPACITY.md are those its script writes, and its arithmetic holds."""

import dataclasses
import re
import runpy
import subprocess
import sys

import pytest

from serving.model_server import listing
from tests.infra.manifests import INFRA, find, variables, workloads
from tests.infra.manifests import container as container_of
from tests.infra.settings import ROOT

CAPACITY = runpy.run_path(str(INFRA / "capacity.py"))
TEXT = (INFRA / "CAPACITY.md").read_text()
README = (ROOT / "README.md").read_text()
PRICES = CAPACITY["read_prices"](INFRA / "prices.toml")


def _run(*words):
    return subprocess.run(
        [sys.executable, INFRA / "capacity.py", *words], capture_output=True, text=True
    )


def test_the_tables_are_those_of_the_script():
    assert CAPACITY["text"](PRICES) in TEXT, "run python infra/capacity.py --write"


def test_the_script_writes_them_where_they_stand(tmp_path):
    file = tmp_path / "plan.md"
    file.write_text(
        "before\n<!-- capacity.py writes this: -->old<!-- up to here -->\n."
    )
    assert _run("--write", file).returncode == 0
    assert file.read_text() == f"before\n{CAPACITY['text'](PRICES)}\n."
    file.write_text("a plan without a place for tables")
    done = _run("--write", file)
    assert done.returncode == 2
    assert "write them where the tables belong" in done.stderr


def test_prices_are_the_readers(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text("core_hour=1\ngb_hour=0\nspot=1\ndisk_gb_month=0\n")
    said = _run("--prices", own).stdout
    need = CAPACITY["work_out"](100, 1_000)
    assert f"{730 * need.cores * 10:,.0f} a month" in said
    ours = _run().stdout.replace("| a month", "\n").split("\n")
    assert set(ours[:14]) <= set(said.split("\n")), "needs have no price"
    own.write_text("core_hour=1\n")
    done = _run("--prices", own)
    assert done.returncode == 2
    assert "write a number for each" in done.stderr


def test_what_was_measured_is_what_the_readme_tells():
    measured = CAPACITY["Measured"]()
    players = re.search(r"(\d+) performances of 2 voices, blocks of 20 ms", README)
    assert measured.performances_per_core == int(players.group(1)) / 2  # on 2 cores
    row = re.search(r"resident memory of the studio[^|]*\|([\d, ]+)MB", README)
    told = re.findall(r"\d{1,3}(?:,\d{3})+|\d+", row.group(1))
    held_mb = max(int(number.replace(",", "")) for number in told)
    assert measured.studio_gb == pytest.approx(held_mb / 1000, rel=0.05)


def test_practices_at_once_are_what_a_day_of_work_needs():
    measured, assumed = CAPACITY["Measured"](), CAPACITY["Assumed"]()
    need = CAPACITY["work_out"](100, 1_000)
    work_min = 1_000 * (assumed.training_min + measured.practice_overhead_min)
    assert need.practices * 24 * 60 * assumed.busy >= work_min
    assert (need.practices - 1) * 24 * 60 * assumed.busy < work_min


def test_twice_the_load_needs_twice_the_practices():
    one, two = (CAPACITY["work_out"](1, n) for n in (10_000, 20_000))
    assert abs(two.practices - 2 * one.practices) <= 1
    assert two.sessions == 2 * one.sessions


def test_what_is_dearer_costs_more():
    cheap = CAPACITY["work_out"](100, 1_000)
    for field in dataclasses.asdict(PRICES):
        dear = dataclasses.replace(PRICES, **{field: 2 * getattr(PRICES, field)})
        assert CAPACITY["month"](cheap, dear) > CAPACITY["month"](cheap, PRICES), field
    longer = dataclasses.replace(CAPACITY["Assumed"](), training_min=8)
    need = CAPACITY["work_out"](100, 1_000, assumed=longer)
    assert CAPACITY["month"](need, PRICES) > CAPACITY["month"](cheap, PRICES)


def test_the_overlay_of_gke_is_the_size_of_a_cell():
    need = CAPACITY["work_out"](100, 1_000)
    assert len(workloads("gke")) == 4
    assert find("gke", "Deployment", "practice")["spec"]["replicas"] >= need.practices
    for name, least in (("studio", need.studios), ("tf-serving", need.servers)):
        scaler = find("gke", "HorizontalPodAutoscaler", name)
        assert scaler["spec"]["minReplicas"] >= least
    serving = container_of("gke", "tf-serving")["resources"]["requests"]
    assert serving["memory"] == "5Gi"
    assert need.server_gb < 5
    measured = CAPACITY["Measured"]()
    assert measured.voices_served == listing.N_NEWEST
    for name, held_gb in (
        ("studio", measured.studio_gb),
        ("practice", measured.practice_gb),
    ):
        asked = container_of("gke", name)["resources"]["requests"]["memory"]
        number, unit = re.fullmatch(r"(\d+)([MG])i", asked).groups()
        assert int(number) * {"M": 2**20, "G": 2**30}[unit] / 1e9 >= held_gb
    environment = variables("gke", container_of("gke", "studio"))
    kept_h = float(environment["AMADEUS_STUDIO_KEEP_HOURS"])
    assert kept_h == 24 * CAPACITY["Assumed"]().keep_days
    assert int(environment["AMADEUS_STUDIO_PRACTICES_AT_ONCE"]) >= need.practices
