"""Days that are kept say what their runs would say, also when something comes in late."""

from datetime import UTC, timedelta

import pytest

from apps.configuration.services import store_settings
from apps.reports.models import DayTally, TallyClock
from apps.reports.selectors.facts.accounts import Span, reckon
from apps.reports.services.tallies import forget_tallies, keep_tallies
from apps.tests.models import Result, Run
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_result, make_run
from tests.reports.conftest import measure

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DAYS = 5
# Verdicts of an hour each: outages within days, over midnights, over a whole day, and gaps.
COURSES = (
    [True] * 24 * DAYS,
    [False] * 24 * DAYS,
    [True] * 20 + [False] * 30 + [None] * 10 + [True] * 40 + [False] * 20,
    [None] * 30 + [False, True] * 40 + [None] * 10,
    [None] * 24 * DAYS,
)


@pytest.fixture
def midnight(now):
    return now.astimezone(UTC).replace(hour=0, minute=0)


@pytest.fixture
def assignments(midnight):
    client = make_client("vienna-1")
    found = []
    for place, verdicts in enumerate(COURSES):
        one = make_assignment(client, f"Test {place}")
        one.created_at = midnight - 30 * DAY
        one.save()
        measure(one, midnight, verdicts)
        found.append(one)
    for result in Result.objects.select_related("run"):
        result.started_at, result.received_at = result.run.start_at, result.run.end_at
        result.save()
    return found


def read_all(assignments, midnight):
    """Over several spans, at whole days and not."""
    return [
        reckon(assignments, Span(midnight - before, midnight - after))
        for before, after in (
            (DAYS * DAY, timedelta()),
            (DAYS * DAY - 5 * HOUR, 7 * HOUR),
            (3 * DAY, DAY),
            (30 * HOUR, 10 * HOUR),
            (9 * HOUR, 2 * HOUR),
        )
    ]


def receive_late(assignment, start_at, *, received_at):
    """The result of a run that nobody here knew of, days later."""
    result = make_result(
        assignment,
        is_success=False,
        started_at=start_at,
        finished_at=start_at + timedelta(seconds=10),
        received_at=received_at,
    )
    result.run.start_at = start_at
    result.run.save()


def test_kept_days_say_the_same_as_their_runs(assignments, midnight):
    before = read_all(assignments, midnight)
    assert keep_tallies(now=midnight + 3 * HOUR) == DAYS
    assert TallyClock.objects.get().kept_until == midnight
    assert read_all(assignments, midnight) == before


def test_kept_days_are_read_without_their_runs(assignments, midnight):
    whole = Span(midnight - DAYS * DAY, midnight)
    before = reckon(assignments, whole)
    keep_tallies(now=midnight + 3 * HOUR)
    Run.objects.all().delete()
    assert reckon(assignments, whole) == before


def test_what_comes_in_late_counts_at_once_and_is_kept(assignments, midnight):
    keep_tallies(now=midnight - HOUR)
    receive_late(assignments[0], midnight - 3 * DAY + 1.5 * HOUR, received_at=midnight)
    late = read_all(assignments, midnight)
    assert late[0].tallies[assignments[0].id].bad == 1
    keep_tallies(now=midnight + 3 * HOUR)
    assert DayTally.objects.filter(assignment=assignments[0], bad=1).count() == 1
    assert read_all(assignments, midnight) == late


def test_a_day_is_kept_once_it_is_over_and_nothing_of_it_is_under_way(assignments, midnight):
    keep_tallies(now=midnight + HOUR)
    assert TallyClock.objects.get().kept_until == midnight - DAY
    at = midnight - HOUR
    run = make_run(assignments[0], state="running", start_at=at, end_at=at + HOUR)
    keep_tallies(now=midnight + 3 * HOUR)
    assert TallyClock.objects.get().kept_until == midnight - DAY
    run.state = "missed"
    run.save()
    keep_tallies(now=midnight + 3 * HOUR)
    assert TallyClock.objects.get().kept_until == midnight


def test_without_runs_nothing_is_kept(db, midnight):
    assert keep_tallies(now=midnight) == 0
    assert not TallyClock.objects.exists()


def test_tallies_are_forgotten_with_their_results(assignments, midnight):
    keep_tallies(now=midnight + 3 * HOUR)
    store_settings(values={"result_retention_days": 30})
    forget_tallies(midnight + 27 * DAY)
    assert DayTally.objects.order_by("day").first().day == (midnight - 3 * DAY).date()
