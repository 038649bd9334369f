"""Figures of results over time: what runs found that no frame holds."""

from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.clients.models import Client
from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.metrics.algorithms.series import bucket_series
from apps.tests.models import Result, Run
from apps.tests.selectors import (
    figures,
    list_carriers_of_results,
    list_measured_keys,
    read_run_range,
)
from tests.factories import wire
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

KEY = "net.rtt.p99"
COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")


@pytest.fixture
def assignment():
    return make_assignment(make_client("edge"))


@pytest.fixture
def start():
    return read_now().replace(minute=0, second=0, microsecond=0) - timedelta(days=2)


def add_results(assignment, start, numbers, *, every=timedelta(minutes=1), key=KEY):
    """A result every minute; of None it has no such key, but a reason."""
    runs, results = [], []
    for place, number in enumerate(numbers):
        at = start + place * every
        run = Run(
            id=uuid4(),
            assignment=assignment,
            schedule_revision=1,
            start_at=at,
            end_at=at,
            state=Run.State.FINISHED,
        )
        runs.append(run)
        results.append(
            Result(
                run=run,
                received_at=at,
                started_at=at,
                finished_at=at,
                outcome=Result.Outcome.COMPLETED,
                values={} if number is None else {key: number, "net.rtt.median": 0.01},
                absent={key: "I"} if number is None else {},
            )
        )
    Run.objects.bulk_create(runs)
    Result.objects.bulk_create(results)


def read(assignment, start, *, hours=24, points=200, key=KEY):
    return read_run_range(
        assignment_id=assignment.id,
        key=key,
        start=start,
        end=start + timedelta(hours=hours),
        points=points,
    )


def test_few_runs_are_single_values_at_the_moments_they_began(assignment, start):
    add_results(assignment, start, [0.25, None, 0.5, 0.0])
    series = read(assignment, start)
    minutes = (0, 2, 3)
    assert series.at == [(start + timedelta(minutes=one)).timestamp() for one in minutes]
    assert series.mean == [0.25, 0.5, 0.0]
    assert (series.step_seconds, series.tier, series.is_estimated) == (0, "run", False)


def test_the_range_holds_its_start_and_not_its_end(assignment, start):
    add_results(assignment, start, [1.0, 2.0, 3.0], every=timedelta(hours=1))
    assert read(assignment, start, hours=2).mean == [1.0, 2.0]


def test_what_was_not_measured_is_absent_and_not_nought(assignment, start):
    add_results(assignment, start, [None] * 5)
    assert read(assignment, start).at == []


def test_a_key_with_attributes_is_its_own_series(assignment, start):
    forward, reverse = (f"net.owd.median{{direction={way}}}" for way in ("forward", "reverse"))
    add_results(assignment, start, [0.125], key=forward)
    assert read(assignment, start, key=forward).mean == [0.125]
    assert read(assignment, start, key=reverse).mean == []


def test_results_of_other_assignments_are_not_among_them(assignment, start):
    other = make_assignment(make_client("core"), "Other")
    add_results(other, start, [1.0])
    assert read(assignment, start).at == []


@pytest.mark.parametrize(("hours", "points"), [(0, 10), (1, 0), (1, 2001)])
def test_an_impossible_range_is_refused(assignment, start, hours, points):
    with pytest.raises(Invalid):
        read(assignment, start, hours=hours, points=points)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    numbers=st.lists(
        st.none() | st.floats(min_value=-1e6, max_value=1e6, width=32), min_size=5, max_size=150
    ),
    points=st.sampled_from([3, 7, 30]),
)
def test_what_the_database_puts_into_buckets_is_what_the_charts_algorithm_makes(
    assignment, start, monkeypatch, numbers, points
):
    Run.objects.filter(assignment=assignment).delete()
    add_results(assignment, start, numbers)
    monkeypatch.setattr(figures, "VALUES_READ_GLADLY", 3)
    series = read(assignment, start, hours=3, points=points)
    known = [(place * 60, number) for place, number in enumerate(numbers) if number is not None]
    if len(known) <= 3:
        assert len(series.at) == len(known)
        return
    at, values = np.array(known, dtype=np.float64).T
    expected = bucket_series(start.timestamp() + at, values, series.step_seconds)
    assert series.step_seconds > 0
    assert series.at == expected.start.tolist()
    assert len(series.at) <= points
    for name in COLUMNS:
        np.testing.assert_allclose(
            getattr(series, name), getattr(expected, name), rtol=1e-9, atol=1e-9
        )


def test_many_runs_take_two_queries_and_few_take_one(assignment, start, monkeypatch):
    add_results(assignment, start, [float(number) for number in range(300)])
    counts = []
    for most in (300, 299):
        monkeypatch.setattr(figures, "VALUES_READ_GLADLY", most)
        with CaptureQueriesContext(connection) as queries:
            assert sum(read(assignment, start, hours=6).count) == 300
        counts.append(len(queries))
    assert counts == [1, 2]


def test_only_what_results_have_and_frames_have_not_is_a_figure_of_runs(client, assignment, start):
    frame = wire.frame((0.02, 0.0), keys=wire.PING_KEYS, source=("assignment", str(assignment.id)))
    wire.send(client, make_key(assignment.client), frame)
    assignment.refresh_from_db()
    add_results(assignment, start, [0.25, None])
    keys = list_measured_keys(assignment)
    assert (keys.sampled, keys.of_runs) == (tuple(sorted(wire.PING_KEYS)), (KEY,))


def test_who_carries_a_figure_of_results_is_told_within_the_reach_of_the_user(client, assignment):
    at = read_now() - timedelta(minutes=5)
    sampled = make_assignment(make_client("core"), "Sampled")
    for one, keys in ((assignment, wire.PING_KEYS), (sampled, (KEY,))):
        run = make_run(one, start_at=at, end_at=at)
        source = ("assignment", str(one.id))
        frame = wire.frame([0.5] * len(keys), keys=keys, source=source, at=at)
        result = wire.result(one.id, run=run.id, at=at, values={KEY: 0.25})
        answer = wire.send(client, make_key(one.client), frame, result, keys=(keys,))
        assert answer["rejected"] == []
    found = []
    for user in (make_user("ann", "viewer"), make_user("eve", "viewer", site="elsewhere")):
        rows = list_carriers_of_results(user, Client.objects.all(), KEY, at_most=10)
        found.append([(row, row.last_values[KEY]) for row in rows])
    assert found == [[(assignment, 0.25)], []]
