"""Tells the ama how a run goes: as if the practice were here, and what only a cluster can have to say besides."""

from contextlib import ExitStack
from pathlib import Path

import click

from amadeus.cli.display import Display, make_display
from amadeus.errors import ClusterError
from amadeus.report.session import Session
from amadeus.v1.practice_pb2 import PracticeEvent, Warning
from pipelines.kubeflow.client_endpoint import Endpoint
from pipelines.kubeflow.client_messages import Run

DETACHES = "Ctrl-C leaves it to the cluster"
_LIKE_AN_IMAGE = ("pull", "Image", "image")


class Teller:
    """Listens to a run for those who sit before a terminal or read a log.

    Attributes:
      session: What was heard.
    """

    def __init__(self, endpoint: Endpoint, deu: str, practice: str) -> None:
        self.session = Session(Path(practice))
        self._endpoint, self._deu = endpoint, deu
        self._link = ""
        self._display: Display | None = None
        self._shown = ExitStack()

    def __enter__(self) -> "Teller":
        return self

    def __exit__(self, *error: object) -> None:
        self._shown.close()

    def stands(self, run: Run) -> None:
        """Says where it stands."""
        self._link = self._endpoint.run_link(run.run_id)
        if run.state == "PENDING":
            click.echo("queued: the cluster has taken the run and not begun it")
        elif run.state == "CANCELING":
            self._say("somebody ends the run")
        elif run.state == "PAUSED":
            self._say(f"somebody has the run pause: {self._link}")
        else:
            self._show()

    def happened(self, event: PracticeEvent) -> None:
        """Shows an event as a practice at home does."""
        self.session.add(event)
        if event.WhichOneof("event") != "failed":  # which is said in the end
            self._show().show(event)

    def waits(self, component: str, reason: str) -> None:
        """Says why nothing goes on."""
        if any(word in reason for word in _LIKE_AN_IMAGE):
            self._say(
                f"{component} cannot begin, for its image cannot be pulled ({reason}): check the name given with "
                f"--image and the cluster's right to pull it; the run waits for it: {self._link}"
            )
        elif reason:
            self._say(f"{component} waits for a machine ({reason}): {self._link}")
        else:
            self._say(
                f"{component} has waited for a while to begin, for a machine with room or for its image: {self._link}"
            )

    def lost(self, error: ClusterError, pause_s: float) -> None:
        """Says that the API went away."""
        self._say(
            f"{error}\n  the run goes on; asking again in {max(pause_s, 1):.0f} s"
        )

    def _say(self, text: str) -> None:
        """Says a sentence without disturbing what is drawn."""
        if self._display is None:
            click.echo(text)
        else:
            said = PracticeEvent(
                elapsed_s=self.session.elapsed_s, warning=Warning(text=text)
            )
            self._display.show(said)

    def _show(self) -> Display:
        if self._display is None:
            display = make_display(self._deu, self.session, hint=DETACHES)
            self._display = self._shown.enter_context(display)
        return self._display
