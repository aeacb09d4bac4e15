"""Bundles are checked in a process of its own.

To check a bundle takes a tenth of a second in which performances of the same process would wait for Python, and hands
what a stranger made to readers in C++. A process beside the studio, of lower priority, does it instead: if it dies or
takes too long, the bundle is refused and nothing else has happened. It starts with the first bundle, which takes some
seconds, ends when it has had nothing to do for a while, and ends with the studio however that ends.

It reads a folder a line, as JSON, and answers each with a line: `{"personality": ...}` or `{"refused": ...}`.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from google.protobuf import json_format

from amadeus.errors import BundleError
from amadeus.v1 import personality_pb2

IDLE_S = 300.0
_NICENESS = 10
_ATTEMPTS = 2  # it may have ended of idleness just now


class Checker:
    """Asks the process that checks; one bundle at a time, from any thread."""

    def __init__(
        self, *, timeout_s: float, idle_s: float = IDLE_S, module: str = __name__
    ) -> None:
        """Starts nothing yet.

        Args:
          timeout_s: Time a check may take, with the start of the process.
          idle_s: Time after which a process without work ends.
          module: What the process runs.
        """
        self._timeout_s, self._idle_s, self._module = timeout_s, idle_s, module
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()
        self._closed = False

    def check(self, voice_path: Path) -> personality_pb2.Personality:
        """Checks an unpacked voice as `amadeus.personality.inspection.check_voice` does.

        Raises:
          BundleError: It may not be played, or its check did not end well.
        """
        with self._turn:
            for _ in range(_ATTEMPTS):
                if not self._closed and (answer := self._ask(voice_path)):
                    return _understand(answer)
        raise self._refusal()

    def close(self) -> None:
        """Ends the process, if there is one, for good; whoever waits for it is refused."""
        self._closed = True
        if self._process is not None:
            self._process.kill()  # at which whoever has the turn gives it up
        with self._turn:
            if self._process is not None:
                _end(self._process)

    def _ask(self, voice_path: Path) -> str:
        """Puts a question to the process; the answer is empty if it ends over it."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def interrupt() -> None:
            late.set()
            process.kill()

        clock = threading.Timer(self._timeout_s, interrupt)
        clock.start()
        try:
            process.stdin.write(json.dumps(str(voice_path)) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except (BrokenPipeError, ValueError):  # gone, or closed by `close`
            answer = ""
        finally:
            clock.cancel()
        if not answer:
            _end(process)
        if late.is_set():
            raise self._refusal()
        return answer

    def _refusal(self) -> BundleError:
        return BundleError(
            f"the bundle could not be checked in {self._timeout_s:g} s, or the check died of it: it is not played; ask "
            "for it again where it comes from."
        )

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is not None and self._process.poll() is not None:
            _end(self._process)
            self._process = None
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(self._idle_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # TensorFlow greets there
                text=True,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
        return self._process


def serve(questions: IO[str], answers: IO[str], *, idle_s: float) -> None:
    """Checks what it is asked to, until nobody is there or nothing has come for a while."""
    from amadeus.personality.inspection import check_voice

    while select.select([questions], [], [], idle_s)[0] and (
        line := questions.readline()
    ):
        try:
            personality = check_voice(Path(json.loads(line)))
            answer = {"personality": json_format.MessageToDict(personality)}
        except BundleError as error:
            answer = {"refused": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Checks for the studio that started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the studio stops it
    os.nice(_NICENESS)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    serve(sys.stdin, answers, idle_s=float(sys.argv[1]))


def _understand(answer: str) -> personality_pb2.Personality:
    said = json.loads(answer)
    if "refused" in said:
        raise BundleError(said["refused"])
    personality = personality_pb2.Personality()
    json_format.ParseDict(said["personality"], personality)
    return personality


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError, ValueError):
            if pipe is not None:
                pipe.close()


if __name__ == "__main__":
    main()
