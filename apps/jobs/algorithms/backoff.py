FIRST_SECONDS = 10.0
LONGEST_SECONDS = 3600.0
GROWTH = 4.0


def find_retry_delay_seconds(attempts: int) -> float:
    """Seconds to wait after so many failed attempts: 10, 40, 160, 640, 2560, then an hour."""
    # The exponent is bounded as well: the power of a large one is no float.
    return min(FIRST_SECONDS * pow(GROWTH, min(attempts - 1, 10)), LONGEST_SECONDS)
