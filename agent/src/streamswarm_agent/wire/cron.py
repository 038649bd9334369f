"""The minutes at which a cron expression fires in its zone (docs/wire.md, "Slots")."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Only the days of a month and the months are asked of the parsed expression, in no zone.
_ANY_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - as just said
_FIELD_COUNT = 5
_HOUR_MINUTES = 60


def iterate_minutes(
    expression: str, time_zone: str, *, from_minute: int, until_minute: int
) -> Iterator[int]:
    """The Unix minutes in [from_minute, until_minute) at which it fires, rising.

    None for an expression or a zone that this host does not know: the server plans those runs.
    """
    read = _read(expression, time_zone)
    if read is None or until_minute <= from_minute:
        return
    cron, zone = read
    # A day earlier: what a gap of the clock swallows moves to the end of the gap.
    day = (_EPOCH + timedelta(minutes=from_minute)).astimezone(zone).date() - timedelta(days=1)
    previous = from_minute - 1
    while _read_minute(datetime.combine(day, time(), zone)) < until_minute:
        if day.month in cron.months and cron.match_day(day):
            for minute in _list_minutes_of_day(expression, time_zone, day):
                if previous < minute < until_minute:
                    yield minute
                    previous = minute
        day += timedelta(days=1)


@lru_cache(maxsize=256)
def _read(expression: str, time_zone: str) -> tuple[CronSim, ZoneInfo] | None:
    try:
        cron, zone = CronSim(expression, _ANY_MOMENT), ZoneInfo(time_zone)
    except (CronSimError, KeyError, ValueError, OSError) as error:
        logger.warning(
            "schedule_ignored expression=%r time_zone=%r reason=%r", expression, time_zone, error
        )
        return None
    # The library knows a field of seconds, which the wire does not.
    return (cron, zone) if len(expression.split()) == _FIELD_COUNT else None


@lru_cache(maxsize=64)
def _list_minutes_of_day(expression: str, time_zone: str, day: date) -> tuple[int, ...]:
    """The Unix minutes, rising, at which a matching day's wall clock fires it.

    As Debian's cron: with a star in minute or hour it fires at every minute whose wall clock
    matches, so twice in a repeated hour and never in a skipped one; at fixed times it fires once,
    the first time of a repeated hour, and at the end of the gap for a skipped one.
    """
    cron, zone = CronSim(expression, _ANY_MOMENT), ZoneInfo(time_zone)
    minute_field, hour_field = expression.split()[:2]
    is_fixed = not minute_field.startswith("*") and not hour_field.startswith("*")
    begin = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    clock = [(hour, minute) for hour in sorted(cron.hours) for minute in sorted(cron.minutes)]
    if begin.utcoffset() == end.utcoffset():
        first = _read_minute(begin)
        return tuple(first + hour * _HOUR_MINUTES + minute for hour, minute in clock)
    found: set[int] = set()
    for hour, minute in clock:
        wall = datetime.combine(day, time(hour, minute), zone)
        if is_fixed:
            found.add(_read_minute(_leave_gap(wall)))
        else:
            both = (wall, wall.replace(fold=1))
            found.update(_read_minute(one) for one in both if _is_on_the_clock(one))
    return tuple(sorted(found))


def _read_minute(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(minutes=1)


def _is_on_the_clock(wall: datetime) -> bool:
    back = wall.astimezone(UTC).astimezone(wall.tzinfo)
    return back.replace(tzinfo=None) == wall.replace(tzinfo=None)


def _leave_gap(wall: datetime) -> datetime:
    while not _is_on_the_clock(wall):
        wall += timedelta(minutes=1)
    return wall
