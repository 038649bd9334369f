"""The steps that history is kept in, and which of them serves a chart."""

from datetime import UTC, datetime, timedelta

FIVE_MINUTES_SECONDS = 300
HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
# Hours are laid out a second time by weeks, for reading (models.HourStrip).
WEEK_SECONDS = 7 * DAY_SECONDS
HOURS_PER_WEEK = WEEK_SECONDS // HOUR_SECONDS
# Finest first; each divides the next.
STEPS_SECONDS = (FIVE_MINUTES_SECONDS, HOUR_SECONDS, DAY_SECONDS)
# Late data may be seven days old, and finds the rest of its buckets.
RAW_KEPT_DAYS_AT_LEAST = 8
RAW = "raw"
TIER_NAMES = {
    0: RAW,
    FIVE_MINUTES_SECONDS: "5m",
    HOUR_SECONDS: "1h",
    DAY_SECONDS: "1d",
}


def choose_tier_seconds(step_seconds: int) -> int:
    """The coarsest kept step that buckets of `step_seconds` can be put together from; 0 is raw."""
    fitting = [step for step in STEPS_SECONDS if step_seconds % step == 0]
    return max(fitting, default=0)


def floor_moment(moment: datetime, step_seconds: int) -> datetime:
    """The begin of the bucket that holds `moment`; buckets start at whole multiples since 1970."""
    seconds = int(moment.timestamp() // step_seconds) * step_seconds
    return datetime.fromtimestamp(seconds, UTC)


def floor_day(moment: datetime) -> datetime:
    return floor_moment(moment, DAY_SECONDS)


def find_end(at: datetime, step_seconds: int) -> datetime:
    return at + timedelta(seconds=step_seconds)
