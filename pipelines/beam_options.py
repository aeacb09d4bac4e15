"""Options for Beam: completed, and refused in a sentence where they cannot work. Light until one is to be checked.

Beam itself drops options that it does not know with a warning in a log, ends the process where a value cannot be, and
knocks for minutes at a job service that is not there.
"""

import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from amadeus.errors import ConfigError
from components.beam_engine import local_args

RUNNERS = (
    "DirectRunner",
    "PortableRunner",
    "FlinkRunner",
    "SparkRunner",
    "DataflowRunner",
)
_OWN = ("directrunner", "fnapirunner", "workersrunner")  # names of Beam's own engine
_MEMORY_MODE = "in_memory"
_SECRETS = (
    "--azure_connection_string",
    "--s3_access_key_id",
    "--s3_secret_access_key",
    "--s3_session_token",
)  # Beam's; ML Metadata would keep them with the parameters of every step


def beam_args(given: Sequence[str]) -> list[str]:
    """Completes options for Beam: an ama's own win, and nothing is fetched from a network."""
    name, rest = _named_runner(given)
    if _is_own(name):
        return [*local_args(), *_alone(rest), *rest]
    return [f"--runner={name}", *rest]


def runner_of(given: Sequence[str]) -> str:
    """Names the runner that was asked for, as Beam does; looked at first of all options, before anything is written.

    Raises:
      ConfigError: It is none that Amadeus runs on, or an option is a secret.
    """
    _refuse_secrets(given)
    name, _ = _named_runner(given)
    if _is_own(name):
        return RUNNERS[0]
    known = {one.lower(): one for one in RUNNERS}
    short = name.rpartition(".")[2].lower()
    found = known.get(short) or known.get(f"{short}runner")
    if found is None:
        raise ConfigError(
            f"--runner={name} is none that Amadeus runs on: choose {', '.join(RUNNERS[:-1])} or {RUNNERS[-1]}."
        )
    return found


def parse(given: Sequence[str], *, more: Sequence[str] = ()) -> Any:
    """Reads options as Beam does, and refuses what Beam would drop or die of.

    Args:
      given: The options.
      more: Names of options that a job service knows beside those of Beam.

    Returns:
      An argparse.Namespace with every option of Beam.

    Raises:
      ConfigError: An option is unknown, or its value cannot be.
    """
    parser = _parser()
    for name in more:
        if f"--{name}" not in parser._option_string_actions:
            parser.add_argument(f"--{name}", nargs="?", const=True)
    known, unknown = parser.parse_known_args(list(given))
    if unknown:
        _refuse_unknown(unknown[0], parser)
    _check_workers(known, given)
    return known


def glance(given: Sequence[str]) -> Any:
    """Reads the options that Beam knows, and leaves it open whether somebody else knows the others.

    Raises:
      ConfigError: A value cannot be.
    """
    return _parser().parse_known_args(list(given))[0]


def _parser() -> Any:
    from apache_beam.options import pipeline_options
    from apache_beam.runners.portability import flink_runner  # noqa: F401 (its options)

    from components.records_options import RecordsOptions  # noqa: F401 (and ours)

    class Parser(pipeline_options._BeamArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise ConfigError(
                f"an option for Beam cannot be: {message}; mend or leave out that --beam-arg."
            )

    parser = Parser(allow_abbrev=False, add_help=False)
    kinds = {str(one): one for one in pipeline_options.PipelineOptions.__subclasses__()}
    for kind in kinds.values():
        kind._add_argparse_args(parser)
    return parser


def _refuse_secrets(given: Sequence[str]) -> None:
    names = [arg.partition("=")[0] for arg in given]
    secret = next((name for name in names if name in _SECRETS), None)
    if secret is not None:
        raise ConfigError(
            f"{secret} is a secret, and options for Beam are kept with the lineage: leave it out, and give it to the "
            "workers by their environment, as docs/buckets.md says."
        )


def _refuse_unknown(arg: str, parser: Any) -> NoReturn:
    name = arg.partition("=")[0]
    near = difflib.get_close_matches(name, parser._option_string_actions, n=1)
    hint = f"did you mean {near[0]}?" if near else "leave it out, or see docs/beam.md."
    raise ConfigError(f"{arg} is no option of Beam: {hint}")


def _check_workers(known: Any, given: Sequence[str]) -> None:
    n_workers = known.direct_num_workers
    asked = any(arg.startswith("--direct_num_workers") for arg in given)
    if n_workers < 0:
        raise ConfigError(
            f"--direct_num_workers={n_workers} cannot be: say 1 or more, or 0 for one a processor."
        )
    if _is_alone(given) and asked and n_workers != 1:
        raise ConfigError(
            f"--direct_num_workers={n_workers} does nothing with --direct_running_mode={_MEMORY_MODE}, where one "
            "worker does all: leave one of them out, or say --direct_running_mode=multi_processing."
        )
    if not _is_own(known.runner or "") and any(
        arg.startswith("--direct_") for arg in given
    ):
        raise ConfigError(
            f"--direct_... options are of Beam's own engine, and --runner={known.runner} is another: leave one out."
        )


def _alone(rest: Sequence[str]) -> list[str]:
    return ["--direct_num_workers=1"] if _is_alone(rest) else []


def _is_alone(given: Sequence[str]) -> bool:
    return _take_out("direct_running_mode", given)[0] == _MEMORY_MODE


def _named_runner(given: Sequence[str]) -> tuple[str, list[str]]:
    return _take_out("runner", given)


def _take_out(option: str, given: Sequence[str]) -> tuple[str, list[str]]:
    """Finds the value of an option, in one word or in two, and hands back the other options."""
    value, rest, words = "", [], list(given)
    while words:
        word = words.pop(0)
        if word == f"--{option}" and words:
            value = words.pop(0)
        elif word.startswith(f"--{option}="):
            value = word.partition("=")[2]
        else:
            rest.append(word)
    return value, rest


def _is_own(name: str) -> bool:
    short = name.rpartition(".")[2].lower()
    return not name or short in _OWN or short == "direct"
