"""The live display of a practice in a terminal."""

import math
import time
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from amadeus.cli.progress import (
    ENDING,
    STOPPING,
    describe_progress,
    say_time_left,
)
from amadeus.report.session import Session
from amadeus.report.wording import duration
from amadeus.v1.practice_pb2 import PracticeEvent, TrainingProgress

_BLOCKS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 48


class LiveDisplay:
    """Components with their time, and training as a bar, numbers and a small curve."""

    def __init__(
        self, deu: str, session: Session, *, console: Console | None = None
    ) -> None:
        self._console = console or Console(highlight=False)
        self._deu = deu
        self._session = session
        self._progress: TrainingProgress | None = None
        self._current: str | None = None
        self._began_at = time.monotonic()
        self._note = ""
        self._is_live = False
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=8,
            redirect_stderr=False,
        )

    def __enter__(self) -> "LiveDisplay":
        title = Text.assemble(
            (self._deu, "bold"), f"  {self._session.practice}", style="dim"
        )
        self._console.print(title)
        self._is_live = True
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._is_live, self._note = False, ""
        self._live.__exit__(*error)

    def show(self, event: PracticeEvent) -> None:
        """Takes an event in; the next refresh shows it."""
        kind = event.WhichOneof("event")
        if kind == "component_started":
            self._current = event.component_started.component
            self._began_at = time.monotonic()
        elif kind == "component_finished":
            self._current = None
            self._began_at = time.monotonic()
        elif kind == "training_progress":
            self._progress = event.training_progress
        elif kind == "warning":
            self._console.print(Text(f"warning: {event.warning.text}", style="yellow"))
        for line in event.judged.lines:
            self._console.print(Text(line))

    def stopping(self, n_stops: int) -> None:
        """Notes it; the refreshing thread shows it."""
        self._note = STOPPING if n_stops == 1 else ENDING

    def render(self) -> RenderableType:
        """Draws how things stand now."""
        parts: list[RenderableType] = [self._draw_components()]
        if self._progress is not None:
            parts.append(Padding(self._draw_training(self._progress), (0, 0, 0, 4)))
        if self._note:
            parts.append(Text(self._note, style="bold yellow"))
        return Group(*parts)

    def _draw_components(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for done in self._session.components:
            remark = Text("from the cache" if done.cached else "", style="dim")
            seconds = Text(duration(done.duration_s), justify="right")
            table.add_row(Text("✓", style="green"), Text(done.name), seconds, remark)
        if self._is_live and not self._session.is_over:
            waited = Text(duration(time.monotonic() - self._began_at), justify="right")
            name = self._current or (
                "starting TFX" if not self._session.components else "…"
            )
            table.add_row(self._spinner, Text(name, style="bold"), waited, Text(""))
        return table

    def _draw_training(self, progress: TrainingProgress) -> RenderableType:
        share = self._share_done(progress)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(
                total=1.0, completed=share, width=_CURVE_WIDTH, complete_style="cyan"
            ),
            Text(f"{share:4.0%}"),
            Text(say_time_left(progress), style="dim"),
        )
        numbers = Text(describe_progress(progress, self._session), overflow="fold")
        losses = [point.train_loss for point in self._session.training]
        return Group(bar, numbers, Text(sparkline(losses), style="cyan"))

    def _share_done(self, progress: TrainingProgress) -> float:
        if progress.step_limit:
            return min(progress.step / progress.step_limit, 1.0)
        done_s, left_s = self._session.training_s, max(progress.remaining_s, 0.0)
        return done_s / (done_s + left_s) if done_s + left_s > 0 else 0.0


def sparkline(values: list[float], *, width: int = _CURVE_WIDTH) -> str:
    """Draws a curve in blocks, on a logarithmic scale as losses need it."""
    logs = [math.log(v) for v in values if math.isfinite(v) and v > 0]
    stride = max(1, math.ceil(len(logs) / width))
    means = [
        sum(logs[i : i + stride]) / len(logs[i : i + stride])
        for i in range(0, len(logs), stride)
    ]
    low, high = min(means, default=0.0), max(means, default=0.0)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((mean - low) * scale)] for mean in means)
