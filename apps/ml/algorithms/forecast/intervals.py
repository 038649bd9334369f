"""How far the truth may lie from a forecast, by what it was off before."""

from collections.abc import Iterator

import numpy as np

from apps.ml.algorithms.forecast.grid import Numbers, Table

FEWEST_ORIGINS = 20
"""From so many on each part of the horizon is judged by its own errors."""


def find_reach(errors: Table, level: float) -> Numbers:
    """The half width of the interval that holds a share of `level`, at each step ahead.

    `errors` is a row of absolute errors for each origin of a rolling backtest, NaN where nothing
    was measured. Split-conformal: the quantile is the next larger one of the origins' number,
    because the errors of one origin are alike (Lei et al. 2018, "Distribution-free predictive
    inference", section 2.2). Steps share their errors in parts of the horizon that double in
    length; with fewer than 20 origins all steps do, scaled by the root of the distance, as of a
    random walk. Never narrower far ahead than near.
    """
    origins, horizon = errors.shape
    share = min(np.ceil((origins + 1) * level) / origins, 1.0)
    if origins < FEWEST_ORIGINS:
        roots = np.sqrt(np.arange(1, horizon + 1))
        return roots * find_quantile(errors / roots, share)
    reach = np.empty(horizon)
    for begin, end in split_horizon(horizon):
        reach[begin:end] = find_quantile(errors[:, begin:end], share)
    found: Numbers = np.maximum.accumulate(reach)
    return found


def find_quantile(errors: Table, share: float) -> float:
    known = errors[~np.isnan(errors)]
    return float(np.quantile(known, share, method="higher")) if len(known) else float("nan")


def split_horizon(horizon: int) -> Iterator[tuple[int, int]]:
    """The parts 1, 2, 4, 8, ... steps long."""
    begin, length = 0, 1
    while begin < horizon:
        yield begin, min(begin + length, horizon)
        begin, length = begin + length, 2 * length
