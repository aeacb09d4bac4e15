import json
import socket
import subprocess
import sys

import pytest

from amadeus.cli.checks import home as homes
from amadeus.cli.checks import installation, machine, studio
from amadeus.native import library as kernels
from tests.cli.terminal import COMMAND, amadeus, busy_s, environment
from tests.cli.test_deu import teach


def test_this_machine_is_fit_and_every_line_says_what_was_found(home):
    done = amadeus("doctor", "--json", home=home)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == any(c["state"] == "problem" for c in checks.values())
    assert checks["interpreter"]["text"].startswith("CPython 3.11.")
    assert checks["libsndfile"]["text"].startswith("libsndfile-1.")
    assert {
        "C library",
        "processor",
        "memory",
        "packages",
        "ffmpeg",
        "home",
        "disk",
    } <= set(checks)


def test_doctor_is_quick(home):
    assert min(busy_s(lambda: amadeus("doctor", home=home)) for _ in range(2)) < 3


def test_doctor_imports_nothing_heavy(home):
    probe = (
        "import sys; from amadeus.cli.main import main; main(['doctor'])\n"
        "sys.exit(str({'numpy', 'tensorflow', 'tfx', 'soundfile'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env=environment(home),
        capture_output=True,
        text=True,
    )
    assert done.stderr == "set()\n"


def test_a_package_that_differs_from_the_lock_is_named(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "# made by hand\nclick==0.1\nno-such-package==1.0\nrich[jupyter]==15.0.0\n"
    )
    check = installation.check_packages(lock)
    assert check.state == "problem"
    assert "click is " in check.text
    assert "and should be 0.1" in check.text
    assert "no-such-package is missing" in check.text
    assert check.mend == "make setup"


def test_an_override_is_explained_by_its_comment(tmp_path):
    path = tmp_path / "overrides.txt"
    path.write_text(
        "# About this file.\n\n# Wheels of the new\n# one are too new.\nclick==1.0\n\n"
        '# Left out.\ncrepe; python_version < "3"\n'
    )
    (check,) = installation.explain_overrides(path)
    assert check.text.endswith(": Wheels of the new one are too new")
    assert check.text.startswith("click ")


@pytest.mark.parametrize(
    ("flags", "state", "text"),
    [
        ("fpu avx avx2 fma", "ok", "AVX2 and FMA"),
        ("fpu avx", "warning", "without AVX2 and FMA"),
        ("fpu avx avx2", "warning", "without FMA"),
        ("fpu sse", "problem", "without AVX"),
    ],
)
@pytest.mark.skipif(machine.platform.machine() != "x86_64", reason="x86 features")
def test_a_processor_is_judged_by_its_features(tmp_path, flags, state, text):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nmodel name : Test CPU\nflags : {flags}\n")
    check = machine.check_cpu(cpuinfo)
    assert (check.state, check.text.endswith(text)) == (state, True)
    assert check.text.startswith("Test CPU, ")


def test_a_voice_that_lost_its_weights_is_a_problem(home):
    deu = home.create_deu("cello")
    path = teach(deu, 1)
    assert homes.check_voice(deu).state == "ok"
    (path / "variables" / "variables.index").unlink()
    check = homes.check_voice(deu)
    assert check.state == "problem"
    assert "variables/variables.index" in check.text


def test_a_damaged_description_is_a_problem(home):
    deu = home.create_deu("cello")
    (teach(deu, 1) / "assets.extra" / "personality.json").write_text("{")
    assert homes.check_voice(deu).state == "problem"


def test_a_damaged_lineage_store_is_a_problem(home):
    home.create_deu("cello")
    assert homes.check_metadata(home).state == "ok"
    home.metadata_path.write_bytes(b"this is no database" * 100)
    check = homes.check_metadata(home)
    assert (check.state, "not a database" in check.text) == ("problem", True)


def test_a_problem_is_status_1_with_the_way_to_mend_it(home):
    home.create_deu("cello")
    home.metadata_path.write_bytes(b"this is no database" * 100)
    done = subprocess.run(
        [*COMMAND, "doctor"], env=environment(home), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "✗ lineage" in done.stdout
    assert "problem: restore" in done.stdout


def test_a_home_in_a_place_without_rights_is_a_problem():
    from amadeus.home import open_home

    check = homes.check_home(open_home("/proc/amadeus"))
    assert (check.state, "AMADEUS_HOME" in check.mend) == ("problem", True)


def test_the_kernels_are_named_by_their_instructions(monkeypatch):
    kernels.load.cache_clear()
    try:
        if not kernels.is_available():
            pytest.skip("the kernels are not built on this machine")
        assert installation.check_kernels().text.split(",")[0] in kernels.LEVELS
    finally:
        kernels.load.cache_clear()


def test_missing_kernels_are_a_warning_with_a_way_out(monkeypatch):
    monkeypatch.setenv("AMADEUS_NATIVE", "0")
    kernels.load.cache_clear()
    try:
        check = installation.check_kernels()
    finally:
        kernels.load.cache_clear()
    assert check.state == "warning"
    assert "C compiler" in check.mend


def test_ports_of_a_studio_that_are_taken_are_named():
    with socket.socket() as taken, socket.socket() as freed:
        for some in (taken, freed):
            some.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {
            "--port": taken.getsockname()[1],
            "--metrics-port": freed.getsockname()[1],
        }
        freed.close()
        check = studio.check_ports("127.0.0.1", ports)
    assert check.state == "warning"
    assert check.text == f"taken already: {ports['--port']}"
    assert "--port 0" in check.mend
    assert "--metrics-port" not in check.mend
    assert studio.check_ports("127.0.0.1", ports).state == "ok"


def test_the_studio_is_looked_at_too(home):
    checks = json.loads(amadeus("doctor", "--json", home=home).stdout)
    (check,) = [check for check in checks if check["name"] == "studio"]
    assert check["state"] in ("ok", "warning")  # one may be open on this machine
