"""Tries an image from inside, with what the image holds: smoke.sh runs it as the cluster runs the image.

    python smoke.py studio|practice FOLDER    # FOLDER: `tests` and `examples` of the checkout

Each line it writes is one thing that was tried, with the seconds it took and what was measured.
"""

import contextlib
import errno
import importlib
import os
import pkgutil
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOMS = {
    "studio": ("amadeus", "serving"),
    "practice": ("amadeus", "serving", "components", "pipelines"),
}
# What a room does without where the image has no such room or package; it says so when it is asked for.
ELSEWHERE = {
    "studio": ("tfx", "components", "pipelines", "kfp", "kfp_server_api", "yaml"),
    "practice": (),
}
TOOLS = ("gcc", "g++", "cc", "make", "git", "curl", "wget")
LEFT_OVER = (
    *(
        "/source",
        "/wheels",
        "/opt/build",
        *(str(Path("/", "root", name)) for name in (".cache", ".config/pip")),
    ),
    "/opt/amadeus/lib/python3.11/site-packages/pip",
    "/opt/amadeus/lib/python3.11/site-packages/tensorflow/include",
)
TRIED_S = 1800  # any one thing, on whatever machine
STARTED_S = 600
ENDED_S = 120


class SmokeError(Exception):
    """An image does not do what it must."""


def main(argv: list[str]) -> int:
    """Tries everything in turn and returns the exit status."""
    name, folder = argv[0], Path(argv[1])
    tries: list[tuple[str, Callable[[], str]]] = [
        ("it runs as nobody in particular", is_restricted),
        ("no compiler, cache or source is left over", is_swept),
        ("no package says where it was fetched from", is_without_addresses),
        ("every module can be imported", lambda: import_all(name)),
        ("the kernels in C are there", has_kernels),
        ("amadeus --help", lambda: run("amadeus", "--help").splitlines()[0]),
    ]
    if name == "practice":
        tries += [
            ("the entrypoint of pipelines answers", entrypoint_answers),
            ("fonts are listed in so many seconds", list_fonts),
            ("Beam sends work to a pool of workers", work_for_beam),
            ("a practice on one machine", lambda: practise(folder)),
            ("the same by Kubeflow's contract", lambda: practise_by_contract(folder)),
        ]
    else:
        tries.append(("a voice for the studio", lambda: bring_voice(folder)))
    tries.append(("the studio plays a note and stops", lambda: play(folder)))
    failed = 0
    signal.signal(signal.SIGALRM, _give_up)
    for what, attempt in tries:
        began_s = time.monotonic()
        signal.alarm(TRIED_S)
        try:
            word, told = "ok", attempt()
        except SmokeError as error:
            word, told, failed = "FAILED", str(error), failed + 1
        _say(f"{word:6} {time.monotonic() - began_s:6.1f} s  {what}: {told}")
    signal.alarm(0)
    return int(failed > 0)


def is_restricted() -> str:
    """Neither root nor rights, and nothing can be written but home and scratch."""
    status = Path("/proc/self/status").read_text()
    told = dict(re.findall(r"^(\w+):\s+(\S+)$", status, re.MULTILINE))
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        _check(int(told[kind], 16) == 0, f"{kind} is {told[kind]}, not 0")
    _check(told["NoNewPrivs"] == "1", "new privileges can be had")
    _check(os.getuid() == os.getgid() == 10001, f"it is user {os.getuid()}")
    for place in ("/", "/opt/amadeus", "/etc"):
        try:
            tempfile.TemporaryFile(dir=place).close()
        except OSError as error:
            _check(error.errno == errno.EROFS, f"{place}: {error}")
        else:
            raise SmokeError(f"{place} can be written")
    for place in ("/tmp", os.environ["AMADEUS_HOME"]):
        tempfile.TemporaryFile(dir=place).close()
    return f"user {os.getuid()}, no capabilities, read-only"


def is_swept() -> str:
    """Nothing is there that only building needs."""
    tools = [tool for tool in TOOLS if shutil.which(tool)]
    _check(not tools, f"{tools} can be called")
    places = [place for place in LEFT_OVER if _is_there(place)]
    _check(not places, f"{places} are there")
    for folder in ("/var/lib/apt/lists", "/var/cache/apt/archives"):
        files = [p.name for p in Path(folder).glob("*") if p.is_file()]
        _check(set(files) <= {"lock"}, f"{folder} holds {files[:3]}")
    return f"{len(list(_packages()))} packages"


