"""When something happens again and again: an RFC 5545 rule on the wall clock of a zone.

A local time that does not exist is taken by the offset before the gap, one that exists twice is
the first (RFC 5545 section 3.3.5), so 22:00 stays 22:00 when the clocks change.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import rrule, rrulestr

DURATION_LIMITS_SECONDS = (60, 31 * 86_400)
RULE_LENGTH = 500
COUNT_LIMIT = 1000
FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
PARTS = frozenset(
    {
        "FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYMONTH", "BYMONTHDAY", "BYDAY",
        "BYHOUR", "BYMINUTE", "BYSETPOS",
    }
)  # fmt: skip
# So many occurrences are compared with their successors, and at most so many are ever listed.
OCCURRENCE_LIMIT = 1000
WEEKLY_LIMIT = 200
FIRST_YEAR = 1970
LAST_YEAR = 2200
# The calendar repeats after 400 years, weekdays included. A rule is tried as if it began late in
# the last cycle that dates can be written in, where one that never fires ends soon.
TRIAL_YEARS = 7600
UNTIL_FORMS = {8: "%Y%m%d", 15: "%Y%m%dT%H%M%S", 16: "%Y%m%dT%H%M%SZ"}
FORM_OF_PART = re.compile(r"[A-Z]+=[A-Z0-9,+-]+")
STEPS = {
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}


class RecurrenceFault(ValueError):
    """Why a recurrence cannot be: `field`, `code` and `detail`."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A first start, how long it lasts, and the rule (empty: only once) in the zone's clock."""

    starts_at: datetime
    duration_seconds: int
    time_zone: str
    rule: str = ""
    # What was going on at that moment ended then.
    ended_at: datetime | None = None

    @property
    def duration(self) -> timedelta:
        return timedelta(seconds=self.duration_seconds)

    @property
    def local_start(self) -> datetime:
        """The first start on the zone's wall clock, without a zone."""
        local = self.starts_at.astimezone(ZoneInfo(self.time_zone))
        return local.replace(microsecond=0, tzinfo=None)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time, from `start` until before `end`, both in UTC."""

    start: datetime
    end: datetime


@lru_cache(maxsize=1)
def list_time_zones() -> frozenset[str]:
    """The zones of the IANA list; `localtime` and its like are not among them."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def check_recurrence(recurrence: Recurrence) -> None:
    """Nothing, when the recurrence is one.

    Raises: RecurrenceFault naming `time_zone` (not of the IANA list), `starts_at`,
    `duration_seconds` (60 s to 31 days) or `recurrence` (too long, malformed, never fires,
    comes more than 200 times in 7 days, or one of its first 1,000 occurrences lasts into the next).
    """
    if recurrence.time_zone not in list_time_zones():
        detail = "must be a name of the IANA list, as Europe/Vienna"
        raise RecurrenceFault("time_zone", "unknown", detail)
    if not FIRST_YEAR <= recurrence.starts_at.year < LAST_YEAR:
        detail = f"must lie between {FIRST_YEAR} and {LAST_YEAR}"
        raise RecurrenceFault("starts_at", "out_of_range", detail)
    lowest, highest = DURATION_LIMITS_SECONDS
    if not lowest <= recurrence.duration_seconds <= highest:
        detail = f"must be from {lowest} to {highest} seconds (31 days)"
        raise RecurrenceFault("duration_seconds", "out_of_range", detail)
    if recurrence.rule:
        check_rule(recurrence)


def check_rule(recurrence: Recurrence) -> None:
    check_parts(recurrence.rule)
    try:
        trial = build_rule(recurrence, shift_years=TRIAL_YEARS)
        starts = list(islice(trial, OCCURRENCE_LIMIT))
    except (ValueError, OverflowError) as error:
        raise refuse_rule("malformed", f"is malformed: {error}") from error
    if not starts:
        raise refuse_rule("never_fires", "never fires: no day matches it")
    week = timedelta(days=7)
    spans = [after - before for before, after in zip(starts, starts[WEEKLY_LIMIT:], strict=False)]
    if spans and min(spans) < week:
        detail = f"comes more than {WEEKLY_LIMIT} times in 7 days, which is the most"
        raise refuse_rule("too_often", detail)
    gaps = [after - before for before, after in pairwise(starts)]
    if gaps and min(gaps) < recurrence.duration:
        detail = (
            f"overlaps itself: it comes again after {min(gaps).total_seconds():.0f} s "
            f"and lasts {recurrence.duration_seconds} s"
        )
        raise refuse_rule("overlaps", detail)


