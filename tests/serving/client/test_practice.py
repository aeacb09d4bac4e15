"""`amadeus practice --studio` against a studio in another process: there and back, and what may happen on the way."""

import shutil
import signal
import subprocess
import tempfile

import pytest

from amadeus.errors import RecordingError, StudioError
from amadeus.home import Home
from amadeus.personality.content import read_personality
from amadeus.personality.profiles import complete_learner_profile
from amadeus.v1 import profiles_pb2
from amadeus.v1.session_pb2 import PracticeSession
from serving.client import practice
from serving.client.connection import Address
from tests import processes
from tests.cli.terminal import COMMAND, amadeus, environment, wait_for
from tests.export.voices import SMALL, write_voice
from tests.serving.studio.practising import (
    StudioProcess,
    hold,
    let_go,
    starts,
    studio_process,
)
from tests.serving.studio.stand_in_teacher import FINISH, REFUSE

QUICK = ["--steps", "1"]


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture
def there(tmp_path):
    """The studio's home; `home` is that of the ama."""
    return Home(tmp_path / "there")


@pytest.fixture
def studio(there):
    with studio_process(there) as process:
        process.address = f"localhost:{process.port}"
        yield process


@pytest.fixture
def takes(tmp_path):
    folder = tmp_path / "takes"
    folder.mkdir()
    (folder / "élégie.wav").write_bytes(b"noise" * 50_000)
    (folder / "b.flac").write_bytes(b"second" * 10)
    return folder


def imitate(home, takes, studio, *options):
    return amadeus(
        "practice", "imitate", "cello", takes, *QUICK, "--studio", studio.address, *options, home=home
    )  # fmt: skip


