"""Which time a report is about, and when the next one is due, on the wall clock of its zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ROLLING_HOURS = {"24h": 24}
ROLLING_DAYS = {"7d": 7, "30d": 30, "90d": 90}
CALENDAR = ("day", "week", "month")
LAST_MONTH_DAY = 28
Span = tuple[datetime, datetime]


def find_period(period: str, now: datetime, zone: ZoneInfo) -> Span:
    """Begin and end of the named period as of `now`, both in `zone`.

    A day, a week (from Monday on) and a month are the last whole ones; the others end at the last
    full hour. Hours are as long as ever; days begin at the same time of the wall clock, so one in
    which the clocks change is an hour shorter or longer.
    Raises: ValueError for a period of another name.
    """
    local = now.astimezone(zone)
    end = local.replace(minute=0, second=0, microsecond=0)
    if period in ROLLING_HOURS:
        return go_back(end, timedelta(hours=ROLLING_HOURS[period])), end
    if period in ROLLING_DAYS:
        return end - timedelta(days=ROLLING_DAYS[period]), end
    if period not in CALENDAR:
        raise ValueError(f"there is no period {period}")
    end_day = begin_of(period, local.date())
    start_day = begin_of(period, end_day - timedelta(days=1))
    return at_midnight(start_day, zone), at_midnight(end_day, zone)


def find_previous(period: str, span: Span) -> Span:
    """The span before: the calendar's for a day, week or month, else one as long.

    As long are as many hours, or as many days of the wall clock.
    """
    start, end = span
    if period in ROLLING_HOURS:
        return go_back(start, end.astimezone(UTC) - start.astimezone(UTC)), start
    if period not in CALENDAR or not isinstance(start.tzinfo, ZoneInfo):
        return start - (end - start), start
    before = begin_of(period, start.date() - timedelta(days=1))
    return at_midnight(before, start.tzinfo), start


def name_days(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last day, both inside, of the wall clock of `zone`; `end` is outside."""
    last = max(start, end - timedelta(microseconds=1))
    return start.astimezone(zone).date(), last.astimezone(zone).date()


def find_next(
    cadence: str, after: datetime, zone: ZoneInfo, *, hour: int, weekday: int, month_day: int
) -> datetime | None:
    """The first due moment later than `after`; None for a cadence that is never due.

    `weekday` counts from Monday (0) on; `month_day` is at most 28, which every month has.
    """
    if cadence not in {"daily", "weekly", "monthly"}:
        return None
    day = after.astimezone(zone).date()
    while True:
        is_due = (
            cadence == "daily"
            or (cadence == "weekly" and day.weekday() == weekday)
            or (cadence == "monthly" and day.day == min(month_day, LAST_MONTH_DAY))
        )
        moment = datetime.combine(day, time(hour), zone)
        if is_due and moment > after:
            return moment
        day += timedelta(days=1)


def go_back(moment: datetime, length: timedelta) -> datetime:
    """So much earlier, however the clocks of the moment's zone change meanwhile."""
    return (moment.astimezone(UTC) - length).astimezone(moment.tzinfo)


def begin_of(period: str, day: date) -> date:
    """The first day of the day's own day, week or month."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def at_midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
