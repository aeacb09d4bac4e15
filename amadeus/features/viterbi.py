"""The Viterbi algorithm for states that move to near neighbours only.

Exact: among all paths it finds the likeliest. Each step is vectorised over states and over the
band of allowed moves.
"""

import numpy as np

_NEVER = -np.inf


def most_likely_path(log_likelihood: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Finds the likeliest sequence of states; all states are as likely at the start.

    Args:
      log_likelihood: Logarithm of the likelihood of each frame's observation under each state.
        Shape [n_frames, n_states].
      transition: Probability to move from state (row) to state (column). Shape
        [n_states, n_states].

    Returns:
      States. Int, shape [n_frames].
    """
    band, moves = _banded(transition)
    reach = len(moves) // 2
    n_frames, n_states = log_likelihood.shape
    came_from = np.empty((n_frames, n_states), np.int16)
    padded = np.full(n_states + 2 * reach, _NEVER)
    sources = np.lib.stride_tricks.sliding_window_view(padded, len(moves))
    states = np.arange(n_states)
    score = padded[reach : reach + n_states]
    score[:] = log_likelihood[0]
    for frame in range(1, n_frames):
        candidates = sources + band  # [n_states, n_moves]
        best = candidates.argmax(axis=1)
        came_from[frame] = states + moves[best]
        score[:] = candidates[states, best] + log_likelihood[frame]
    return _trace_back(int(score.argmax()), came_from)


def _banded(transition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lays log probabilities out by target state and move: [n_states, n_moves], [n_moves]."""
    n_states = len(transition)
    source, target = np.nonzero(transition)
    reach = int(np.abs(source - target).max())
    moves = np.arange(-reach, reach + 1)
    band = np.full((n_states, len(moves)), _NEVER)
    band[target, source - target + reach] = np.log(transition[source, target])
    return band, moves


def _trace_back(last: int, came_from: np.ndarray) -> np.ndarray:
    path = np.empty(len(came_from), np.int64)
    path[-1] = last
    for frame in range(len(came_from) - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path
