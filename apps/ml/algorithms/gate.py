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


def bootstrap_mean(values: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """The mean of rows in the order of time, and its 95 % interval by a block bootstrap.

    `ROUNDS` samples of whole blocks of neighbours, drawn by a generator of that seed, so the same
    rows give the same interval. Source: Kunsch (1989).
    Raises: ValueError without rows.
    """
    if values.size == 0:
        raise ValueError("there are no rows to judge by")
    blocks = np.array_split(values, min(BLOCKS, values.size))
    sums = np.array([block.sum() for block in blocks])
    sizes = np.array([block.size for block in blocks])
    drawn = np.random.default_rng(seed).integers(0, len(blocks), (ROUNDS, len(blocks)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [LOW, HIGH])
    return Interval(float(values.mean()), float(low), float(high))


def measure_margin(
    losses: NDArray[np.float64], others: NDArray[np.float64], *, seed: int = 0
) -> Interval:
    """How much smaller `losses` are than those of another judge of the same rows, on average."""
    return bootstrap_mean(others - losses, seed=seed)


def is_beaten(evaluation: Evaluation) -> bool:
    """Whether the dumb baseline did better than the model."""
    return float(evaluation.losses.mean()) > float(evaluation.baseline_losses.mean())


def decide(contender: Contender, champion: Evaluation | None, bounds: Bounds) -> Decision:
    """Whether the new model takes the champion's place, both judged on the same rows.

    It has to fit the bounds and to beat the dumb baseline; without a champion that is all. A
    provisional model need not prove that its advantage is more than chance. Against a champion it
    must be better by more than bootstrap noise, with false positives at most a fifth more frequent.
    """
    breach = find_breach(contender, bounds)
    if breach:
        return Decision(Verdict.REJECT, breach)
    mine = contender.evaluation
    over_baseline = measure_margin(mine.losses, mine.baseline_losses)
    if over_baseline.value <= 0:
        reason = f"The baseline is better by {show(turn(over_baseline))}."
        return Decision(Verdict.REJECT, reason, over_baseline)
    if champion is None:
        return decide_alone(contender, over_baseline)
    return decide_against(mine, champion)


def find_breach(contender: Contender, bounds: Bounds) -> str:
    """What the model costs too much of; empty when nothing."""
    if contender.size_bytes > bounds.size_bytes:
        return f"Its file has {contender.size_bytes} bytes; {bounds.size_bytes} are allowed."
    if contender.row_seconds > bounds.row_seconds:
        taken, allowed = contender.row_seconds * 1000, bounds.row_seconds * 1000
        return f"It takes {taken:.2f} ms a row; {allowed:.2f} ms are allowed."
    return ""


def decide_alone(contender: Contender, over_baseline: Interval) -> Decision:
    margin = f"better than the baseline by {show(over_baseline)}"
    if over_baseline.low > 0 or contender.is_provisional:
        return Decision(
            Verdict.PROMOTE, f"There is no champion, and it is {margin}.", over_baseline
        )
    return Decision(Verdict.SHADOW, f"Maybe by chance alone it is {margin}.", over_baseline)


def decide_against(mine: Evaluation, champion: Evaluation) -> Decision:
    margin = measure_margin(mine.losses, champion.losses)
    alarms = describe_false_positives(mine, champion)
    if alarms:
        return Decision(Verdict.REJECT, alarms, margin)
    if margin.low > 0:
        reason = f"Better than the champion by {show(margin)}."
        return Decision(Verdict.PROMOTE, reason, margin)
    if margin.high < 0:
        reason = f"Worse than the champion by {show(turn(margin))}."
        return Decision(Verdict.REJECT, reason, margin)
    reason = f"No difference to the champion beyond chance: {show(margin)}."
    return Decision(Verdict.SHADOW, reason, margin)


def describe_false_positives(mine: Evaluation, champion: Evaluation) -> str:
    """That the new model raises too many false alarms; empty when it does not."""
    rate, usual = mine.false_positive_rate, champion.false_positive_rate
    if rate is None or usual is None:
        return ""
    # One false alarm among the judged rows is no rate.
    allowed = max(usual * MOST_WORSE_FALSE_POSITIVES, usual + 1 / mine.losses.size)
    if rate <= allowed:
        return ""
    return f"It calls {rate:.2%} of what is usual unusual; the champion {usual:.2%}."


def turn(interval: Interval) -> Interval:
    """The same difference seen from the other side."""
    # Of 0 the other side is 0, not "-0".
    return Interval(0.0 - interval.value, 0.0 - interval.high, 0.0 - interval.low)


def show(interval: Interval) -> str:
    return f"{interval.value:.3g} (95 %: {interval.low:.3g} to {interval.high:.3g})"
