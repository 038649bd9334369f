"""Cron expressions in a time zone: the minutes at which they fire (docs/wire.md, "Slots")."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from apps.clients.algorithms.recurrence import list_time_zones

EXPRESSION_LENGTH = 100
FIELD_COUNT = 5
SLIP_LIMIT_SECONDS = 3600.0
# The rarest honest wish is 29 February.
SEARCH_DAYS = 8 * 366
GAP_DAYS = 400
GAP_STARTS = 2000
MINUTE_SECONDS = 60
HOUR_MINUTES = 60
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Only the days of a month and the months are asked of the parsed expression, in no zone.
ANY_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - as just said


class CronFault(ValueError):
    """Why a cron schedule cannot be: `field` of the definition, `code` and `detail`."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.code = code
        self.detail = detail


def check_cron(
    expression: str,
    time_zone: str,
    *,
    now: datetime,
    duration_seconds: float = 0.0,
    slip_seconds: float = 0.0,
) -> None:
    """Nothing, when runs of that length and slip can follow the expression without overlapping.

    Raises: CronFault naming `cron_expression` (no five fields, too long, malformed, never fires
    within eight years), `time_zone` (not of the IANA list), `duration_seconds` or `slip_seconds`
    (does not fit between two starts of the next 400 days, of which the first 2,000 are looked at).
    """
    if time_zone not in list_time_zones():
        raise CronFault("time_zone", "unknown", "must be a name of the IANA list, as Europe/Vienna")
    read_cron(expression)
    minute = read_minute(now)
    if find_next_minute(expression, time_zone, from_minute=minute) is None:
        raise build_never_fires()
    if not 0 <= slip_seconds <= SLIP_LIMIT_SECONDS:
        detail = f"must be from 0 to {SLIP_LIMIT_SECONDS:g} seconds"
        raise CronFault("slip_seconds", "out_of_range", detail)
    gap_seconds = find_shortest_gap(expression, time_zone, from_minute=minute)
    if gap_seconds is None:
        return
    if duration_seconds > gap_seconds:
        detail = f"must not exceed the shortest time between two starts ({gap_seconds} s)"
        raise CronFault("duration_seconds", "out_of_range", detail)
    if duration_seconds + slip_seconds > gap_seconds:
        detail = f"must be at most {gap_seconds - duration_seconds:g} s, or runs would overlap"
        raise CronFault("slip_seconds", "out_of_range", detail)


def build_never_fires() -> CronFault:
    return CronFault(
        "cron_expression", "never_fires", "never fires: no moment of the next 8 years matches"
    )


@lru_cache(maxsize=1024)
def read_cron(expression: str) -> CronSim:
    """The parsed expression: five fields, as Debian's cron reads them.

    Raises: CronFault naming `cron_expression`.
    """
    if len(expression) > EXPRESSION_LENGTH:
        detail = f"must have at most {EXPRESSION_LENGTH} characters"
        raise CronFault("cron_expression", "length", detail)
    parts = expression.split()
    if len(parts) != FIELD_COUNT:
        detail = f"must have 5 fields (minute hour day month weekday), not {len(parts)}"
        raise CronFault("cron_expression", "malformed", detail)
    try:
        return CronSim(expression, ANY_MOMENT)
    except CronSimError as error:
        if is_readable(" ".join([*parts[:3], "*", parts[4]])) and is_readable(
            " ".join(["*", "*", "*", parts[3], "*"])
        ):
            # The library itself refuses days that none of the months has.
            raise build_never_fires() from error
        raise CronFault("cron_expression", "malformed", f"is malformed: {error}") from error


def is_readable(expression: str) -> bool:
    try:
        CronSim(expression, ANY_MOMENT)
    except CronSimError:
        return False
    return True


def describe_cron(expression: str) -> str:
    """The expression in English words, as "At 22:00 on Tuesday"; itself when it is malformed."""
    try:
        return read_cron(expression).explain()
    except CronFault:
        return expression


