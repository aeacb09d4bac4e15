"""A practice in a studio from end to end: the real coach, the real pipeline, and two homes that share nothing.

One practice is taught once, by way of a studio that is stopped in the middle of it, and looked at by every test here.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile as sf

from amadeus.home import Home
from amadeus.personality.content import read_personality
from tests.e2e.sounds import RATE, write_takes
from tests.e2e.test_first_lesson import TINY, TUNE, amadeus

ROOT = Path(__file__).parents[2]

# The lesson is part of whichever test comes first; on a busy machine it takes minutes.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

# The servicers of practices alone: what plays loads TensorFlow, and is tested elsewhere.
STUDIO = """
import asyncio, signal, sys
from amadeus.home import Home
from pathlib import Path
from serving.studio.practices import PracticeLimits, Practices
from tests.serving.studio.practising import serve

async def main(path, port):
    practices = Practices(Home(Path(path)), PracticeLimits(threads=2))
    server, port = await serve(practices, int(port))
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print(port, flush=True)
    await stopped.wait()
    await practices.close()
    await server.stop(1.0)

asyncio.run(main(*sys.argv[1:]))
"""


class Lesson(NamedTuple):
    there: Path
    here: Path
    out: Path
    practice: subprocess.CompletedProcess


@contextlib.contextmanager
def studio(home, port=0):
    home.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", STUDIO, str(home), str(port)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def imitate(home, recordings, port, *, steps=150):
    settings = [part for setting in TINY for part in ("--learner", setting)]
    return [
        *(sys.executable, "-m", "amadeus.cli.main", "--home", str(home)),
        *("practice", "imitate", "cello", str(recordings), "--steps", str(steps)),
        *("--seed", "7", *settings, "--studio", f"localhost:{port}"),
        *("--session", "lesson"),
    ]


def wait_for_training(there):
    deadline = time.monotonic() + 600
    while not any(
        '"Trainer"' in path.read_text()
        for path in there.glob("deus/*/practices/*/journal.jsonl")
    ):
        assert time.monotonic() < deadline, "nothing trains"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    root = tmp_path_factory.mktemp("studio")
    there, here = root / "there", root / "here"
    takes = write_takes(root / "recordings", np.random.default_rng(440))
    (takes / "take 0.wav").rename(takes / "élégie № 1.wav")
    with studio(there) as (process, port):
        client = subprocess.Popen(
            imitate(here, takes, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for_training(there)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with studio(there, port):
        output, errors = client.communicate(timeout=900)
    done = subprocess.CompletedProcess(client.args, client.returncode, output, errors)
    assert done.returncode == 0, output + errors
    return Lesson(there, here, root, done)


@pytest.mark.slow
def test_the_voice_is_the_same_in_both_homes(lesson):
    made, held = (
        read_personality(Home(home).deu("cello").voice_path(1))
        for home in (lesson.there, lesson.here)
    )
    assert made.digest == held.digest
    assert "generation 1 of cello" in lesson.practice.stdout


@pytest.mark.slow
def test_the_practice_went_on_where_the_studio_had_stopped(lesson):
    output = lesson.practice.stdout
    assert "goes on from where it stopped" in output
    assert "DdspTransform taken from the cache" in output
    practices = Home(lesson.there).deu("cello").practices()
    assert len(practices) == 2
    assert not (practices[0] / "result.json").exists()


@pytest.mark.slow
def test_the_voice_plays_at_home(lesson):
    out = lesson.out / "tune.wav"
    ran = amadeus(lesson.here, "perform", "cello", TUNE, "-o", out)
    assert ran.returncode == 0, ran.stderr
    audio, _ = sf.read(out)
    assert 0.01 < np.abs(audio).max() <= 1


@pytest.mark.slow
def test_report_and_lineage_call_recordings_by_their_names(lesson):
    out = lesson.out / "report.html"
    ran = amadeus(lesson.there, "report", "cello", "-o", out)
    assert ran.returncode == 0, ran.stderr
    assert "élégie № 1.wav" in out.read_text()
    ran = amadeus(lesson.there, "lineage", "cello")
    assert "élégie № 1.wav" in ran.stdout
    assert "take 2.wav" in ran.stdout


@pytest.mark.slow
def test_the_request_names_what_was_sent(lesson):
    practice = Home(lesson.there).deu("cello").practices()[-1]
    request = json.loads((practice / "request.json").read_text())
    assert "élégie № 1.wav" in request["recordings"]["name"]
    for uri in request["recordings"]["uri"]:
        assert Path(uri).parent == lesson.there / "recordings"


@pytest.mark.slow
def test_the_studio_tunes_the_voice_with_the_recordings_it_kept(lesson):
    with studio(lesson.there) as (_, port):
        ran = amadeus(
            lesson.here,
            *("practice", "tune", "cello", "--studio", f"localhost:{port}"),
            *("--player", "brightness=0.5", "--learner", "learning_rate=0.001"),
            *("--steps", 3, "--learner", "blessing_tolerance=9"),
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "AudioExampleGen taken from the cache" in ran.stdout
    assert "DdspTransform taken from the cache" in ran.stdout
    assert "generation 2 of cello" in ran.stdout
    first, tuned = (
        read_personality(Home(lesson.here).deu("cello").voice_path(generation))
        for generation in (1, 2)
    )
    assert tuned.parent_digest == first.digest
    assert tuned.player_profile.brightness == 0.5


@pytest.fixture(scope="module")
def takes(lesson):
    """The same tune twice, as one wants it and as one does not."""
    paths = []
    for name, brightness in (("dark", -0.8), ("bright", 0.8)):
        path = lesson.out / f"{name}.wav"
        knob = f"brightness={brightness}"
        ran = amadeus(
            lesson.here, "perform", "cello", TUNE, "-o", path, "--player", knob
        )
        assert ran.returncode == 0, ran.stderr
        paths.append(path)
    return paths


@pytest.mark.slow
def test_the_studio_judges_takes_and_the_network_practises_what_is_liked(lesson, takes):
    before = Home(lesson.there).deu("cello").current_generation()
    marks = [
        f"{kind}={take}@{start_s}-{start_s + 1.4}"
        for take, kind in ((1, "--good"), (2, "--bad"))
        for start_s in (0, 1.5, 3)
    ]
    with studio(lesson.there) as (_, port):
        ran = amadeus(
            lesson.here,
            *("practice", "feedback", "cello", "--studio", f"localhost:{port}"),
            *(part for path in takes for part in ("--performance", path)),
            *(*marks, "--steps", 3, "--note", "too harsh"),
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "darker by" in ran.stdout
    assert f"cello plays generation {before + 1} now: the same network" in ran.stdout
    assert "DdspTransform taken from the cache" in ran.stdout
    there = Home(lesson.there).deu("cello")
    judged = read_personality(there.voice_path(before + 1))
    parent = read_personality(there.voice_path(before))
    assert judged.player_profile.brightness < parent.player_profile.brightness
    assert judged.parent_digest == parent.digest
    here = read_personality(Home(lesson.here).deu("cello").voice_path())
    assert here.digest == read_personality(there.voice_path()).digest


@pytest.mark.parametrize("kind", ["silence", "text", "long"])
def test_the_coach_refuses_by_name(kind, tmp_path):
    path = tmp_path / "mine.wav"
    if kind == "text":
        path.write_text("this is no sound at all\n" * 50)
    else:
        sf.write(path, np.zeros(3 * RATE), RATE)
    sentence = {
        "silence": "the recordings are silent",
        "text": "mine.wav",
        "long": "the recordings last 0 minutes",
    }[kind]

    async def run():
        from serving.studio.practice_limits import PracticeLimits
        from serving.studio.practices import Practices
        from tests.serving.studio import practising

        minutes = 0.01 if kind == "long" else 1.0
        limits = PracticeLimits(audio_minutes=minutes)
        home = Home(tmp_path / "home")
        home.path.mkdir()
        practices = Practices(home, limits)
        server, port = await practising.serve(practices)
        async with practising.client(port) as client:
            content = path.read_bytes()
            asked = practising.configure([content], names=["mine.wav"])
            done = await client.practise(asked, [content])
        await practices.close()
        await server.stop(None)
        return done.session

    session = asyncio.run(asyncio.wait_for(run(), 100))
    assert session.state == session.STATE_FAILED
    assert sentence in session.failure
    assert str(tmp_path) not in session.failure
