"""A machine that was cut off past its lease comes back: of one session comes one generation, and none is lost."""

import contextlib
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from amadeus import fence
from amadeus.errors import PracticeError
from amadeus.journal import JOURNAL_NAME, read_journal
from serving.studio import workers
from serving.studio.practice_limits import PracticeLimits
from serving.studio.schedule import Schedule
from serving.studio.sessions import State
from tests.cli.terminal import is_alive, wait_for
from tests.serving.studio.guard import guarded
from tests.serving.studio.practising import configure

CONTENT = b"noise" * 100
LEASE_S = 0.5
PATIENCE_S = 60
HERE = Path(__file__).parent


class Machine:
    """A studio on a machine of its own, as far as it knows."""

    def __init__(self, home, name, monkeypatch):
        self._name, self._environment = name, monkeypatch
        with self.at_work():
            self.schedule = Schedule(
                home,
                PracticeLimits(lease_s=LEASE_S, close_s=1.0),
                practice_command=lambda path: [
                    sys.executable, "-m", "tests.serving.studio.stand_in_pusher", str(path)
                ],
                listen_command=list,
            )  # fmt: skip
            self.schedule.open()

    @contextlib.contextmanager
    def at_work(self):
        with self._environment.context() as changed:
            changed.setenv("AMADEUS_MACHINE", self._name)
            changed.setenv("PYTHONPATH", str(HERE.parents[2]))
            yield

    def tick(self):
        with self.at_work():
            self.schedule.tick()
        return self.schedule.store.find("lesson")

    def tick_until(self, is_so):
        """Looks after the session until it stands so; hands it back."""

        def look():
            session = self.tick()
            return session if is_so(session) else None

        return wait_for(look, timeout_s=PATIENCE_S)


class Cut:
    """A session whose first worker stands still while its machine is cut off, and whose second is at work elsewhere."""

    def __init__(self, home, first, second, watch):
        self.home, self.second = home, second
        session = first.tick_until(lambda s: s.state is State.RUNNING)
        (self.early,) = session.practice_paths(home)
        wait_for((self.early / "ready").exists, timeout_s=PATIENCE_S)
        self.keeper = _mark(session)["pid"]
        watch(self.keeper)
        self.worker = _child_of(self.keeper)
        self.watch = watch

    def freeze(self):
        os.killpg(self.keeper, signal.SIGSTOP)
        _lose_locks(self.home)

    def take_over(self):
        session = self.second.tick_until(lambda s: len(s.standing.practices) == 2)
        self.watch(_mark(session)["pid"])
        self.late = session.practice_paths(self.home)[-1]

    def come_back(self):
        """Lets the first worker go on, and not its keeper: it is quicker than that."""
        (self.early / "go").touch()
        os.kill(self.worker, signal.SIGCONT)
        return wait_for(lambda: _last_word(self.early), timeout_s=PATIENCE_S)

    def finish(self):
        (self.late / "go").touch()
        return self.second.tick_until(lambda s: s.state.is_over)


@pytest.fixture
def cut(home, monkeypatch):
    """A worker in mid-practice."""
    home.create_deu("cello")
    home.recordings_path.mkdir()
    name = hashlib.sha256(CONTENT).hexdigest()
    (home.recordings_path / name).write_bytes(CONTENT)
    first = Machine(home, "machine 1", monkeypatch)
    store = first.schedule.store
    with store.locked():
        session = store.create(configure([CONTENT], session_id="lesson"))
        store.change(session, state=State.QUEUED, queued_ns=time.time_ns())
    second = Machine(home, "machine 2", monkeypatch)
    with guarded() as watch:
        yield lambda: Cut(home, first, second, watch)
    for machine in (first, second):
        machine.schedule._reap()


def _mark(session):
    return json.loads((session.path / "worker.json").read_text())


def _child_of(pid):
    def find():
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    return int(wait_for(find)[0])


def _lose_locks(home):
    """Does what a file server does when a machine's lease is over: its locks are gone, the files are as they were."""
    studios = home.sessions_path / ".studios"
    first = min(studios.iterdir(), key=lambda path: path.stat().st_ctime_ns)
    for path in (
        home.sessions_path / "lesson" / "claim",
        home.deu("cello").path / "lock",
        first,
    ):
        scratch = path.with_name(f"{path.name}.new")
        scratch.write_bytes(path.read_bytes())
        scratch.replace(path)


