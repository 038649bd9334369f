"""How a call would sound over a path."""

# One way, of codec and buffers, beside what the network takes.
CODEC_DELAY_MILLISECONDS = 10.0
BEST_RATING = 93.2
LATE_FROM_MILLISECONDS = 160.0


def estimate_voice_quality(
    one_way_seconds: float, jitter_seconds: float, loss_ratio: float
) -> float:
    """The mean opinion score of a call, 1 (bad) to 4.5 (excellent).

    The reduced E-model of ITU-T G.107 as measuring tools use it: jitter counts twice, each percent
    of loss costs 2.5 points of the rating. It punishes loss lightly and says nothing of data.
    Raises: ValueError for a negative input, or a loss above 1.
    """
    if one_way_seconds < 0 or jitter_seconds < 0 or not 0 <= loss_ratio <= 1:
        raise ValueError("delays are not negative, and loss lies between 0 and 1")
    late = 1000 * (one_way_seconds + 2 * jitter_seconds) + CODEC_DELAY_MILLISECONDS
    delayed = late / 40 if late < LATE_FROM_MILLISECONDS else (late - 120) / 10
    rating = BEST_RATING - delayed - 2.5 * 100 * loss_ratio
    if rating <= 0:
        return 1.0
    return min(4.5, max(1.0, 1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating)))