def check_parts(rule: str) -> None:
    """Raises: RecurrenceFault for what no rule of a window may hold."""
    if len(rule) > RULE_LENGTH:
        raise refuse_rule("length", f"must have at most {RULE_LENGTH} characters")
    parts = rule.split(";")
    malformed = next((part for part in parts if not FORM_OF_PART.fullmatch(part)), None)
    if malformed is not None:
        detail = "must be an RFC 5545 rule without DTSTART, as FREQ=WEEKLY;BYDAY=TU"
        raise refuse_rule("malformed", detail)
    values = dict(part.split("=", 1) for part in parts)
    unknown = sorted(set(values) - PARTS)
    if unknown:
        raise refuse_rule("malformed", f"may not hold {unknown[0]}")
    if len(values) != len(parts):
        raise refuse_rule("malformed", "names a part twice")
    if values.get("FREQ") not in FREQUENCIES:
        raise refuse_rule("malformed", f"FREQ must be one of {', '.join(FREQUENCIES)}")
    if {"COUNT", "UNTIL"} <= set(values):
        raise refuse_rule("malformed", "may hold COUNT or UNTIL, not both")
    for name, highest in (("INTERVAL", COUNT_LIMIT), ("COUNT", COUNT_LIMIT)):
        text = values.get(name, "1")
        if not (text.isdigit() and 1 <= int(text) <= highest):
            raise refuse_rule("out_of_range", f"{name} must be from 1 to {highest}")


def refuse_rule(code: str, detail: str) -> RecurrenceFault:
    return RecurrenceFault("recurrence", code, detail)


def build_rule(
    recurrence: Recurrence, *, from_local: datetime | None = None, shift_years: int = 0
) -> rrule:
    """The rule on the wall clock; begun nearer to `from_local` where that changes nothing.

    Raises: ValueError when the library does not understand it.
    """
    values = dict(part.split("=", 1) for part in recurrence.rule.split(";"))
    start = recurrence.local_start
    if "UNTIL" in values:
        until = read_until(values["UNTIL"], recurrence.time_zone)
        values["UNTIL"] = move_years(until, shift_years).strftime("%Y%m%dT%H%M%S")
    if from_local is not None and "COUNT" not in values:
        start = skip_periods(start, from_local, values)
    text = ";".join(f"{name}={value}" for name, value in values.items())
    built = rrulestr(text, dtstart=move_years(start, shift_years))
    if not isinstance(built, rrule):
        raise TypeError("a set of rules is no rule")
    return built


def move_years(moment: datetime, years: int) -> datetime:
    return moment.replace(year=moment.year + years)


def read_until(text: str, time_zone: str) -> datetime:
    """The last moment on the wall clock: of a UTC moment, a local one, or the end of a day."""
    moment = datetime.strptime(text, UNTIL_FORMS.get(len(text), "%Y%m%d"))  # noqa: DTZ007 - below
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise ValueError(f"UNTIL must lie between {FIRST_YEAR} and {LAST_YEAR}")
    if text.endswith("Z"):
        return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)
    return moment if "T" in text else moment + timedelta(hours=23, minutes=59, seconds=59)


def skip_periods(start: datetime, from_local: datetime, values: dict[str, str]) -> datetime:
    """A later start of the same rhythm, so that an old rule is not counted through each time."""
    step = STEPS.get(values["FREQ"])
    if step is None:
        return start
    rhythm = step * int(values.get("INTERVAL", "1"))
    # Two periods of room: one that holds several days may have begun before the moment.
    return start + max((from_local - start) // rhythm - 2, 0) * rhythm


def list_occurrences(
    recurrence: Recurrence, *, start: datetime, end: datetime, limit: int = OCCURRENCE_LIMIT
) -> list[Occurrence]:
    """The occurrences that overlap [start, end), in order, at most `limit`."""
    return list(islice(iterate_occurrences(recurrence, start=start, end=end), limit))


def take_occurrences(recurrence: Recurrence, *, start: datetime, count: int) -> list[Occurrence]:
    """The next `count` occurrences that end after `start`, or as many as there are."""
    return list(islice(iterate_occurrences(recurrence, start=start), count))


def iterate_occurrences(
    recurrence: Recurrence, *, start: datetime, end: datetime | None = None
) -> Iterator[Occurrence]:
    """The occurrences that end after `start` and begin before `end`; none after the year 2200."""
    zone = ZoneInfo(recurrence.time_zone)
    # An hour and more of room for what the clocks' changes move.
    from_local = (start - recurrence.duration - timedelta(hours=3)).astimezone(zone)
    previous: datetime | None = None
    for local in iterate_local_starts(recurrence, from_local.replace(tzinfo=None)):
        begin = local.replace(tzinfo=zone).astimezone(UTC)
        if (end is not None and begin >= end) or begin.year >= LAST_YEAR:
            return
        finish = find_end(recurrence, begin)
        if finish > max(start, begin) and begin != previous:
            yield Occurrence(begin, finish)
        previous = begin


def find_end(recurrence: Recurrence, begin: datetime) -> datetime:
    """When the occurrence that began then is over; earlier where it was ended by hand."""
    finish = begin + recurrence.duration
    ended_at = recurrence.ended_at
    return ended_at if ended_at is not None and begin <= ended_at < finish else finish


def iterate_local_starts(recurrence: Recurrence, from_local: datetime) -> Iterator[datetime]:
    if not recurrence.rule:
        return iter([recurrence.local_start])
    return iter(read_rule(recurrence, from_local.date().toordinal()))


@lru_cache(maxsize=512)
def read_rule(recurrence: Recurrence, day: int) -> rrule:
    """The rule, ready to be asked from that day on; kept, because it is asked at every tick."""
    return build_rule(recurrence, from_local=datetime.fromordinal(max(day, 1)))
