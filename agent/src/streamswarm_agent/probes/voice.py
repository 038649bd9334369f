"""What a telephone call would sound like over a path: the E-model of ITU-T G.107.

With its default values, the codec G.711 in packets of 20 ms with concealment of losses
(G.113 appendix I: equipment impairment 0, robustness 25.1).
"""

from math import exp, log2, log10, sqrt

BASIC_RATING = 93.2
"""R without delay and loss: Ro - Is of the default values."""
SIGNAL_TO_NOISE = 94.77
TALKER_LOUDNESS_DB = 65.0
ECHO_RETURN_LOSS_DB = 110.0
ROBUSTNESS = 25.1
PACKET_MS = 20.0
DELAY_FREE_MS = 100.0
HIGHEST_RATING, HIGHEST_SCORE = 100.0, 4.5


def rate_call(
    *, one_way_seconds: float, jitter_seconds: float, loss_ratio: float, burst_ratio: float
) -> float:
    """R, 0 to 100, of a call over a path of that delay, jitter (RFC 3550) and loss.

    `burst_ratio`: the mean length of the runs of losses over that of random losses as many, from 1.
    A buffer of twice the jitter evens it out; what it and filling a packet take adds to the delay.
    """
    delay_ms = (one_way_seconds + 2 * jitter_seconds) * 1000 + PACKET_MS
    loss_percent = 100 * loss_ratio
    impairment = 95.0 * loss_percent / (loss_percent / max(burst_ratio, 1.0) + ROBUSTNESS)
    rating = BASIC_RATING - impair_by_delay(delay_ms) - impairment
    return min(max(rating, 0.0), HIGHEST_RATING)


def score_opinion(rating: float) -> float:
    """The mean opinion score, 1 to 4.5, of people who rate such a call (G.107 annex B)."""
    if rating >= HIGHEST_RATING:
        return HIGHEST_SCORE
    score = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
    return max(score, 1.0)


def impair_by_delay(delay_ms: float) -> float:
    """Id of G.107 section 3.5: echo to the talker and to the listener, and waiting too long."""
    return _echo_to_talker(delay_ms) + _echo_to_listener(delay_ms) + impair_by_waiting(delay_ms)


def _echo_to_talker(delay_ms: float) -> float:
    masked = TALKER_LOUDNESS_DB - 40 * log10((1 + delay_ms / 10) / (1 + delay_ms / 150))
    loudness = masked + 6 * exp(-0.3 * delay_ms**2)
    distance = (SIGNAL_TO_NOISE - (80 + 2.5 * (loudness - 14))) / 2
    return (distance + sqrt(distance**2 + 100) - 1) * (1 - exp(-delay_ms))


def _echo_to_listener(delay_ms: float) -> float:
    round_trip_ms = 2 * delay_ms
    rating = 10.5 * (ECHO_RETURN_LOSS_DB + 7) * float((round_trip_ms + 1) ** -0.25)
    distance = (SIGNAL_TO_NOISE - rating) / 2
    return distance + sqrt(distance**2 + 169)


def impair_by_waiting(delay_ms: float) -> float:
    """Idd of G.107: what the delay itself costs, nothing up to 100 ms."""
    if delay_ms <= DELAY_FREE_MS:
        return 0.0
    steps = log2(delay_ms / DELAY_FREE_MS)
    near, far = (1 + steps**6) ** (1 / 6), (1 + (steps / 3) ** 6) ** (1 / 6)
    return float(25 * (near - 3 * far + 2))
