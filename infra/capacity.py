"""Works out what so many instruments and practices need.

    python infra/capacity.py                      # the tables of CAPACITY.md
    python infra/capacity.py --prices FILE        # with your prices instead of those in prices.toml
    python infra/capacity.py --write CAPACITY.md  # puts them where they stand in that file

What was measured and what is assumed stands in `Measured` and `Assumed`, each with where it comes from; put in your own
and run it again. Needs are in cores, GB and hours; prices come last and from a file of their own.
"""

import argparse
import dataclasses
import math
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- capacity.py writes this: -->", "<!-- up to here -->"
HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Measured:
    """Measured on 2 cores at 2.5 GHz, without a GPU.

    Attributes:
      practice_overhead_min: A practice beside its training: 1.7 minutes for all of `make demo`, with one of training.
      practice_cores: Of that.
      practice_gb: Most a practice held, TFX and Beam included (`ps` over `amadeus practice imitate`, preset live).
      performances_per_core: Of 2 voices in blocks of 20 ms: 16 on 2 cores, none of 33,152 blocks late, the model server
        inside (`python -m benchmarks perform`).
      studio_gb: A studio after 1.95 hours of playing, the model server inside (`perform --only night`: 1.207).
      voice_gb: A voice more in a model server, of 41 (preset live).
      voices_served: Of each instrument in a model server, its newest (`serving.model_server.listing`).
      voice_disk_gb: A voice as files.
      artifacts_gb: What a pipeline leaves of 10 minutes of recordings: five times their flac, 22 MB of the examples' 4.
      session_ms: To read a session in a look at all; a studio looks `looks_per_s` times a second.
    """

    practice_overhead_min: float = 0.7
    practice_cores: float = 2.0
    practice_gb: float = 3.3
    performances_per_core: float = 8.0
    studio_gb: float = 1.2
    voice_gb: float = 0.020
    voices_served: int = 2
    voice_disk_gb: float = 0.0014
    artifacts_gb: float = 0.15
    session_ms: float = 0.040
    looks_per_s: float = 20.0


@dataclass(frozen=True)
class Assumed:
    """What depends on who plays.

    Attributes:
      training_min: Of a practice.
      busy: Share of the time that practices practise; the rest is for peaks, and what waits does so in the queue.
      playing: Share of the instruments that are played at the busiest moment.
      margin: Performances a core is given, of those it could bear.
      asked: Voices a model server holds beside the newest, of each instrument that is played: older ones, asked for.
      recordings_gb: Of a practice, kept for `keep_days`, 10 minutes of flac.
      keep_days: Recordings and sessions are kept.
      generations: Kept for each instrument, the others pruned.
      other_cores: Database, metrics and lists, in each home.
      other_gb: Of those.
    """

    training_min: float = 4.0
    busy: float = 0.6
    playing: float = 0.05
    margin: float = 0.5
    asked: int = 1
    recordings_gb: float = 0.03
    keep_days: float = 0.25
    generations: int = 20
    other_cores: float = 1.0
    other_gb: float = 3.0


@dataclass(frozen=True)
class Prices:
    """What things cost, in a currency of your choice.

    Attributes:
      core_hour: A core.
      gb_hour: A GB of memory.
      spot: Share of both that a machine costs which may be taken away; practices bear that, performances do not.
      disk_gb_month: A GB of a shared file system.
    """

    core_hour: float
    gb_hour: float
    spot: float
    disk_gb_month: float


@dataclass(frozen=True)
class Need:
    """What a home needs, in units that have no price.

    Attributes:
      practices: Practices at once.
      performances: Performances at once.
      studios: Replicas, each of 2 cores.
      servers: Replicas of TF Serving, each of 2 cores and with all voices.
      server_gb: Memory of each.
      sessions: Sessions kept.
      looking: Share of a core that each studio spends on looking at them.
      disk_gb: Of the home.
      steady_cores: Of what must stay: studios, TF Serving, database.
      steady_gb: Memory of those.
      spot_cores: Of what may be interrupted: practices.
      spot_gb: Memory of those.
    """

    practices: int
    performances: int
    studios: int
    servers: int
    server_gb: float
    sessions: int
    looking: float
    disk_gb: float
    steady_cores: float
    steady_gb: float
    spot_cores: float
    spot_gb: float

    @property
    def cores(self) -> float:
        """In all."""
        return self.steady_cores + self.spot_cores

    @property
    def memory_gb(self) -> float:
        """In all."""
        return self.steady_gb + self.spot_gb

    @property
    def core_hours(self) -> float:
        """A day."""
        return 24 * self.cores

    @property
    def gb_hours(self) -> float:
        """Of memory, a day."""
        return 24 * self.memory_gb


