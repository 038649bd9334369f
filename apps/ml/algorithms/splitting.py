"""Which rows are learned from, and which newest ones judge what was learned."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HELD_SHARE: Final = 0.2
# So many rows that the champion has not seen are enough to judge by them alone.
LEAST_UNSEEN: Final = 30


@dataclass(frozen=True, slots=True)
class Split:
    """Masks over rows in the order of time; `is_unseen` says that the champion knows none held."""

    fitted: NDArray[np.bool_]
    held: NDArray[np.bool_]
    is_unseen: bool


def split_by_time(
    at: NDArray[np.float64], *, purge_seconds: float, champion_until: float | None
) -> Split:
    """The newest fifth is held; all of it is later than `champion_until` where possible.

    Too few rows after that are no reason to wait: then the champion is judged by rows that it may
    have learned from, which favours it. Rows within `purge_seconds` before the held ones are left
    out of both. Equal times are never parted.
    """
    begin = at[int(at.size * (1 - HELD_SHARE))]
    is_unseen = champion_until is None or begin > champion_until
    if champion_until is not None and not is_unseen:
        later = at > champion_until
        if np.count_nonzero(later) >= LEAST_UNSEEN:
            begin, is_unseen = at[later][0], True
    return Split(at < begin - purge_seconds, at >= begin, is_unseen)
