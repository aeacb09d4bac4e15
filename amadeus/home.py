"""The home folder: where deus, their voices, practices and metadata live.

    $AMADEUS_HOME/
      metadata.sqlite           ML Metadata: the lineage of everything
      deus/<deu>/deu.json       name and time of creation
      deus/<deu>/lock           held while a practice of this deu runs
      deus/<deu>/current        number of the generation that plays; absent: the highest
      deus/<deu>/asked/<generation>    touched while a studio plays it by a TF Serving elsewhere
      deus/<deu>/pruned/<generation>.json    who a generation was whose files are gone
      deus/<deu>/voices/<generation>/    a personality: SavedModel + assets.extra/personality.json
      deus/<deu>/practices/<practice>/   request.json, journal.jsonl, log.txt, tensorboard/
      deus/<deu>/pipeline/      TFX pipeline root: artifacts and checkpoints of this deu
      sessions/<session>/       a practice session of a studio, from its upload on: session.json, state.json, parts/
      recordings/<sha256>       what was sent to a studio, each recording once

A studio's session lies beside the deus until its turn comes; then it makes an ordinary practice in the folder of its
deu, a new one each time it is taken up again, so that whoever reads practices need not know of studios. All of it is
files: every studio that shares the home serves every session.

`voices/` is a TF Serving base path: a generation appears in it by one rename or not at all. Which one plays is a
pointer beside it: whoever makes a generation moves it there, and a checkout moves it anywhere, copying nothing.
"""

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from amadeus import fence
from amadeus.errors import ConfigError, HomeError, NotHeldError

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
METADATA_VARIABLE = (
    "AMADEUS_METADATA"  # address of metadata elsewhere than in the home's file
)
POINTER_NAME = "current"
PRUNED_NAME = "pruned"

_POINTER_LOCK_NAME = ".pointing"
_POINTER_BYTES = 20  # more is no number of a generation


@dataclass(frozen=True)
class Deu:
    """An instrument and the folder it lives in."""

    name: str
    path: Path

    @property
    def voices_path(self) -> Path:
        """Folder of all generations, a TF Serving base path."""
        return self.path / "voices"

    @property
    def pruned_path(self) -> Path:
        """Folder of what is kept of generations whose files are gone."""
        return self.path / PRUNED_NAME

    @property
    def practices_path(self) -> Path:
        """Folder of all practice sessions."""
        return self.path / "practices"

    @property
    def pipeline_path(self) -> Path:
        """Root of this deu's TFX pipeline."""
        return self.path / "pipeline"

    @property
    def created_at(self) -> str:
        """Time of creation, ISO 8601 in UTC."""
        return json.loads((self.path / "deu.json").read_text())["created_at"]

    def generations(self) -> list[int]:
        """Lists the generations present, oldest first."""
        if not self.voices_path.is_dir():
            return []
        names = (entry.name for entry in self.voices_path.iterdir() if entry.is_dir())
        return sorted(int(name) for name in names if name.isdecimal())

    def pruned_generations(self) -> list[int]:
        """Lists the generations whose files were freed, oldest first."""
        if not self.pruned_path.is_dir():
            return []
        names = (path.stem for path in self.pruned_path.glob("*.json"))
        numbers = {int(name) for name in names if name.isdecimal()}
        return sorted(numbers - set(self.generations()))

    def current_generation(self) -> int:
        """Names the generation that plays; 0 for a deu that never practised.

        It is the one that was pointed to; where that is gone, or nothing was pointed to, the highest.
        """
        pointed = self._pointed()
        if pointed and (self.voices_path / str(pointed)).is_dir():
            return pointed
        return max(self.generations(), default=0)

    def point_to(self, generation: int) -> None:
        """Makes a generation the one that plays, atomically; the next practice grows from it.

        Raises:
          NotHeldError: This deu has no such generation.
          HomeError: The folder cannot be written.
          PracticeError: This is a worker whose practice another has taken over.
        """
        with explain_os_errors(self.path), fence.passed(), self.pointing():
            self.voice_path(generation)
            write_atomically(self.path / POINTER_NAME, f"{generation}\n")

    @contextlib.contextmanager
    def pointing(self) -> Iterator[None]:
        """Holds the pointer for a moment: nobody moves it, and nothing it names goes away."""
        with (self.path / _POINTER_LOCK_NAME).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def pointer_notice(self) -> str:
        """Says why another generation plays than was pointed to; empty where all is well."""
        pointed = self._pointed()
        current = self.current_generation()
        if pointed is None or pointed == current or not current:
            return ""
        named = f"generation {pointed}" if pointed else "no generation at all"
        return (
            f"{self.path / POINTER_NAME} names {named}, which is not there: generation {current}, the highest, plays; "
            f"choose one with `amadeus deu checkout {self.name}@N`."
        )

    def _pointed(self) -> int | None:
        """Reads the pointer: None without one, 0 for one that says nothing."""
        try:
            text = (self.path / POINTER_NAME).read_bytes()[:_POINTER_BYTES].strip()
        except FileNotFoundError:
            return None
        except OSError:
            return 0
        return int(text) if text.isdigit() else 0

    def voice_path(self, generation: int | None = None) -> Path:
        """Finds the SavedModel of a generation, by default of the current one.

        Raises:
          NotHeldError: This deu has no such generation.
        """
        number = generation or self.current_generation()
        path = self.voices_path / str(number)
        if not number or not path.is_dir():
            raise NotHeldError(_no_voice(self, generation))
        return path

    def practices(self) -> list[Path]:
        """Lists the folders of practice sessions, oldest first."""
        if not self.practices_path.is_dir():
            return []
        return sorted(
            entry for entry in self.practices_path.iterdir() if entry.is_dir()
        )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds this deu for one practice at a time.

        Raises:
          HomeError: Another practice of this deu is running.
        """
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise HomeError(
                    f"deu {self.name!r} is in another practice: wait until it ends, then start this one."
                ) from None
            yield


class Home:
    """The folder that holds everything an ama has."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def metadata_path(self) -> Path:
        """The SQLite file of ML Metadata."""
        return self.path / "metadata.sqlite"

    @property
    def sessions_path(self) -> Path:
        """Folder of the practice sessions of studios."""
        return self.path / "sessions"

    @property
    def recordings_path(self) -> Path:
        """Folder of the recordings that were sent to a studio."""
        return self.path / "recordings"

    def create_deu(self, name: str) -> Deu:
        """Makes a new deu.

        Raises:
          ConfigError: The name cannot be one.
          HomeError: The deu exists, or the folder cannot be written.
        """
        deu = self._deu(name)
        if (deu.path / "deu.json").exists():
            raise HomeError(
                f"deu {name!r} exists already: choose another name, or practise with this one."
            )
        created_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with explain_os_errors(deu.path):
            deu.path.mkdir(parents=True, exist_ok=True)
            write_atomically(
                deu.path / "deu.json",
                json.dumps({"name": name, "created_at": created_at}),
            )
        return deu

    def deu(self, name: str) -> Deu:
        """Finds a deu by name.

        Raises:
          ConfigError: The name cannot be one.
          NotHeldError: There is no such deu.
        """
        deu = self._deu(name)
        if not (deu.path / "deu.json").exists():
            raise NotHeldError(self._unknown(name))
        return deu

    def deus(self) -> list[Deu]:
        """Lists all deus by name."""
        root = self.path / "deus"
        if not root.is_dir():
            return []
        return [
            Deu(path.name, path)
            for path in sorted(root.iterdir())
            # One that is being removed has another name until it is gone.
            if NAME_PATTERN.fullmatch(path.name) and (path / "deu.json").exists()
        ]

    def remove_deu(self, name: str) -> None:
        """Removes a deu and all its voices; its lineage stays in ML Metadata.

        Raises:
          HomeError: There is no such deu, or it is in a practice.
        """
        deu = self.deu(name)
        with deu.locked():
            doomed = deu.path.with_name(f".removed-{name}-{os.getpid()}")
            deu.path.rename(doomed)
        shutil.rmtree(doomed)

    def _deu(self, name: str) -> Deu:
        if not NAME_PATTERN.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot name a deu: use up to 40 of a-z, 0-9, - and _, starting with a letter or digit."
            )
        return Deu(name, self.path / "deus" / name)

    def _unknown(self, name: str) -> str:
        known = ", ".join(deu.name for deu in self.deus())
        offer = f"there are {known}; " if known else ""
        return f"there is no deu {name!r}: {offer}make one with `amadeus deu create {name}`."