def work_out(
    n_instruments: int,
    n_practices: int,
    measured: Measured | None = None,
    assumed: Assumed | None = None,
) -> Need:
    """Works out what one home needs.

    Args:
      n_instruments: Instruments.
      n_practices: Practices a day.
      measured: What was measured.
      assumed: What is assumed.
    """
    m, a = measured or Measured(), assumed or Assumed()
    practices = math.ceil(n_practices * practice_min(m, a) / (24 * 60) / a.busy)
    performances = math.ceil(n_instruments * a.playing)
    play_cores = performances / (m.performances_per_core * a.margin)
    studios = max(2, math.ceil(play_cores / 2))
    servers = max(2, math.ceil(play_cores / 2))
    voices = n_instruments * m.voices_served + performances * a.asked
    server_gb = 0.5 + voices * m.voice_gb
    sessions = math.ceil(n_practices * a.keep_days)
    generations = n_instruments * a.generations
    return Need(
        practices=practices,
        performances=performances,
        studios=studios,
        servers=servers,
        server_gb=server_gb,
        sessions=sessions,
        looking=sessions * m.session_ms / 1000 * m.looks_per_s,
        disk_gb=generations * (m.voice_disk_gb + m.artifacts_gb)
        + sessions * a.recordings_gb,
        steady_cores=2.0 * (studios + servers) + a.other_cores,
        steady_gb=studios * m.studio_gb + servers * server_gb + a.other_gb,
        spot_cores=practices * m.practice_cores,
        spot_gb=practices * m.practice_gb,
    )


def practice_min(measured: Measured, assumed: Assumed) -> float:
    """How long a practice takes, from end to end."""
    return assumed.training_min + measured.practice_overhead_min


def month(need: Need, prices: Prices) -> float:
    """What a home costs in a month."""
    cores = need.steady_cores + prices.spot * need.spot_cores
    memory_gb = need.steady_gb + prices.spot * need.spot_gb
    hour = cores * prices.core_hour + memory_gb * prices.gb_hour
    return HOURS_A_MONTH * hour + need.disk_gb * prices.disk_gb_month


def read_prices(path: Path) -> Prices:
    """Reads prices.

    Raises:
      ValueError: The file lacks one, or has one too many.
    """
    told = tomllib.loads(path.read_text())
    names = {field.name for field in dataclasses.fields(Prices)}
    if told.keys() != names:
        raise ValueError(
            f"{path} has {sorted(told)}: write a number for each of {sorted(names)}, and nothing else."
        )
    return Prices(**told)


COLUMNS = (
    ("one instrument maker", 20, 50),
    ("a cell", 100, 1_000),
    ("ten cells in one home (do not)", 1_000, 10_000),
)
ROWS = (
    ("practices at once (replicas of `practice`)", "practices", "{:.0f}"),
    ("performances at the busiest moment", "performances", "{:.0f}"),
    ("replicas of `studio`, 2 cores each", "studios", "{:.0f}"),
    ("replicas of `tf-serving`, 2 cores each", "servers", "{:.0f}"),
    ("memory of each `tf-serving`", "server_gb", "{:.1f} GB"),
    ("sessions kept", "sessions", "{:.0f}"),
    ("of a core, for each studio to look at them", "looking", "{:.0%}"),
    ("home", "disk_gb", "{:.0f} GB"),
    (
        "cores in all, of which may be interrupted",
        ("cores", "spot_cores"),
        "{:.0f}, {:.0f}",
    ),
    (
        "memory in all, of which may be interrupted",
        ("memory_gb", "spot_gb"),
        "{:.0f} GB, {:.0f} GB",
    ),
    ("core hours a day", "core_hours", "{:,.0f}"),
    ("GB hours of memory a day", "gb_hours", "{:,.0f}"),
)


