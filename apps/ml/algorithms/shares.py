"""A share of few cases, with what it may really be."""

from dataclasses import dataclass
from math import sqrt

# Of the normal distribution, for 95 %.
WIDTH = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `count`; `value` and its interval of 95 % are None when there is no case."""

    hits: int
    count: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


def estimate_share(hits: int, count: int) -> Share:
    """The share from 0 to 1 with its interval of 95 %, fit for few cases.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22 (1927).
    Raises: ValueError unless 0 <= hits <= count.
    """
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} of {count} is no share")
    if count == 0:
        return Share(0, 0)
    share, squared = hits / count, WIDTH**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = WIDTH / (1 + squared / count)
    half *= sqrt(share * (1 - share) / count + squared / (4 * count**2))
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == count else middle + half
    return Share(hits, count, share, low, high)
