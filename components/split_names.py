"""The two splits of examples. Light, so that takes can be looked at without TFX."""

from typing import Literal

Split = Literal["train", "eval"]
SPLITS: tuple[Split, ...] = ("train", "eval")
