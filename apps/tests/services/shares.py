"""How much of their time clients spend on tests."""

from datetime import datetime
from functools import lru_cache
from itertools import islice
from uuid import UUID

from apps.core.clock import read_now
from apps.tests.algorithms.cron import iterate_minutes, read_minute
from apps.tests.algorithms.load import estimate_share
from apps.tests.models import Assignment, Test

STARTS_AVERAGED = 500
DAYS_AVERAGED = 400
DAY_MINUTES = 24 * 60
MINUTE_SECONDS = 60


def measure_shares(*, except_test: Test | None = None) -> dict[UUID, float]:
    """The share of its time that each client spends on its unpaused tests; two queries.

    Several tests at once add up beyond 1; a client without tests is left out.
    """
    tests = Test.objects.filter(is_paused=False).order_by()
    if except_test is not None:
        tests = tests.exclude(id=except_test.id)
    now = read_now()
    shares = {test.id: find_share(test, now) for test in tests.defer("parameters", "selector")}
    rows = Assignment.objects.filter(removed_at=None, test__is_paused=False).order_by()
    found: dict[UUID, float] = {}
    for client_id, peer_id, test_id in rows.values_list("client_id", "peer_id", "test_id"):
        for one in {client_id, peer_id} - {None} if test_id in shares else ():
            found[one] = found.get(one, 0.0) + shares[test_id]
    return found


def find_share(test: Test, now: datetime) -> float:
    """The share of its time, 0 to 1, that one client spends on the test."""
    every = test.every_seconds
    if test.schedule_kind == Test.ScheduleKind.CRON:
        day = read_minute(now) // DAY_MINUTES
        every = find_mean_gap(test.cron_expression, test.time_zone, day)
    return estimate_share(
        schedule_kind=test.schedule_kind,
        duration_seconds=test.duration_seconds,
        every_seconds=every,
    )


@lru_cache(maxsize=1024)
def find_mean_gap(expression: str, time_zone: str, day: int) -> float | None:
    """The mean seconds between starts from that Unix day on; None for fewer than two in a year."""
    first = day * DAY_MINUTES
    until = first + DAYS_AVERAGED * DAY_MINUTES
    minutes = iterate_minutes(expression, time_zone, from_minute=first, until_minute=until)
    starts = list(islice(minutes, STARTS_AVERAGED))
    if len(starts) <= 1:
        return None
    return (starts[-1] - starts[0]) / (len(starts) - 1) * MINUTE_SECONDS
