"""Fitting of what says the values to come (`algorithms/next_values.py`); imports scikit-learn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.flattening import concatenate, flatten_histogram_boosting
from apps.ml.algorithms.joint_fitting import find_conformal_quantile
from apps.ml.algorithms.next_values import SHARES, Aim
from streamswarm_detect.trees import BASE, ROOTS, predict, read_forest

Floats = NDArray[np.float64]

TREES: Final = 80
# Shares of the rows that are learned from before each origin; what follows up to the next is said.
ORIGINS: Final = (0.5, 0.65, 0.8, 1.0)
# Below, neither an error nor an interval means anything.
LEAST_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows in the order of time: features, the last value, and the one `aim.horizon` runs later."""

    aim: Aim
    values: Floats
    last: Floats
    following: Floats

    def take(self, begin: int, end: int) -> "Problem":
        part = slice(begin, end)
        return Problem(self.aim, self.values[part], self.last[part], self.following[part])


@dataclass(frozen=True, slots=True)
class Fitted:
    arrays: Mapping[str, NDArray[Any]]
    calibration: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Backtest:
    """Absolute errors of the trees and of the last value at origins rolling through the past."""

    errors: Floats
    others: Floats

    @property
    def ratio(self) -> float | None:
        """The mean error in units of that of the last value; None where that is always right."""
        naive = float(self.others.mean())
        return float(self.errors.mean()) / naive if naive > 0 else None


def fit_next(problems: Sequence[Problem], seed: int, report: Callable[[float], None]) -> Fitted:
    """The trees of all aims that beat the last value at origins rolling through the past.

    Raises: ValueError when the backtest says that none of them is.
    """
    outputs: list[dict[str, Any]] = []
    parts: list[Mapping[str, NDArray[Any]]] = []
    ratios: list[float] = []
    begin = 0
    for number, problem in enumerate(problems):
        report(number / len(problems))
        if len(problem.last) < LEAST_ROWS:
            continue
        backtest = run_backtest(problem, seed)
        if backtest.ratio is None:
            continue
        ratios.append(backtest.ratio)
        if backtest.ratio < 1:
            arrays = grow(problem, seed)
            outputs.append(describe_output(problem, backtest, arrays, begin))
            parts.append(arrays)
            begin += arrays[ROOTS].size
    if not ratios:
        raise ValueError("the values never change, so the last one says all")
    if not outputs:
        raise ValueError(
            f"in the rolling backtest its error is {min(ratios):.2f} times that of the last value"
        )
    return Fitted(concatenate(parts), {"outputs": outputs, "tried": len(ratios)})


def describe_output(
    problem: Problem, backtest: Backtest, arrays: Mapping[str, NDArray[Any]], begin: int
) -> dict[str, Any]:
    """As `next_values.read_output` reads it."""
    errors = backtest.errors
    return {
        "key": problem.aim.key,
        "horizon": problem.aim.horizon,
        "begin": begin,
        "end": begin + arrays[ROOTS].size,
        "seen": [float(problem.last.min()), float(problem.last.max())],
        "base": float(arrays[BASE][0]),
        "widths": {share: find_conformal_quantile(errors, 1 - float(share)) for share in SHARES},
        "ratio": backtest.ratio,
        "backtest_rows": errors.size,
    }


def run_backtest(problem: Problem, seed: int) -> Backtest:
    """Each part is said by trees of what was known before it began."""
    count = len(problem.last)
    places = [int(share * count) for share in ORIGINS]
    errors, others = [], []
    for begin, end in pairwise(places):
        # What came after the last of these rows was not known yet at the origin.
        arrays = grow(problem.take(0, begin - problem.aim.horizon + 1), seed)
        ahead = problem.take(begin, end)
        forest = read_forest(arrays, rule="sum", feature_count=problem.values.shape[1])
        said = ahead.last + predict(forest, ahead.values)[:, 0]
        errors.append(np.abs(said - ahead.following))
        others.append(np.abs(ahead.last - ahead.following))
    return Backtest(np.concatenate(errors), np.concatenate(others))


def grow(problem: Problem, seed: int) -> dict[str, NDArray[Any]]:
    # Only the worker that trains pays the seconds and the memory of this import.
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=TREES,
        learning_rate=0.06,
        max_leaf_nodes=8,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    # The library refuses a feature without any value; no tree will ask for one that never changes.
    is_known = np.isfinite(problem.values).any(axis=0)
    values = np.where(is_known, problem.values, 0.0)
    # Threads that wait for each other cost more than they save with so few rows.
    with threadpool_limits(limits=1):
        model.fit(values, problem.following - problem.last)
    return flatten_histogram_boosting(model)
