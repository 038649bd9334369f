"""Fitting of what says the next value (`algorithms/next_values.py`); imports scikit-learn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.flattening import flatten_histogram_boosting
from apps.ml.algorithms.joint_fitting import find_conformal_quantile
from apps.ml.algorithms.next_values import SHARES
from streamswarm_detect.trees import predict, read_forest

Floats = NDArray[np.float64]

TREES: Final = 80
# Shares of the rows that are learned from before each origin; what follows up to the next is said.
ORIGINS: Final = (0.5, 0.65, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows in the order of time: features, the last value and the next one."""

    values: Floats
    last: Floats
    following: Floats

    def take(self, begin: int, end: int) -> "Problem":
        part = slice(begin, end)
        return Problem(self.values[part], self.last[part], self.following[part])


@dataclass(frozen=True, slots=True)
class Fitted:
    arrays: Mapping[str, NDArray[Any]]
    calibration: Mapping[str, Any]


def fit_next(problem: Problem, seed: int, report: Callable[[float], None]) -> Fitted:
    """The model of all rows, if it is better than the last value at origins rolling through them.

    Raises: ValueError when the backtest says that it is not.
    """
    errors, others = run_backtest(problem, seed, report)
    naive = float(others.mean())
    if not naive > 0:
        raise ValueError("the values never change, so the last one says all")
    ratio = float(errors.mean()) / naive
    if ratio >= 1:
        raise ValueError(
            f"in the rolling backtest its error is {ratio:.2f} times that of the last value"
        )
    widths = {share: find_conformal_quantile(errors, 1 - float(share)) for share in SHARES}
    arrays = grow(problem, seed)
    return Fitted(
        arrays,
        {"widths": widths, "ratio": ratio, "naive_error": naive, "backtest_rows": errors.size},
    )


def run_backtest(
    problem: Problem, seed: int, report: Callable[[float], None]
) -> tuple[Floats, Floats]:
    """The absolute errors of the model and of the last value, each on rows not learned from."""
    count = len(problem.last)
    places = [int(share * count) for share in ORIGINS]
    errors, others = [], []
    for number, (begin, end) in enumerate(pairwise(places)):
        report(number / len(ORIGINS))
        arrays = grow(problem.take(0, begin), seed)
        ahead = problem.take(begin, end)
        forest = read_forest(arrays, rule="sum", feature_count=problem.values.shape[1])
        said = ahead.last + predict(forest, ahead.values)[:, 0]
        errors.append(np.abs(said - ahead.following))
        others.append(np.abs(ahead.last - ahead.following))
    return np.concatenate(errors), np.concatenate(others)


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
