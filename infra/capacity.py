"""Works out what so many instruments and practices need: `python infra/capacity.py` writes the tables of CAPACITY.md.

What was measured and what is assumed stands in `Measured` and `Assumed`, each with where it comes from; put in your own
and run it again.
"""

import math
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """Measured on 2 cores at 2.5 GHz, without a GPU.

    Attributes:
      practice_overhead_min: A practice beside its training: 1.7 minutes for all of `make demo`, with one of training.
      practice_cores: Of that.
      practice_gb: Most a practice held, TFX and Beam included (`ps` over `amadeus practice imitate`, preset live).
      performances_per_core: Of 2 voices in blocks of 20 ms, 0.1 % of blocks late (`python -m benchmarks perform`).
      studio_gb: A studio in its image, no voice loaded.
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
    studio_gb: float = 0.75
    voice_gb: float = 0.020
    voices_served: int = 2
    voice_disk_gb: float = 0.0014
    artifacts_gb: float = 0.15
    session_ms: float = 0.040
    looks_per_s: float = 20.0


@dataclass(frozen=True)
class Assumed:
    """What depends on who plays, and on prices.

    Attributes:
      training_min: Of a practice.
      busy: Share of the time that practices practise; the rest is for peaks, and what waits does so in the queue.
      playing: Share of the instruments that are played at the busiest moment.
      margin: Performances a core is given, of those it could bear.
      recordings_gb: Of a practice, kept for `keep_days`, 10 minutes of flac.
      keep_days: Recordings and sessions are kept.
      generations: Kept for each instrument, the others pruned.
      core_hour: Price of a core, in a currency of your choice.
      gb_hour: Price of a GB of memory.
      spot: Price of a core that may be taken away, as a share; practices bear that, performances do not.
      disk_gb_month: Price of a GB of a shared file system.
    """

    training_min: float = 4.0
    busy: float = 0.6
    playing: float = 0.05
    margin: float = 0.5
    recordings_gb: float = 0.03
    keep_days: float = 0.25
    generations: int = 20
    core_hour: float = 0.035
    gb_hour: float = 0.005
    spot: float = 0.4
    disk_gb_month: float = 0.25


@dataclass(frozen=True)
class Need:
    """What a cell needs.

    Attributes:
      practices: Practices at once.
      performances: Performances at once.
      studios: Replicas, each of 2 cores.
      servers: Replicas of TF Serving, each of 2 cores and with all voices.
      server_gb: Memory of each.
      sessions: Sessions kept.
      looking: Share of a core that each studio spends on looking at them.
      disk_gb: Of the home.
      cores: In all.
      memory_gb: In all.
      month: Price of a month of 730 hours.
    """

    practices: int
    performances: int
    studios: int
    servers: int
    server_gb: float
    sessions: int
    looking: float
    disk_gb: float
    cores: float
    memory_gb: float
    month: float


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
    practice_min = a.training_min + m.practice_overhead_min
    practices = math.ceil(n_practices * practice_min / (24 * 60) / a.busy)
    performances = math.ceil(n_instruments * a.playing)
    play_cores = performances / (m.performances_per_core * a.margin)
    studios = max(2, math.ceil(play_cores / 2))
    servers = max(2, math.ceil(play_cores / 2))
    server_gb = 0.5 + n_instruments * m.voices_served * m.voice_gb
    sessions = math.ceil(n_practices * a.keep_days)
    looking = sessions * m.session_ms / 1000 * m.looks_per_s
    disk_gb = (
        n_instruments * a.generations * (m.voice_disk_gb + m.artifacts_gb)
        + sessions * a.recordings_gb
    )
    steady_cores = 2.0 * (studios + servers)
    steady_gb = studios * m.studio_gb + servers * server_gb
    practice_cores, practice_gb = (
        practices * m.practice_cores,
        practices * m.practice_gb,
    )
    hour = steady_cores * a.core_hour + steady_gb * a.gb_hour
    hour += (practice_cores * a.core_hour + practice_gb * a.gb_hour) * a.spot
    month = 730 * hour + disk_gb * a.disk_gb_month
    return Need(
        practices, performances, studios, servers, server_gb, sessions, looking, disk_gb,
        steady_cores + practice_cores, steady_gb + practice_gb, month,
    )  # fmt: skip


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
    ("cores in all", "cores", "{:.0f}"),
    ("memory in all", "memory_gb", "{:.0f} GB"),
    ("a month", "month", "{:,.0f}"),
)


def table() -> str:
    """Writes the table of homes of several sizes."""
    needs = [work_out(instruments, practices) for _, instruments, practices in COLUMNS]
    heads = [
        f"{name}: {i:,} instruments, {p:,} practices a day" for name, i, p in COLUMNS
    ]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    for name, field, form in ROWS:
        cells = [form.format(getattr(need, field)) for need in needs]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cells(n_cells: int = 10) -> str:
    """Says what so many cells come to."""
    _, instruments, practices = COLUMNS[1]
    need = work_out(instruments, practices)
    cores, memory_gb = n_cells * need.cores, n_cells * need.memory_gb
    disk_gb, month = n_cells * need.disk_gb, n_cells * need.month
    return (
        f"{n_cells} cells serve {n_cells * instruments:,} instruments and {n_cells * practices:,} practices a day with "
        f"{cores:.0f} cores, {memory_gb:.0f} GB of memory, {disk_gb:.0f} GB of homes and {month:,.0f} a month; "
        f"a practice costs {practice_price():.4f}."
    )


def practice_price() -> float:
    """Price of one practice, with the time its replica waits for the next."""
    m, a = Measured(), Assumed()
    hours = (a.training_min + m.practice_overhead_min) / 60 / a.busy
    return hours * (m.practice_cores * a.core_hour + m.practice_gb * a.gb_hour) * a.spot


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n\n{cells()}\n")
