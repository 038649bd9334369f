"""How long a disk lasts."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Growth:
    """What adds so many bytes a day until it is as old as it is kept, in so many days."""

    bytes_per_day: float
    days_until_steady: float


def forecast_days_left(growths: Sequence[Growth], free_bytes: float) -> float | None:
    """After how many days the growths have used `free_bytes`; None when they stop before."""
    used = passed_days = 0.0
    rising = sorted(
        (growth for growth in growths if growth.days_until_steady > 0),
        key=lambda growth: growth.days_until_steady,
    )
    for number, growth in enumerate(rising):
        per_day = sum(other.bytes_per_day for other in rising[number:])
        span_days = growth.days_until_steady - passed_days
        if per_day > 0 and used + per_day * span_days > free_bytes:
            return passed_days + (free_bytes - used) / per_day
        used += per_day * span_days
        passed_days = growth.days_until_steady
    return None
