"""The tables of CAPACITY.md are those its script writes, and its arithmetic holds."""

import dataclasses
import runpy

from serving.model_server import listing
from tests.infra.manifests import INFRA, find, variables, workloads
from tests.infra.manifests import container as container_of

CAPACITY = runpy.run_path(str(INFRA / "capacity.py"))
TEXT = (INFRA / "CAPACITY.md").read_text()


def test_the_tables_are_those_of_the_script():
    assert CAPACITY["table"]() in TEXT
    assert CAPACITY["cells"]() in TEXT


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
    for field in ("core_hour", "gb_hour", "disk_gb_month", "training_min"):
        assumed = CAPACITY["Assumed"]()
        dear = dataclasses.replace(assumed, **{field: 2 * getattr(assumed, field)})
        need = CAPACITY["work_out"](100, 1_000, assumed=dear)
        assert need.month > cheap.month, field


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
    assert CAPACITY["Measured"]().voices_served == listing.N_NEWEST
    environment = variables("gke", container_of("gke", "studio"))
    kept_h = float(environment["AMADEUS_STUDIO_KEEP_HOURS"])
    assert kept_h == 24 * CAPACITY["Assumed"]().keep_days
    assert int(environment["AMADEUS_STUDIO_PRACTICES_AT_ONCE"]) >= need.practices
