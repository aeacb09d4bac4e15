"""Where a lone take is divided, so that both splits have something of it: its end is held out."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from amadeus.audio.passages import Passage
from components.split_names import Split

_SHORTEST_PIECE_S = 0.25  # what a cut leaves must still hold a few frames
_SHORTEST_HOLDOUT_S = 1.0


class Cut(NamedTuple):
    """Where a lone take is divided: sounding samples of `train` before, of `eval` after."""

    n_train: int
    shortest_piece: int


def find_cut(
    found: Iterable[Passage], *, sample_rate: int, eval_fraction: float
) -> Cut:
    """Decides where a take is divided.

    Args:
      found: All of its passages.
      sample_rate: In Hz.
      eval_fraction: Share of it to hold out, in (0, 0.5].
    """
    n_samples = sum(len(passage.audio) for passage in found)
    n_shortest = min(round(_SHORTEST_HOLDOUT_S * sample_rate), n_samples // 2)
    n_eval = max(round(n_samples * eval_fraction), n_shortest)
    return Cut(n_samples - n_eval, round(_SHORTEST_PIECE_S * sample_rate))


def keep(found: Iterable[Passage], split: Split, cut: Cut) -> Iterator[Passage]:
    """Keeps what of a take belongs to a split."""
    n_before = 0  # sounding samples before this passage
    for passage in found:
        n_samples = len(passage.audio)
        n_head = _snap(cut.n_train - n_before, n_samples, cut.shortest_piece)
        n_before += n_samples
        audio = passage.audio[:n_head] if split == "train" else passage.audio[n_head:]
        offset = passage.offset_samples + (0 if split == "train" else n_head)
        if len(audio):
            yield Passage(offset, audio)


def _snap(n_head: int, n_samples: int, shortest_piece: int) -> int:
    """Moves a cut that would leave a sliver to the end of the passage."""
    if n_head < shortest_piece:
        return 0
    return n_samples if n_samples - n_head < shortest_piece else n_head
