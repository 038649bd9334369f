"""Counters turned into rates."""

import numpy as np

from apps.metrics.algorithms.series import Numbers


def compute_rates(at: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """The moments and the rates per second between each two readings of a counter.

    `at` is Unix seconds, rising; a rate stands at the later of its two readings. A reading below
    the one before is a counter that began again: it has counted from 0 since, as Prometheus'
    `rate` takes it (prometheus.io/docs/prometheus/latest/querying/functions, "Breaks in
    monotonicity ... are automatically adjusted for"). What was counted between the last reading
    and the restart is unknown, so a rate may be too low there; none is ever negative.
    Readings at the same moment count as one, the last.
    Raises: ValueError when the lengths differ, time runs backwards or a reading is negative.
    """
    if at.shape != counts.shape:
        raise ValueError("at and counts must be equally long")
    if (np.diff(at) < 0).any() or (counts < 0).any():
        raise ValueError("time must rise and counts must not be negative")
    is_last = np.append(np.diff(at) > 0, True)[: len(at)]
    at, counts = at[is_last], counts[is_last]
    grown = np.diff(counts)
    increase = np.where(grown >= 0, grown, counts[1:])
    return at[1:], increase / np.diff(at)
