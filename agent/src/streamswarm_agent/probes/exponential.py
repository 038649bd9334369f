"""Exponential variates that both ends of a session can compute, for sending at random times.

Source: RFC 4656 section 5 and appendix B. Numbers are integers in units of 2^-32.
"""

from collections.abc import Iterator

from streamswarm_agent.probes.aes import encrypt_block, expand_key

FRACTION_BITS = 32
FRACTION_MASK = (1 << FRACTION_BITS) - 1
SERIES = (
    0xB17217F8, 0xEEF193F7, 0xFD271862, 0xFF9D6DD0, 0xFFF4CFD0, 0xFFFEE819,
    0xFFFFE7FF, 0xFFFFFE2B, 0xFFFFFFE0, 0xFFFFFFFE, 0xFFFFFFFF,
)  # fmt: skip
"""Q[k], the sum of ln(2)^i / i! for i from 1 to k; Q[1] is ln(2)."""
LN2 = SERIES[0]


def generate_fractions(seed: bytes) -> Iterator[int]:
    """Uniform fractions, 0 to 2^32 - 1, without end: AES of a counter, keyed by the 16 bytes."""
    round_keys = expand_key(seed)
    counter = 0
    while True:
        yield from encrypt_block(round_keys, (0, 0, counter >> 32, counter & FRACTION_MASK))
        # It counts fractions, of which a block holds four.
        counter += 4


def generate_variates(seed: bytes) -> Iterator[int]:
    """Exponential variates of mean 1 (that is 2^32) without end, equal for equal seeds.

    Raises: ValueError for a seed of another length than 16 bytes.
    """
    fractions = generate_fractions(seed)
    while True:
        yield draw_variate(fractions)


def draw_variate(fractions: Iterator[int]) -> int:
    """The next variate: algorithm S of Knuth, volume 2, section 3.4.1."""
    fraction = next(fractions)
    ones = FRACTION_BITS - (fraction ^ FRACTION_MASK).bit_length()
    if ones == FRACTION_BITS:
        return ones * LN2
    fraction = fraction << (ones + 1) & FRACTION_MASK
    if fraction < LN2:
        return ones * LN2 + fraction
    count = next(place for place, bound in enumerate(SERIES, start=1) if fraction < bound)
    smallest = min(next(fractions) for _ in range(count))
    return ((ones << FRACTION_BITS) + smallest) * LN2 >> FRACTION_BITS