def is_without_addresses() -> str:
    """No package of ours remembers an index, and pip is told of none."""
    for path in _packages():
        origin = path / "direct_url.json"
        if origin.exists():
            text = origin.read_text()
            _check('"file:///wheels/' in text, f"{origin} says {text}")
    for place in map(Path, ("/etc/pip.conf", "/opt/amadeus/pip.conf")):
        _check(not (place.is_file() and place.read_text()), f"{place} is there")
    named = [n for n in os.environ if n.startswith(("PIP_", "UV_"))]
    _check(not named, f"the environment holds {named}")
    return "none"


def import_all(name: str) -> str:
    """Imports every module of the image's rooms."""
    count, without = 0, []
    for room in ROOMS[name]:
        package = importlib.import_module(room)
        for found in pkgutil.walk_packages(package.__path__, f"{room}."):
            if re.search(r"\.(__main__|_kernels_\w+)$", found.name):
                continue  # what runs when it is imported, and what is no module
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                top = str(error.name).partition(".")[0]
                _check(top in ELSEWHERE[name], f"{found.name}: {error}")
                without.append(found.name)
            count += 1
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    said = f", {len(without)} of which are for the other image" if without else ""
    return f"{count} modules{said}, {peak_mb:.0f} MB"


def has_kernels() -> str:
    """The kernels were built, for every level of vector instructions, and are used."""
    from amadeus.native import library

    built = sorted(Path(library.__file__).parent.glob("*.so"))
    _check(len(built) >= 3, f"there are {[p.name for p in built]}")
    _check(library.is_available(), "none of them can be loaded here")
    return f"{len(built)} levels"


def entrypoint_answers() -> str:
    """Kubeflow's containers can be begun."""
    said = run(sys.executable, "-m", "pipelines.kubeflow.entrypoint", "--help")
    _check("--executor-input" in said or "--executor_input" in said, said)
    return said.split("\n")[0]


def list_fonts() -> str:
    """What a first import of matplotlib costs a container whose scratch is empty, and a second."""
    words = [sys.executable, "-c", "from matplotlib import image"]
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            began_s = time.monotonic()
            run(*words, MPLCONFIGDIR=folder)
            seconds.append(time.monotonic() - began_s)
    return f"first {seconds[0]:.1f} s, then {seconds[1]:.1f} s"