def read_minute(moment: datetime) -> int:
    """The whole minutes of Unix time up to the moment."""
    return (moment - EPOCH) // timedelta(minutes=1)


def find_next_minute(expression: str, time_zone: str, *, from_minute: int) -> int | None:
    """The first Unix minute, `from_minute` or later, at which it fires; None within eight years."""
    return next(iterate_minutes(expression, time_zone, from_minute=from_minute), None)


def find_shortest_gap(expression: str, time_zone: str, *, from_minute: int) -> int | None:
    """The fewest seconds between two of the next starts; None when there are no two."""
    until_minute = from_minute + GAP_DAYS * 24 * HOUR_MINUTES
    minutes = iterate_minutes(
        expression, time_zone, from_minute=from_minute, until_minute=until_minute
    )
    gaps = (after - before for before, after in pairwise(islice(minutes, GAP_STARTS)))
    shortest = min(gaps, default=None)
    return None if shortest is None else shortest * MINUTE_SECONDS


def iterate_minutes(
    expression: str, time_zone: str, *, from_minute: int, until_minute: int | None = None
) -> Iterator[int]:
    """The Unix minutes in [from_minute, until_minute) at which it fires, for at most eight years.

    They depend on nothing but expression and zone, wherever one begins to look.
    """
    cron = read_cron(expression)
    zone = ZoneInfo(time_zone)
    # A day earlier: what a gap of the clock swallows moves to the end of the gap.
    first = (EPOCH + timedelta(minutes=from_minute)).astimezone(zone).date() - timedelta(days=1)
    previous = from_minute - 1
    for offset in range(SEARCH_DAYS + 2):
        day = first + timedelta(days=offset)
        if until_minute is not None and read_minute(find_midnight(day, zone)) >= until_minute:
            return
        if day.month not in cron.months or not cron.match_day(day):
            continue
        for minute in list_minutes_of_day(expression, time_zone, day):
            if until_minute is not None and minute >= until_minute:
                return
            if minute > previous:
                yield minute
                previous = minute


def find_midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


@lru_cache(maxsize=256)
def list_minutes_of_day(expression: str, time_zone: str, day: date) -> tuple[int, ...]:
    """The Unix minutes, rising, at which a matching day's wall clock fires it.

    As Debian's cron: with a star in minute or hour it fires at every minute whose wall clock
    matches, so twice in a repeated hour and never in a skipped one; at fixed times it fires once,
    the first time of a repeated hour, and at the end of the gap for a skipped one.
    """
    cron = read_cron(expression)
    zone = ZoneInfo(time_zone)
    minute_field, hour_field = expression.split()[:2]
    is_fixed = not minute_field.startswith("*") and not hour_field.startswith("*")
    begin = find_midnight(day, zone)
    end = find_midnight(day + timedelta(days=1), zone)
    clock = [(hour, minute) for hour in sorted(cron.hours) for minute in sorted(cron.minutes)]
    if begin.utcoffset() == end.utcoffset():
        first = read_minute(begin)
        return tuple(first + hour * HOUR_MINUTES + minute for hour, minute in clock)
    found: set[int] = set()
    for hour, minute in clock:
        wall = datetime.combine(day, time(hour, minute), zone)
        if is_fixed:
            found.add(read_minute(leave_gap(wall)))
        else:
            both = (wall, wall.replace(fold=1))
            found.update(read_minute(one) for one in both if is_on_the_clock(one))
    return tuple(sorted(found))


def is_on_the_clock(wall: datetime) -> bool:
    back = wall.astimezone(UTC).astimezone(wall.tzinfo)
    return back.replace(tzinfo=None) == wall.replace(tzinfo=None)


def leave_gap(wall: datetime) -> datetime:
    """The wall clock's time, or the first that exists after it."""
    while not is_on_the_clock(wall):
        wall += timedelta(minutes=1)
    return wall