def table(prices: Prices) -> str:
    """Writes the table of homes of several sizes."""
    needs = [work_out(instruments, practices) for _, instruments, practices in COLUMNS]
    heads = [
        f"{name}: {i:,} instruments, {p:,} practices a day" for name, i, p in COLUMNS
    ]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    for name, fields, form in ROWS:
        told = [_told(need, fields, form) for need in needs]
        lines.append(f"| {name} | " + " | ".join(told) + " |")
    costs = [f"{month(need, prices):,.0f}" for need in needs]
    lines.append("| a month, at the prices below | " + " | ".join(costs) + " |")
    return "\n".join(lines)


def _told(need: Need, fields: str | tuple[str, ...], form: str) -> str:
    names = (fields,) if isinstance(fields, str) else fields
    return form.format(*(getattr(need, name) for name in names))


def cells(prices: Prices, n_cells: int = 10) -> str:
    """Says what so many cells come to, and what one practice takes."""
    _, instruments, practices = COLUMNS[1]
    need, m, a = work_out(instruments, practices), Measured(), Assumed()
    core_min, gb_min = (
        practice_min(m, a) * n for n in (m.practice_cores, m.practice_gb)
    )
    lines = (
        f"{n_cells} cells serve {n_cells * instruments:,} instruments and {n_cells * practices:,} practices a day with "
        f"{n_cells * need.cores:.0f} cores ({n_cells * need.spot_cores:.0f} of which may be interrupted), "
        f"{n_cells * need.memory_gb:.0f} GB of memory and {n_cells * need.disk_gb:.0f} GB of homes: "
        f"{n_cells * need.core_hours:,.0f} core hours and {n_cells * need.gb_hours:,.0f} GB hours a day.",
        f"A practice takes {core_min:.1f} core minutes and {gb_min:.1f} GB minutes; with the time its replica waits "
        f"for the next, {core_min / a.busy:.1f} and {gb_min / a.busy:.1f}.",
        f"At {prices.core_hour} for a core and {prices.gb_hour} for a GB of memory an hour, {prices.spot:.0%} of that "
        f"where it may be taken away, and {prices.disk_gb_month} for a GB of the home a month, {n_cells} cells cost "
        f"{n_cells * month(need, prices):,.0f} a month, and a practice {practice_price(prices):.4f}.",
    )
    return "\n\n".join(lines)


def practice_price(prices: Prices) -> float:
    """Price of one practice, with the time its replica waits for the next."""
    m, a = Measured(), Assumed()
    hours = practice_min(m, a) / 60 / a.busy
    hour = m.practice_cores * prices.core_hour + m.practice_gb * prices.gb_hour
    return hours * hour * prices.spot


def text(prices: Prices) -> str:
    """All that stands in CAPACITY.md between the marks."""
    return f"{BEGIN}\n\n{table(prices)}\n\n{cells(prices)}\n\n{END}"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the tables and returns the exit status."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(prog="python infra/capacity.py")
    parser.add_argument("--prices", type=Path, default=here / "prices.toml")
    parser.add_argument("--write", type=Path, help="a file that has both marks")
    options = parser.parse_args(argv)
    try:
        prices = read_prices(options.prices)
        if options.write is None:
            sys.stdout.write(f"{table(prices)}\n\n{cells(prices)}\n")
            return 0
        before, _, rest = options.write.read_text().partition(BEGIN)
        _, mark, after = rest.partition(END)
        if not mark:
            raise ValueError(
                f"{options.write} has no lines {BEGIN} and {END}: write them where the tables belong."
            )
    except (OSError, ValueError) as error:  # of TOML, too
        sys.stderr.write(f"capacity.py: {error}\n")
        return 2
    options.write.write_text(f"{before}{text(prices)}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