def open_home(path: str | None = None) -> Home:
    """Opens the home folder: `path`, else `$AMADEUS_HOME`, else the platform's user-data folder.

    Raises:
      ConfigError: It is a URL. Locks, renames of folders, SQLite and sessions need a file system.
    """
    chosen = path or os.environ.get("AMADEUS_HOME")
    if chosen and "://" in chosen:
        raise ConfigError(
            f"a home cannot lie in a store, and {chosen.partition('://')[0]}:// names one: choose a folder, and keep "
            "voices in the store with AMADEUS_PERSONALITIES and `amadeus deu push`."
        )
    if chosen:
        return Home(Path(chosen).expanduser().resolve())
    import platformdirs  # here, so that `--help` does not pay for it

    return Home(Path(platformdirs.user_data_dir("amadeus")))


def is_recorded(home: Home) -> bool:
    """Tells whether there can be any metadata to read."""
    address = os.environ.get(METADATA_VARIABLE, "")
    if address.startswith("sqlite:"):
        return Path(unquote("/" + address.removeprefix("sqlite:").lstrip("/"))).exists()
    return bool(address) or home.metadata_path.exists()


@contextlib.contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turns what the operating system says of a folder into a sentence.

    Raises:
      HomeError: Instead of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise HomeError(
            f"cannot write {path}: {error.strerror or error}; free space or give rights there, or choose another "
            "home with AMADEUS_HOME."
        ) from error


def write_atomically(path: Path, text: str) -> None:
    """Writes a small file so that readers see the old or the new text, never a part."""
    # by chance: two containers that share a home may have the same process ids
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    scratch.write_text(text)
    scratch.replace(path)


def _no_voice(deu: Deu, generation: int | None) -> str:
    generations = deu.generations()
    if generation in deu.pruned_generations():
        return (
            f"generation {generation} of {deu.name!r} was pruned: its lineage is kept, its files are gone; there are "
            f"{', '.join(map(str, generations)) or 'none'}."
        )
    if not generations:
        return f"deu {deu.name!r} has no voice yet: teach it with `amadeus practice imitate {deu.name} RECORDINGS`."
    return f"deu {deu.name!r} has no generation {generation}: there are {', '.join(map(str, generations))}."
