"""The process that checks bundles: it may die, hang or idle, and the studio goes on."""

import io
import os
import signal
import subprocess
import sys
import threading

import pytest

from amadeus.errors import BundleError
from amadeus.personality import content
from serving.studio.checking import Checker, serve
from tests.cli.terminal import is_alive, wait_for
from tests.export.voices import SMALL, write_voice


@pytest.fixture(scope="module")
def voice_path(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


MODULE = "tests.serving.studio.stand_in_checker"


@pytest.fixture
def checker():
    checker = Checker(timeout_s=60, module=MODULE)
    yield checker
    checker.close()


def test_voices_pass_and_others_are_refused_by_their_reason(voice_path, tmp_path):
    checker = Checker(timeout_s=120)
    assert checker.check(voice_path) == content.read_personality(voice_path)
    pid = checker._process.pid
    with pytest.raises(BundleError, match="is damaged, or made by a newer"):
        checker.check(tmp_path / "nothing")
    assert checker.check(voice_path).deu == "cello"
    assert checker._process.pid == pid  # one process for all of them
    assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)
    checker.close()
    assert not is_alive(pid)


def test_one_that_was_killed_between_bundles_is_replaced(checker, voice_path):
    checker.check(voice_path)
    checker._process.kill()
    assert checker.check(voice_path).deu == "cello"


def test_one_that_dies_of_a_bundle_refuses_it(checker, voice_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BundleError, match="the check died of it"):
        checker.check(voice_path)
    monkeypatch.undo()
    assert checker.check(voice_path).deu == "cello"


def test_one_that_hangs_is_ended(voice_path):
    checker = Checker(timeout_s=0.2, module=MODULE)
    checker._running()
    os.kill(checker._process.pid, signal.SIGSTOP)
    with pytest.raises(BundleError, match=r"could not be checked in 0\.2 s"):
        checker.check(voice_path)
    checker.close()


def test_one_without_work_ends_and_another_takes_its_place(voice_path):
    checker = Checker(timeout_s=60, idle_s=0.1, module=MODULE)
    checker.check(voice_path)
    first = checker._process
    wait_for(lambda: first.poll() is not None)
    assert checker.check(voice_path).deu == "cello"
    checker.close()


def test_one_that_is_closed_lets_go_of_whoever_waits(voice_path):
    checker = Checker(timeout_s=60, module=MODULE)
    checker._running()
    os.kill(checker._process.pid, signal.SIGSTOP)
    said = []

    def wait():
        try:
            checker.check(voice_path)
        except BundleError as error:
            said.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    checker.close()
    waiting.join(timeout=20)
    assert len(said) == 1
    with pytest.raises(BundleError, match="could not be checked"):
        checker.check(voice_path)  # closed is closed


def test_it_ends_with_the_studio_however_that_ends(voice_path):
    program = (
        "import pathlib, signal; from serving.studio.checking import Checker\n"
        f"checker = Checker(timeout_s=60, module={MODULE!r})\n"
        f"checker.check(pathlib.Path({str(voice_path)!r}))\n"
        "print(checker._process.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as studio:
        pid = int(studio.stdout.readline())
        assert is_alive(pid)
        studio.kill()
    wait_for(lambda: not is_alive(pid))


def test_threads_take_turns(checker, voice_path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(checker.check(voice_path).deu))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["cello"] * 4


def test_nobody_there_is_the_end(voice_path, tmp_path):
    (tmp_path / "questions").write_text(f'"{voice_path}"\n')
    answers = io.StringIO()
    read_end, write_end = os.pipe()
    os.write(write_end, f'"{voice_path}"\n'.encode())
    os.close(write_end)
    with os.fdopen(read_end) as questions:
        serve(questions, answers, idle_s=60)
    assert answers.getvalue().startswith('{"personality": {"deu": "cello"')
