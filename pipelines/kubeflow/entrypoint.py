"""What runs in the containers of a practice: `python -m pipelines.kubeflow.entrypoint`, as the compiler writes it.

Its log holds what a journal holds on one machine (`telling`), so that who follows the run is told the same. Exit
status: 0 well, 2 for something the user can mend, 130 when asked to stop, 1 for a bug; Kubeflow tries again after any
but 0, and what was done before is found and not done twice (`attempts`: neither is what cannot go well).

From the environment, where the run's inputs leave it open: `AMADEUS_METADATA`, `AMADEUS_PERSONALITIES`. Secrets come
only from there.
"""

import argparse
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from amadeus import interruption
from amadeus.errors import AmadeusError, PracticeError
from amadeus.journal import emit
from amadeus.v1 import practice_pb2
from pipelines.kubeflow import contract, names
from pipelines.kubeflow.attempts import RETRIES_VARIABLE, Attempts, is_final
from pipelines.kubeflow.telling import LogJournal

if TYPE_CHECKING:
    from pipelines.kubeflow.lineage import Record
    from pipelines.kubeflow.places import Work

EXIT_FAULT, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130

METADATA_VARIABLE = "AMADEUS_METADATA"
PERSONALITIES_VARIABLE = "AMADEUS_PERSONALITIES"

_CHATTY = {
    "absl": logging.ERROR,
    "apache_beam": logging.CRITICAL,  # what it raises is said once, and not by it
    "botocore": logging.WARNING,
    "matplotlib": logging.WARNING,
    "tensorflow": logging.ERROR,
}

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what the arguments say and returns the exit status."""
    args = build_parser().parse_args(argv)
    _log_to_stderr()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
    interruption.listen()
    attempts = None
    with LogJournal().activated():
        try:
            invocation = contract.read_invocation(
                args.executor_input,
                input_paths=dict(args.input_path),
                output_paths=dict(args.output_path),
            )
            before = Attempts(invocation.folder(args.pipeline))
            if said := before.recall():
                raise PracticeError(said)
            attempts = before
            attempts.grant(os.environ.get(RETRIES_VARIABLE, ""))
            with tempfile.TemporaryDirectory(prefix="amadeus-") as scratch:
                _run(args, invocation, Path(scratch))
        except (Exception, KeyboardInterrupt) as reason:
            return _explain(reason, attempts)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line, which the compiler writes and nobody types."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.kubeflow.entrypoint")
    parser.add_argument(
        "--component", help="class of a component in dots; without, what they all need"
    )
    parser.add_argument("--deu", required=True, help="whose practice it is")
    parser.add_argument("--pipeline", required=True, help="name of the pipeline")
    parser.add_argument(
        "--executor-input", required=True, help="an ExecutorInput as JSON"
    )
    for side in ("input", "output"):
        parser.add_argument(
            f"--{side}-path",
            nargs=2,
            action="append",
            default=[],
            metavar=("KEY", "PATH"),
            help=f"where the launcher keeps an {side} artifact",
        )
    parser.add_argument(
        "--settings", default="", help="digest of what is taught besides recordings"
    )
    parser.add_argument(
        "--beam-arg", action="append", default=[], help="an option for Beam"
    )
    return parser


def _run(
    args: argparse.Namespace, invocation: contract.Invocation, scratch: Path
) -> None:
    personalities_url = _given(
        invocation, names.PERSONALITIES_URL, PERSONALITIES_VARIABLE
    )
    if not args.component:
        from pipelines.kubeflow import preparing

        found = preparing.prepare(
            invocation, args.deu, personalities_url, scratch, settings=args.settings
        )
        contract.write_parameters(invocation, found)
        return
    from pipelines.kubeflow import places, running

    work = places.Work(
        component=args.component,
        deu=args.deu,
        task=invocation.task(args.pipeline),
        invocation=invocation,
        personalities_url=personalities_url,
        beam_args=args.beam_arg,
        scratch=scratch,
    )
    record = _open_record(work)
    try:
        made = running.run(work, record)
    except BaseException as error:
        if record is not None and not isinstance(error, KeyboardInterrupt):
            _record_failure(record, error)
        raise
    contract.write_artifacts(invocation, made)


def _open_record(work: "Work") -> "Record | None":
    url = _given(work.invocation, names.METADATA_URL, METADATA_VARIABLE)
    if not url:
        _log.warning(
            "no lineage is recorded: set the run's input %s, or %s, to have it.",
            names.METADATA_URL,
            METADATA_VARIABLE,
        )
        return None
    from pipelines.kubeflow import lineage

    return lineage.open_record(
        url,
        work.task,
        deu=work.deu,
        node=work.kind.__name__,
        execution_type=work.component,
    )


def _record_failure(record: "Record", error: BaseException) -> None:
    """Records why a task failed; that it cannot be recorded shall not hide why."""
    try:
        record.fail(_word(error)[0])
    except Exception:
        _log.warning("the failure was not recorded:\n%s", traceback.format_exc())


def _given(invocation: contract.Invocation, key: str, variable: str) -> str:
    return invocation.parameters.get(key) or os.environ.get(variable, "")


def _explain(error: BaseException, attempts: Attempts | None) -> int:
    """Says what stopped the container, for the log and for who follows, and with which exit status to end."""
    text, status, is_the_end = _word(error)
    if status == EXIT_FAULT:
        _log.error("%s", "".join(traceback.format_exception(error)))
    else:
        _log.error("%s", text)
    emit(failed=practice_pb2.PracticeFailed(text=text, exit_status=status))
    if is_the_end and attempts is not None:
        attempts.remember(text)
    return status


def _word(error: BaseException) -> tuple[str, int, bool]:
    """Finds the sentence, the exit status, and whether another attempt would end as this one."""
    if isinstance(error, KeyboardInterrupt) or interruption.is_asked():
        text = "the container was asked to stop: the run goes on from where it stopped."
        return text, EXIT_INTERRUPTED, False
    from pipelines.blame import find_reason

    reason = find_reason(error, place="the disk of the container")
    if isinstance(reason, AmadeusError):
        return str(reason), EXIT_BAD_INPUT, is_final(reason)
    last = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
    text = f"the practice met a fault of Amadeus ({last}): please report it with the log of this container."
    return text, EXIT_FAULT, False


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    (handler,) = logging.getLogger().handlers
    handler.addFilter(
        lambda record: (
            record.levelno >= _CHATTY.get(record.name.partition(".")[0], logging.NOTSET)
        )
    )


def _end_process(status: int) -> NoReturn:
    """Ends this process at once, without unloading what is in it.

    Beam and TensorFlow leave threads behind that crash the interpreter now and then while it ends ("pure virtual method
    called"), and a container that has done its work would count as failed.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _end_process(main())
