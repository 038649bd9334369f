"""Time buckets that both rollups and charts cut series with."""

import math
from datetime import datetime

NICE_STEPS_SECONDS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    21600,
    43200,
    86400,
)


def choose_step_seconds(start: datetime, end: datetime, points: int) -> int:
    """The smallest nice step that cuts [start, end) into at most `points` buckets.

    Raises: ValueError when the range is empty or `points` is below 1.
    """
    span_seconds = (end - start).total_seconds()
    if span_seconds <= 0 or points < 1:
        raise ValueError("the range must be positive and points at least 1")
    # An unaligned range touches one bucket more than it is long.
    wanted = span_seconds / max(points - 1, 1)
    for step in NICE_STEPS_SECONDS:
        if step >= wanted:
            return step
    day = NICE_STEPS_SECONDS[-1]
    return math.ceil(wanted / day) * day