def _last_word(practice_path):
    events = read_journal(practice_path / JOURNAL_NAME)
    return events[-1] if events else None


def _is_one_generation(home, session):
    deu = home.deu("cello")
    assert session.state is State.SUCCEEDED
    assert session.standing.generation == 1
    assert (deu.generations(), deu.current_generation()) == ([1], 1)
    names = [path.name for path in deu.voices_path.iterdir()]
    assert names == ["1"], "nothing is left of what was prepared"


@pytest.mark.parametrize("comes_back", ["before the other pushes", "after it"])
def test_a_machine_that_comes_back_pushes_no_second_generation(home, cut, comes_back):
    lesson = cut()
    lesson.freeze()
    lesson.take_over()
    if comes_back == "after it":
        session = lesson.finish()
        word = lesson.come_back()
    else:
        word = lesson.come_back()
        session = lesson.finish()
    assert "another studio took this practice over" in word.failed.text
    _is_one_generation(home, session)
    (who,) = home.deu("cello").voices_path.glob("1/assets.extra/personality.json")
    assert lesson.late.name in who.read_text()


def test_one_that_stands_still_between_its_look_and_the_rename_pushes_nothing_either(
    home, cut, monkeypatch
):
    monkeypatch.setattr(fence, "PATIENCE_S", 0.2)  # the lock of a local file stays
    (home.path / "between").touch()
    lesson = cut()
    (lesson.early / "go").touch()
    wait_for((lesson.early / "between").exists, timeout_s=PATIENCE_S)
    (home.path / "between").unlink()
    lesson.freeze()
    lock = home.sessions_path / "lesson" / "fence"
    lock.rename(lock.with_name("lost"))
    lesson.take_over()
    (lesson.early / "on").touch()
    word = lesson.come_back()
    assert "another studio took this practice over" in word.failed.text
    _is_one_generation(home, lesson.finish())


def test_one_that_pushed_before_it_was_cut_off_loses_nothing(home, cut):
    lesson = cut()
    (lesson.early / "go").touch()
    wait_for(lambda: _last_word(lesson.early), timeout_s=PATIENCE_S)
    lesson.freeze()
    session = lesson.second.tick_until(lambda s: s.state.is_over)
    _is_one_generation(home, session)


def test_a_session_that_is_over_is_pushed_to_no_more(home, cut):
    lesson = cut()
    lesson.freeze()
    lesson.second.schedule.cancel("lesson")
    session = lesson.second.tick_until(lambda s: s.state.is_over)
    assert session.state is State.CANCELLED
    assert lesson.come_back().failed.text
    assert home.deu("cello").generations() == []


def test_its_keeper_ends_it_besides(home, cut):
    lesson = cut()
    lesson.freeze()
    lesson.take_over()
    os.killpg(lesson.keeper, signal.SIGCONT)
    wait_for(lambda: not is_alive(lesson.worker), timeout_s=PATIENCE_S)
    _is_one_generation(home, lesson.finish())


def test_who_practises_by_hand_has_no_claim_and_passes(home, monkeypatch):
    monkeypatch.delenv(fence.VARIABLE, raising=False)
    with fence.passed():
        assert fence.own_claim() is None


def test_a_claim_that_is_garbled_is_not_passed(monkeypatch):
    monkeypatch.setenv(fence.VARIABLE, "anything")
    with pytest.raises(PracticeError, match="does not say a token"), fence.passed():
        pass


def test_the_pointer_stands_behind_the_fence_too(home, tmp_path, monkeypatch):
    deu = home.create_deu("cello")
    for number in ("1", "2"):
        (deu.voices_path / number).mkdir(parents=True)
    (tmp_path / "claim").write_text("0" * 16)
    monkeypatch.setenv(fence.VARIABLE, fence.tell("0" * 16, tmp_path / "claim"))
    deu.point_to(2)
    (tmp_path / "claim").write_text("1" * 16)
    with pytest.raises(PracticeError, match="took this practice over"):
        deu.point_to(1)
    assert deu.current_generation() == 2


def test_a_worker_is_told_its_claim(cut):
    lesson = cut()
    environment = Path(f"/proc/{lesson.worker}/environ").read_text().split("\0")
    told = dict(pair.split("=", 1) for pair in environment if "=" in pair)
    token, _, path = told[fence.VARIABLE].partition(" ")
    assert Path(path).read_text() == token
    assert Path(path).name == workers.CLAIM_NAME
