"""Beam's own engine, with worker processes that end when they should.

Beam starts a process for each of `--direct_num_workers` where it is told `--direct_running_mode=multi_processing`. Here
they differ from Beam's in four ways: they end at once where the practice is interrupted or fails, and not after the
take they are at; one that dies (killed for memory, say) is an error, and not waited for for ever; they share the
processors out instead of fighting for them; and they die with the process that started them.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers
from google.protobuf import json_format, text_format

from amadeus.errors import PracticeError
from amadeus.threads import THREADS_VARIABLE
from components import beam_worker

GRACE_S = 3.0  # for processes that have nothing left to do
_LOOK_S = 0.2
_THREAD_VARIABLES = (
    THREADS_VARIABLE,
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


class WorkersRunner(fn_runner.FnApiRunner):
    """Beam's FnApiRunner; see the module."""

    def run_pipeline(self, pipeline: Any, options: PipelineOptions) -> Any:
        """Runs a pipeline in this process, in threads, or in processes, as options say."""
        direct = options.view_as(DirectOptions)
        urn, handlers = (
            python_urns.SUBPROCESS_SDK,
            worker_handlers.WorkerHandler._registered_environments,
        )
        before = handlers[urn]
        n_workers = direct.direct_num_workers or os.cpu_count() or 1
        limit_ms = worker_handlers.DATA_BUFFER_TIME_LIMIT_MS
        with tempfile.TemporaryDirectory(
            prefix="amadeus-beam-", ignore_cleanup_errors=True
        ) as scratch:
            environment, grace = worker_environment(n_workers, scratch), _Grace()

            def make(command: bytes, *given: Any) -> "ProcessHandler":
                return ProcessHandler(environment, grace, *given)

            handlers[urn] = make, bytes
            # Beam's flusher by time cuts an element in two, or drops one, where it comes while that is being written.
            worker_handlers.DATA_BUFFER_TIME_LIMIT_MS = 0
            try:
                return super().run_pipeline(pipeline, options)
            finally:
                handlers[urn] = before
                worker_handlers.DATA_BUFFER_TIME_LIMIT_MS = limit_ms


class _Grace:
    """Time that all workers of a run have together to end, from when the first of them is to."""

    def __init__(self) -> None:
        self._until_s: float | None = None

    def left_s(self) -> float:
        """Tells how much is left of it; begins it where nobody has asked before."""
        now_s = time.monotonic()
        if self._until_s is None:
            self._until_s = now_s + GRACE_S
        return max(0.0, self._until_s - now_s)


class ProcessHandler(worker_handlers.GrpcWorkerHandler):
    """Starts, watches and ends one worker process."""

    def __init__(self, environment: dict[str, str], grace: _Grace, *given: Any) -> None:
        super().__init__(*given)
        self._environment, self._grace = environment, grace
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()

    def start_worker(self) -> None:
        """Starts the process."""
        from apache_beam.runners.portability.local_job_service import (
            BeamFnLoggingServicer,
        )

        self._logs, port = _serve_logs(BeamFnLoggingServicer())
        options = json_format.MessageToJson(
            self.provision_info.provision_info.pipeline_options
        )
        own = {
            "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(self.control_address),
            "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(f"localhost:{port}"),
            "PIPELINE_OPTIONS": options,
            "WORKER_ID": self.worker_id,
            beam_worker.PARENT_VARIABLE: str(os.getpid()),
        }
        with worker_handlers.SUBPROCESS_LOCK:
            self._process = subprocess.Popen(
                [sys.executable, "-m", beam_worker.__name__],
                env={**os.environ, **self._environment, **own},
                stdin=subprocess.DEVNULL,
            )
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """Ends the process: at its own pace where it has nothing to do, else at once."""
        self._closing.set()
        if self._process is not None:
            self.control_conn.push(
                worker_handlers.BeamFnControlServicer._DONE_MARKER
            )  # no more work
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self._grace.left_s())
            self._process.kill()
            self._process.wait()
            self._logs.stop(0)
        super().close()

    def stop_worker(self) -> None:
        """Does nothing more: `close` has ended it."""

    def _watch(self) -> None:
        """Tells all who wait for an answer of a process that has died."""
        status = self._process.wait()
        while not self._closing.wait(_LOOK_S):
            with contextlib.suppress(RuntimeError):  # somebody asks just now: next time
                self.control_conn.abort(PracticeError(_say_death(status)))


def worker_environment(n_workers: int, scratch: str) -> dict[str, str]:
    """Sets what a worker process is to know.

    Args:
      n_workers: Those who share the processors.
      scratch: Folder for temporary files: who is killed removes none, and who started it removes the folder.
    """
    share = str(max(1, (os.cpu_count() or 1) // n_workers))
    return {
        **dict.fromkeys(_THREAD_VARIABLES, share),
        "TMPDIR": scratch,
        "MALLOC_ARENA_MAX": "2",  # each thread's own arena would keep what it once had
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }


def _say_death(status: int) -> str:
    if status == -signal.SIGKILL:
        return (
            "a worker process was killed, as happens where memory runs out: practise again with fewer of them "
            "(--beam-arg=--direct_num_workers=1) or free memory."
        )
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"a worker process ended by itself ({how}): see the log of the practice, then practise again."


def _serve_logs(servicer: Any) -> tuple[Any, int]:
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2_grpc
    from apache_beam.utils import thread_pool_executor

    server = grpc.server(thread_pool_executor.shared_unbounded_instance())
    port = server.add_insecure_port("localhost:0")
    beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(servicer, server)
    server.start()
    return server, port


def _descriptor(url: str) -> str:
    from apache_beam.portability.api import endpoints_pb2

    return text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url))
