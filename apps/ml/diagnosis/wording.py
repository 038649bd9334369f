"""Figures as sentences have them."""

from apps.ml.diagnosis.case import Usual

BITS_STEPS = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"))
HOUR_SECONDS, DAY_SECONDS = 3600, 86_400


def say_seconds(seconds: float) -> str:
    """3.2 ms, 1.4 s, 5 min, 3 h or 12 days."""
    size = abs(seconds)
    if size < 1:
        return f"{seconds * 1000:.3g} ms"
    if size < 2 * 60:
        return f"{seconds:.3g} s"
    if size < 2 * HOUR_SECONDS:
        return f"{seconds / 60:.0f} min"
    if size < 2 * DAY_SECONDS:
        return f"{seconds / HOUR_SECONDS:.0f} h"
    return f"{seconds / DAY_SECONDS:.0f} days"


def say_ratio(ratio: float) -> str:
    return f"{ratio * 100:.3g} %"


def say_bits(bits_per_second: float) -> str:
    for step, unit in BITS_STEPS:
        if bits_per_second >= step:
            return f"{bits_per_second / step:.3g} {unit}"
    return f"{bits_per_second:.3g} bit/s"


def say_usual_seconds(usual: Usual | None) -> str:
    """What is usual, in brackets; empty when nobody knows."""
    if usual is None:
        return ""
    return f" (usually {say_seconds(usual.low)} to {say_seconds(usual.high)})"


def say_usual_ratio(usual: Usual | None) -> str:
    if usual is None:
        return ""
    return f" (usually {say_ratio(usual.low)} to {say_ratio(usual.high)})"
