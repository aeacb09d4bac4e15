"""What happened in a session, as one story: what the coach said, then each practice, however often it was begun.

The story only grows: the n-th event is the same whenever and by whomever it is read, so a client that comes back
counts on from what it knows.
"""

from collections.abc import Sequence

from amadeus.errors import AmadeusError
from amadeus.home import Home
from amadeus.journal import JOURNAL_NAME, JournalReader
from amadeus.personality.content import read_personality
from amadeus.v1 import personality_pb2, practice_pb2
from serving.studio.feedbacks import is_feedback
from serving.studio.recordings import known_suffix
from serving.studio.sessions import Session, State

EXIT_INTERRUPTED = 130
TAKEN_UP_AGAIN = "the practice was interrupted, and goes on from where it stopped"


class Story:
    """Reads the events of a session from the first one on, each time as far as they go."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._n_done = 0  # journals that are read to their end
        self._reader: JournalReader | None = None
        self._offset_s = 0.0  # of the journal that is being read
        self._elapsed_s = 0.0
        self._held_back: practice_pb2.PracticeEvent | None = None
        self.progress: practice_pb2.TrainingProgress | None = None

    def read(self, session: Session) -> list[practice_pb2.PracticeEvent]:
        """Hands out the events that came since it was last asked.

        A last word that may not be the last is held back until it is known whether the session goes on.
        """
        paths = [session.path, *session.practice_paths(self._home)]
        events: list[practice_pb2.PracticeEvent] = []
        while self._n_done < len(paths):
            path = paths[self._n_done] / JOURNAL_NAME
            if self._reader is None or self._reader.path != path:
                self._reader = JournalReader(path)
            events += self._take(self._reader.read(), session)
            if self._n_done == len(paths) - 1:
                break
            events += self._resume()
            self._n_done += 1
            self._offset_s = self._elapsed_s
        if session.state.is_over:
            events += self._end(session)
        return events

    def _take(
        self, read: Sequence[practice_pb2.PracticeEvent], session: Session
    ) -> list[practice_pb2.PracticeEvent]:
        events, asked = [], session.configuration
        for event in read:
            event.elapsed_s += self._offset_s
            self._elapsed_s = max(self._elapsed_s, event.elapsed_s)
            _name_recordings(event, session, self._home)
            _claim_generation(event, session, self._home)
            kind = event.WhichOneof("event")
            if kind == "training_progress":
                self.progress = event.training_progress
            # The first practice of a feedback may be followed by another.
            if kind == "failed" or (kind == "finished" and is_feedback(asked)):
                self._held_back = event
            else:
                events.append(event)
        return events

    def _resume(self) -> list[practice_pb2.PracticeEvent]:
        """Makes a pause of what seemed to be the end; behind the coach and a judgement there is none."""
        held, self._held_back = self._held_back, None
        if not self._n_done or (held is not None and held.HasField("finished")):
            return []
        warning = practice_pb2.Warning(text=TAKEN_UP_AGAIN)
        return [practice_pb2.PracticeEvent(elapsed_s=self._elapsed_s, warning=warning)]

    def _end(self, session: Session) -> list[practice_pb2.PracticeEvent]:
        held, self._held_back = self._held_back, None
        if held is not None and held.HasField("finished"):
            return [held] if session.state is State.SUCCEEDED else []
        if held is None or session.state is not State.FAILED:
            return []
        # One that was stopped failed for a reason that the session knows, and its worker does not.
        return [held] if held.failed.exit_status != EXIT_INTERRUPTED else []


def name_recordings(text: str, session: Session, home: Home) -> str:
    """Calls recordings in a sentence by the names they were given, and tells nothing of where the studio keeps them."""
    for info in session.configuration.recordings:
        if info.sha256 in text:
            kept = info.sha256 + known_suffix(info.name)
            for spelling in (str(home.recordings_path / kept), kept, info.sha256):
                text = text.replace(spelling, info.name)
    return text.replace(str(home.path), "the studio's home")


def find_personality(
    session: Session, home: Home, generation: int
) -> personality_pb2.Personality | None:
    """Finds a generation of a session's deu; None for 0, or if it is gone since."""
    if not generation:
        return None
    try:
        deu = home.deu(session.configuration.deu)
        return read_personality(deu.voice_path(generation))
    except AmadeusError:
        return None


def _name_recordings(
    event: practice_pb2.PracticeEvent, session: Session, home: Home
) -> None:
    kind = event.WhichOneof("event")
    if kind in ("warning", "failed"):
        said = getattr(event, kind)
        said.text = name_recordings(said.text, session, home)
    elif kind == "judged":
        lines = [name_recordings(line, session, home) for line in event.judged.lines]
        event.judged.lines[:] = lines


def _claim_generation(
    event: practice_pb2.PracticeEvent, session: Session, home: Home
) -> None:
    """Calls a generation new where this session made it, if in a practice that was killed before it could say so."""
    if event.WhichOneof("event") == "finished" and not event.finished.is_new:
        personality = find_personality(session, home, event.finished.generation)
        if personality is not None:
            event.finished.is_new = personality.practice in session.standing.practices