def work_for_beam() -> str:
    """Starts workers as those of another machine would be, and has them do something."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("-m", "apache_beam.runners.worker.worker_pool_main")
    pool = subprocess.Popen([sys.executable, *words, f"--service_port={port}"])
    written = Path(tempfile.mkdtemp()) / "notes"
    try:
        began_s = time.monotonic()
        while not _answers(port):
            _check(time.monotonic() - began_s < STARTED_S, "the pool does not answer")
            time.sleep(0.2)
        options = PipelineOptions(
            [
                *("--runner=PortableRunner", "--job_endpoint=embed"),
                *(
                    "--environment_type=EXTERNAL",
                    f"--environment_config=127.0.0.1:{port}",
                ),
            ]
        )
        with beam.Pipeline(options=options) as pipeline:
            notes = pipeline | beam.Create(["A4", "E5"]) | beam.Reshuffle()
            notes | beam.Map(str.lower) | beam.io.WriteToText(str(written))
    finally:
        pool.terminate()
        pool.wait()
    text = "".join(path.read_text() for path in written.parent.iterdir())
    _check(sorted(text.split()) == ["a4", "e5"], f"they wrote {text!r}")
    return "done"


def practise(folder: Path) -> str:
    """Teaches a small voice in a few steps and plays with it."""
    run("amadeus", "deu", "create", "cello")
    run("amadeus", "practice", "imitate", "cello", str(_takes(folder)), *_TINY)
    sound = Path(tempfile.mkdtemp()) / "ode.wav"
    tune = folder / "examples" / "ode.mid"
    run("amadeus", "perform", "cello", str(tune), "-o", str(sound))
    _check(sound.stat().st_size > 100_000, f"{sound} is {sound.stat().st_size} bytes")
    run("amadeus", "report", "cello", "-o", str(sound.with_suffix(".html")))
    run("amadeus", "lineage", "cello")
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return f"{peak_mb:.0f} MB at most"


def practise_by_contract(folder: Path) -> str:
    """Runs a compiled practice as Kubeflow would, each container in here, with a folder for the bucket."""
    sys.path.insert(0, str(folder))
    from amadeus.stores import list_voices, open_store
    from pipelines.kubeflow import names
    from tests.pipelines.kubeflow import cluster

    scratch = Path(tempfile.mkdtemp())
    bucket, voices = scratch / "bucket", scratch / "voices"
    cluster.open_store = lambda uri: open_store(
        str(uri).replace("minio://bucket", str(bucket))
    )
    package = scratch / "practice.yaml"
    run(
        *("amadeus", "pipeline", "compile", "imitate", "--deu", "cello", *_TINY),
        *("--pipeline-root", "minio://bucket/root", "--image", "amadeus/practice:1"),
        *("-o", str(package)),
    )
    place = cluster.Cluster(scratch / "pods", "minio://bucket/root", dict(os.environ))
    try:
        done = place.run(
            package.read_text(),
            {
                names.RECORDINGS: [str(_takes(folder))],
                names.METADATA_URL: f"sqlite://{scratch}/metadata.sqlite",
                names.PERSONALITIES_URL: str(voices),
                names.PRACTICE: "1-smoke",
            },
        )
    except cluster.RunFailed as error:
        raise SmokeError(str(error)) from None
    (voice,) = list_voices(str(voices), "cello")
    return f"{len(done.executed)} containers, generation {voice.generation}"


def bring_voice(folder: Path) -> str:
    """Makes a small voice with random weights, for an image that cannot teach one."""
    sys.path.insert(0, str(folder))
    from tests.export.voices import SMALL, write_voice

    deu = Path(os.environ["AMADEUS_HOME"]) / "deus" / "cello"
    deu.mkdir(parents=True)
    created = '{"name": "cello", "created_at": "2026-01-01T00:00:00Z"}'
    (deu / "deu.json").write_text(created)
    write_voice(deu / "voices" / "1", **SMALL)
    return "written"


def play(folder: Path) -> str:
    """Starts the image's own command, asks its health, plays a note over gRPC, and stops it."""
    note = Path(tempfile.mkdtemp()) / "note.wav"
    began_s = time.monotonic()
    with _studio() as studio:
        probe = [sys.executable, "-m", "serving.studio.probe"]
        while subprocess.run(probe, capture_output=True).returncode:
            _check(studio.poll() is None, "the studio has ended")
            _check(time.monotonic() - began_s < STARTED_S, "it never plays")
            time.sleep(0.5)
        ready_s = time.monotonic() - began_s
        play_note = folder / "examples" / "play_note.py"
        run(sys.executable, str(play_note), "cello", str(note), "127.0.0.1:8470")
        _check(note.stat().st_size > 48_000, f"the note is {note.stat().st_size} bytes")
        held_mb = _resident_mb(studio.pid)
        studio.send_signal(signal.SIGTERM)
        status = studio.wait(ENDED_S)
        _check(status == 0, f"it ended with {status}")
    return f"ready after {ready_s:.1f} s, {held_mb:.0f} MB"


def run(*words: str, **environment: str) -> str:
    """Runs a command and returns what it said.

    Raises:
      SmokeError: It failed.
    """
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, **environment}
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-2000:]
        raise SmokeError(f"{' '.join(words[:4])} ended with {done.returncode}: {said}")
    return done.stdout.strip()


_TINY = ("--steps", "20", "--seed", "1", "--learner", "preset=tiny")


@contextlib.contextmanager
def _studio() -> Iterator[subprocess.Popen[str]]:
    # No tini: here this process stands in for it. What it says is read, lest a full pipe stop it.
    studio = subprocess.Popen(
        ["amadeus", "studio", "--insecure"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    reader = threading.Thread(
        target=lambda: said.extend(studio.stdout or ()), daemon=True
    )
    reader.start()
    try:
        yield studio
    except (SmokeError, subprocess.TimeoutExpired) as error:
        raise SmokeError(f"{error}\n{''.join(said)[-2000:]}") from None
    finally:
        studio.kill()
        studio.wait()


def _takes(folder: Path) -> Path:
    return folder / "examples" / "cello"


def _packages() -> Iterator[Path]:
    return Path("/opt/amadeus/lib/python3.11/site-packages").glob("*.dist-info")


def _is_there(place: str) -> bool:
    with contextlib.suppress(PermissionError):
        return Path(place).exists()
    return False


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    return False


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else 0.0


def _give_up(_number: int, _frame: object) -> None:
    raise SmokeError(f"it was not done within {TRIED_S} s")


def _check(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise SmokeError(otherwise)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
