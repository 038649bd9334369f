"""Whether a new model takes the champion's place: judged on rows that no model has learned from.

Losses are means over rows, smaller is better, so that any kind of model compares in the same way:
an absolute error, a Brier score, a share of wrong calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROUNDS: Final = 1000
# Neighbouring rows know of each other; they are drawn together.
BLOCKS: Final = 25
LOW, HIGH = 0.025, 0.975
MOST_WORSE_FALSE_POSITIVES: Final = 1.2
MOST_LOSSES: Final = 3


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model and its dumb baseline did on the same rows, oldest first.

    `losses` and `baseline_losses` have a figure a row; `outputs` is what the model said of each,
    for drift. `false_positive_rate` is that among rows known to be normal, None for kinds that
    raise no alarms; `figures` are further ones for people, by name.
    """

    losses: NDArray[np.float64]
    baseline_losses: NDArray[np.float64]
    outputs: NDArray[np.float64]
    false_positive_rate: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.losses.shape == self.baseline_losses.shape == self.outputs.shape[:1]:
            raise ValueError("every row needs a loss of the model and one of the baseline")
        if not (np.isfinite(self.losses).all() and np.isfinite(self.baseline_losses).all()):
            raise ValueError("a loss must be a finite number")


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where 95 % of its bootstrap samples lie."""

    value: float
    low: float
    high: float


class Verdict(StrEnum):
    PROMOTE = "promote"
    # No worse, but not better by more than chance: it goes on being judged beside the champion.
    SHADOW = "shadow"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a model may cost at most to be of use."""

    row_seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Contender:
    """A new model at the gate, with what one row costs it and how large its file is."""

    evaluation: Evaluation
    row_seconds: float
    size_bytes: int
    is_provisional: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict and why; `margin` is the mean loss that the new model saves, if it does."""

    verdict: Verdict
    reason: str
    margin: Interval | None = None