def start(home, *arguments):
    return processes.start(
        [*COMMAND, *map(str, arguments)],
        env=environment(home) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@pytest.mark.slow
def test_there_and_back_with_a_voice(home, there, takes, studio, voice):
    shutil.copytree(voice, there.path / "voice")
    done = imitate(home, takes, studio)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 recordings of 0.3 MB" in done.stdout
    assert "warning: élégie.wav: noise 12 dB below the sound" in done.stdout
    assert "cello plays generation 1 now" in done.stdout
    assert done.stderr == ""
    assert "the voice is held here, as generation 1 of cello" in done.stdout
    made = read_personality(there.deu("cello").voice_path())
    held = read_personality(home.deu("cello").voice_path())
    assert held.digest == made.digest
    played = amadeus("deu", "show", "cello", home=home)
    assert held.digest in played.stdout


def test_recordings_that_teach_nothing_are_refused_by_the_coach(home, tmp_path, studio):
    path = tmp_path / "silence.wav"
    path.write_bytes(b"unteachable")
    done = imitate(home, path, studio)
    assert (done.returncode, done.stderr) == (
        2,
        "amadeus: silence.wav in silence.wav is silent.\n",
    )


def test_a_refusal_of_the_worker_is_its_sentence_and_status(home, takes, studio):
    done = imitate(home, takes, studio, "--seed", REFUSE)
    assert done.returncode == 2
    assert done.stderr == "amadeus: b.flac cannot be learned from.\n"


def test_a_limit_of_the_studio_is_its_sentence(home, takes, studio):
    done = imitate(home, takes, studio, "--learner", "batch_size=9", "--session", "A")
    assert done.returncode == 2
    assert "'A' cannot name a session" in done.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_and_attach_comes_back(home, there, takes, studio, voice):
    shutil.copytree(voice, there.path / "voice")
    hold(there)
    lesson = start(
        home, "practice", "imitate", "cello", takes, *QUICK,
        "--studio", studio.address, "--session", "mine",
    )  # fmt: skip
    seen = read_until(lesson, "training: step 10")
    assert "Ctrl-C leaves it to the studio" in seen
    lesson.send_signal(signal.SIGINT)
    rest, _ = lesson.communicate(timeout=30)
    assert lesson.returncode == 130
    assert f"amadeus practice attach mine --studio {studio.address}" in rest
    assert "amadeus practice cancel mine" in rest
    listed = amadeus("practice", "sessions", "--studio", studio.address, home=home)
    assert "mine  cello  running, at step 10" in listed.stdout
    let_go(there)
    back = amadeus("practice", "attach", "mine", "--studio", studio.address, home=home)
    assert back.returncode == 0, back.stderr
    assert "training: step 10" in back.stdout
    assert "is held here, as generation 1 of cello" in back.stdout
    assert len(starts(there)) == 1


def test_sessions_are_listed_and_cancelled(home, there, takes, studio):
    where = ("--studio", studio.address)
    none = amadeus("practice", "sessions", *where, home=home)
    assert none.stdout == f"no practice sessions at {studio.address}\n"
    hold(there)
    lesson = start(
        home, "practice", "imitate", "cello", takes, *QUICK, *where, "--session", "mine"
    )
    read_until(lesson, "training: step 10")
    cancelled = amadeus("practice", "cancel", "mine", *where, home=home)
    assert cancelled.stdout == "session mine stops in good order\n"
    rest, _ = lesson.communicate(timeout=30)
    assert lesson.returncode == 2
    assert "session mine was cancelled; cello is as it was" in rest
    again = amadeus("practice", "cancel", "mine", *where, home=home)
    assert again.stdout == "session mine is over: cancelled\n"
    unknown = amadeus("practice", "cancel", "yours", *where, home=home)
    assert unknown.returncode == 2
    assert "holds no session 'yours'" in unknown.stderr


@pytest.mark.slow
def test_a_studio_that_is_killed_and_comes_back_is_followed_on(
    home, there, takes, voice
):
    shutil.copytree(voice, there.path / "voice")
    hold(there)
    with studio_process(there) as studio:
        address = f"localhost:{studio.port}"
        lesson = start(
            home, "practice", "imitate", "cello", takes, *QUICK, "--studio", address
        )
        seen = read_until(lesson, "training: step 10")
        studio.kill()
        seen += read_until(lesson, "trying again")
    with studio_process(there, studio.port):
        let_go(there)
        rest, _ = lesson.communicate(timeout=60)
    assert lesson.returncode == 0, rest
    seen += rest
    assert seen.count("Trainer begins") == 1  # each event is told once
    assert "the voice is held here" in seen
    assert len(starts(there)) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["imitate", "cello", "TAKES", "--session", "mine"], "--session is of a studio"),
        (["imitate", "cello", "TAKES", "--studio", "nowhere"], "write HOST:PORT"),
        (["imitate", "cello", "TAKES", "--studio", "127.0.0.1:9"], "cannot be reached"),
        (
            ["imitate", "cello", "TAKES", "--studio", "h:1", "--beam-arg=--x"],
            "for Beam on this machine",
        ),
        (["imitate", "cello", "none.wav", "--studio", "h:1"], "none.wav"),
        (["imitate", "cello", "TAKES", "--studio", "h:1", "--steps", "0"], "--steps 0"),
        (["attach", "mine"], "name it with --studio HOST:PORT"),
        (["cancel", "mine"], "name it with --studio HOST:PORT"),
        (["sessions"], "name it with --studio HOST:PORT"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_sentence(home, takes, arguments, sentence):
    if "imitate" in arguments and "--session" in arguments:
        home.create_deu("cello")
    given = [str(takes) if a == "TAKES" else a for a in arguments]
    done = amadeus("practice", *given, home=home, cwd=takes)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


# The library


class Quiet:
    """Listens, and does at each step what a test wants done."""

    def __init__(self):
        self.states, self.events, self.n_sent, self.n_lost = [], [], 0, 0
        self.held = []

    def stands(self, session):
        self.states.append(session.state)
        self.held.append(sum(session.held_byte_counts))

    def happened(self, event):
        self.events.append(event)

    def sent(self, n_bytes):
        self.n_sent += n_bytes

    def lost(self, reason, pause_s):
        self.n_lost += 1


def follow(address, listener, recordings, *, deu="cello", session_id="mine", **options):
    profile = complete_learner_profile(
        profiles_pb2.LearnerProfile(step_count=1, seed=FINISH)
    )
    configuration = practice.configure(session_id, deu, profile, recordings)
    configuration.send_personality = False
    with tempfile.TemporaryFile() as bundle:
        return practice.follow(
            Address(address), configuration, listener,
            recordings=recordings, bundle=bundle, **options,
        )  # fmt: skip


def test_an_upload_goes_on_by_itself_when_the_studio_is_killed(there, tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(bytes(range(256)) * (20 << 12))  # 20 MiB
    recordings = practice.declare([path])
    part = there.sessions_path / "mine" / "parts" / "0"
    studios = [StudioProcess(there)]
    port = studios[0].port

    class Killer(Quiet):
        def sent(self, n_bytes):
            super().sent(n_bytes)
            if len(studios) == 1 and self.n_sent > 8 << 20:
                wait_for(lambda: part.exists() and part.stat().st_size > 1 << 20)
                studios[0].kill()
                studios.append(StudioProcess(there, port))

    listener = Killer()
    try:
        session = follow(f"localhost:{port}", listener, recordings)
    finally:
        studios[-1].kill()
    assert session.state == PracticeSession.STATE_SUCCEEDED
    assert listener.n_lost >= 1
    assert max(listener.held[:2]) > 1 << 20  # what was there is not sent again
    assert listener.n_sent < 40 << 20


def test_a_file_that_changes_while_it_is_sent_ends_in_a_sentence(studio, tmp_path):
    path = tmp_path / "take.wav"
    path.write_bytes(b"x" * 1000)
    recordings = practice.declare([path])
    path.write_bytes(b"x" * 10)
    with pytest.raises(RecordingError, match="changed while it was sent"):
        follow(studio.address, Quiet(), recordings)


def test_a_file_that_arrives_otherwise_again_and_again_ends_in_a_sentence(
    studio, tmp_path
):
    path = tmp_path / "take.wav"
    path.write_bytes(b"x" * 1000)
    recordings = practice.declare([path])
    path.write_bytes(b"y" * 1000)
    listener = Quiet()
    with pytest.raises(StudioError, match="another SHA-256"):
        follow(studio.address, listener, recordings)
    assert listener.n_lost == practice.MAX_DAMAGED - 1


def test_a_studio_that_stays_away_is_given_up(there, tmp_path):
    path = tmp_path / "take.wav"
    path.write_bytes(b"x" * 1000)
    hold(there)
    with studio_process(there) as studio:

        class Killer(Quiet):
            def happened(self, event):
                studio.kill()

        with pytest.raises(StudioError, match="has not answered for"):
            follow(
                f"localhost:{studio.port}", Killer(), practice.declare([path]),
                patience_s=1.0,
            )  # fmt: skip
    let_go(there)


def test_names_that_are_no_unicode_are_sent_as_well_as_they_can(tmp_path):
    path = tmp_path / b"t\xffke.wav".decode(errors="surrogateescape")
    path.write_bytes(b"x")
    (recording,) = practice.declare([path])
    assert recording.info.name == "t?ke.wav"


def test_sessions_are_named_so_that_a_studio_takes_it():
    from serving.studio.sessions import SESSION_ID_PATTERN

    for deu in ("cello", "my_cello-2", "x" * 40, "_"):
        assert SESSION_ID_PATTERN.fullmatch(practice.new_session_id(deu))
