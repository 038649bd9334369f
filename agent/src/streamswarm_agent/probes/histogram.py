"""Histograms whose buckets are the same everywhere and always, so that any can be added up."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

BUCKETS_PER_DECADE = 10
SMALLEST_EXPONENT, LARGEST_EXPONENT = -5, 2
BOUNDS_SECONDS = tuple(
    float(f"{10 ** (SMALLEST_EXPONENT + step / BUCKETS_PER_DECADE):.6g}")
    for step in range((LARGEST_EXPONENT - SMALLEST_EXPONENT) * BUCKETS_PER_DECADE + 1)
)
"""From 10 us to 100 s, ten to a decade: a value is known to 26 percent at worst."""


def count_in_buckets(seconds: Iterable[float]) -> Mapping[str, list[float] | list[int]]:
    """The histogram as results have it; what equals a bound is below it, the last is above all."""
    counts = [0] * (len(BOUNDS_SECONDS) + 1)
    for value in seconds:
        counts[bisect_left(BOUNDS_SECONDS, value)] += 1
    return {"bounds": list(BOUNDS_SECONDS), "counts": counts}
