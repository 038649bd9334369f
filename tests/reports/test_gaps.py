"""Times in which a client measured nothing: found by its runs, and none made up."""

from datetime import timedelta

import pytest

from apps.reports.selectors.facts.accounts import Span, reckon
from apps.reports.selectors.facts.gaps import find_gaps
from apps.reports.services.tallies import keep_tallies
from apps.tests.models import Assignment
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment
from tests.reports.conftest import measure

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def find(now, hours):
    assignments = list(Assignment.objects.select_related("test", "client"))
    span = Span(now - hours * HOUR, now)
    gaps = find_gaps(assignments, reckon(assignments, span).holes, span)
    return [(gap.start_at, gap.end_at, gap.is_open) for gap in gaps]


@pytest.fixture
def client(db):
    return make_client("vienna-1")


def test_a_gap_lasts_from_the_first_unknown_run_until_the_next_verdict(client, now):
    measure(make_assignment(client, "Gateway"), now, [True] * 60 + [None] * 5 + [False] + [True])
    assert find(now, 67) == [(now - 7 * HOUR, now - 2 * HOUR, False)]


def test_kept_days_tell_the_same(client, now):
    verdicts = [True] * 30 + [None] * 30 + [True] * 40
    gateway = make_assignment(client, "Gateway")
    Assignment.objects.update(created_at=now - 200 * HOUR)
    measure(gateway, now, verdicts)
    expected = [(now - 70 * HOUR, now - 40 * HOUR, False)]
    assert find(now, 100) == expected
    for _day in range(10):
        keep_tallies(now=now)
    assert find(now, 100) == expected


def test_gaps_that_are_days_apart_are_two(client, now):
    verdicts = [True] * 24 + [None] * 4 + [True] * 92 + [None] * 3 + [True] * 21
    measure(make_assignment(client, "Gateway"), now, verdicts)
    assert find(now, 144) == [
        (now - 120 * HOUR, now - 116 * HOUR, False),
        (now - 24 * HOUR, now - 21 * HOUR, False),
    ]


def test_what_lasts_until_the_end_is_open(client, now):
    measure(make_assignment(client, "Gateway"), now, [True] * 20 + [None] * 4)
    assert find(now, 24) == [(now - 4 * HOUR, now, True)]


def test_a_run_that_another_test_makes_up_for_is_no_gap(client, now):
    measure(make_assignment(client, "Gateway"), now, [True] * 10 + [None] * 4 + [True] * 10)
    measure(make_assignment(client, "Shop"), now, [True] * 24)
    assert find(now, 24) == []


def test_another_clients_runs_do_not_end_it(client, now):
    measure(make_assignment(client, "Gateway"), now, [True] * 10 + [None] * 4 + [True] * 10)
    measure(make_assignment(make_client("graz-1"), "Shop"), now, [True] * 24)
    assert find(now, 24) == [(now - 14 * HOUR, now - 10 * HOUR, False)]


def test_one_run_that_is_missing_is_no_gap(client, now):
    measure(make_assignment(client, "Gateway"), now, [True] * 10 + [None] + [True] * 10)
    assert find(now, 21) == []
