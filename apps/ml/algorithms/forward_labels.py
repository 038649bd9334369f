"""What came after each result: labels that nothing in its features knows."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# What is said is said of the hour ahead; the first minutes are left out, because a failure that
# has begun already is no prediction.
GAP_SECONDS: Final = 300.0
AHEAD_SECONDS: Final = 3600.0
# Failures of so many results that the goal allows.
GOAL: Final = 0.995
LEAST_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of each result: whether the goal was missed in the hour after it (NaN where nobody knows).

    `now` is the share of failures in the hour up to it, which is all that persistence knows.
    """

    missed: Floats
    now: Floats


def look_ahead(at: Floats, failed: Floats) -> Outlook:
    """The outlook of results of one test on one client, oldest first.

    An hour with fewer than two results, or one that is not over, has no label.
    """
    total = np.concatenate([[0.0], np.cumsum(failed)])
    begin = np.searchsorted(at, at + GAP_SECONDS, side="right")
    end = np.searchsorted(at, at + AHEAD_SECONDS, side="right")
    count = end - begin
    share = (total[end] - total[begin]) / np.maximum(count, 1)
    missed = (share > 1 - GOAL).astype(np.float64)
    is_over = at + AHEAD_SECONDS <= (at[-1] if at.size else 0.0)
    missed[(count < LEAST_AHEAD) | ~is_over] = np.nan
    first = np.searchsorted(at, at - AHEAD_SECONDS, side="left")
    places = np.arange(at.size)
    now = (total[places + 1] - total[first]) / np.maximum(places + 1 - first, 1)
    return Outlook(missed, now)


def count_incidents(missed: Floats) -> int:
    """How often the label turned to missed: rows of one outage are one incident."""
    known = missed[np.isfinite(missed)]
    return int(np.count_nonzero(np.diff(known, prepend=0.0) > 0))
