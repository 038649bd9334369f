"""Forecasts are made by a job for all that is measured, and renewed once a day."""

from datetime import timedelta

import numpy as np
import pytest

from apps.core.clock import read_now
from apps.core.errors import NotFound
from apps.jobs.models import Job
from apps.jobs.services import run_due_jobs
from apps.ml.models import Forecast
from apps.ml.selectors.forecasts import get_forecast, list_forecasts, recommend
from apps.ml.services import forecasting
from apps.ml.services.forecasting import making
from apps.tests.models import Assignment, Run
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.forecasts import DISK, LINK, MEMORY, add_hours, make_forecast
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db
HOURS = np.arange(24 * 30)
DAILY_WAVE = 0.02 * np.sin(2 * np.pi * HOURS / 24) + np.random.default_rng(2).normal(
    0, 0.01, len(HOURS)
)
FILLING = (0.4 + HOURS * 0.01 / 24 + DAILY_WAVE).tolist()
SWINGING = (0.5 + 5 * DAILY_WAVE).tolist()


@pytest.fixture
def now():
    return read_now()


@pytest.fixture
def host():
    return make_client("probe-1")


def make_all(now, **fields):
    return list(forecasting.make_forecasts(now=now, since=now, **fields))


def test_a_filling_disk_has_its_hours_and_its_days(host, now):
    add_hours(host, FILLING)
    assert make_all(now) == [(1, 1)]
    row = Forecast.objects.get()
    assert (row.metric, row.refusal, row.verdict) == (DISK, "", "growing")
    assert len(row.middle) == len(row.lowest) == 24
    assert row.start_at == now.replace(minute=0, second=0, microsecond=0)
    assert row.margin > 0
    assert row.growth == pytest.approx(0.01, rel=0.1)
    assert row.full_soonest_at <= row.full_at <= row.full_latest_at
    assert (row.full_at - now) / timedelta(days=1) == pytest.approx(28, abs=4)


def test_memory_and_links_have_limits_of_their_own(host, now):
    add_hours(host, SWINGING, kind="host", subject="", key=MEMORY)
    add_hours(host, SWINGING, kind="interface", subject="eth0", key=LINK)
    make_all(now)
    limits = dict(Forecast.objects.values_list("metric", "limit"))
    assert limits == {MEMORY: 0.85, LINK: 0.8}
    assert set(Forecast.objects.values_list("verdict", flat=True)) == {"not_growing"}


def test_what_was_measured_for_too_short_says_how_long(host, now):
    add_hours(host, FILLING[:20])
    make_all(now)
    row = Forecast.objects.get()
    assert (row.refusal, row.count, row.needed, row.middle) == ("too_short", 20, 96, None)
    assert (row.limit_refusal, row.days_needed, row.verdict) == ("too_short", 8, "")
    assert row.days_there < 8


def test_a_loopback_interface_without_speed_has_no_forecast(host, now):
    add_hours(host, [None], kind="interface", subject="lo", key=LINK)
    assert make_all(now) == []


def test_what_is_silent_or_deleted_has_no_forecast(host, now):
    add_hours(host, FILLING, newest=now - timedelta(days=3))
    gone = make_client("gone", deleted_at=now)
    add_hours(gone, FILLING)
    assert make_all(now) == []


def measure_test(host, values):
    assignment = make_assignment(host, "Gateway")
    key = "net.rtt.median"
    source = add_hours(host, values, kind="assignment", subject=str(assignment.id), key=key)
    Assignment.objects.filter(id=assignment.id).update(source=source)
    return Assignment.objects.get(id=assignment.id)


def test_a_test_has_a_forecast_without_a_limit(host, now):
    measure_test(host, SWINGING)
    make_all(now)
    row = Forecast.objects.get()
    assert (row.metric, row.refusal, row.limit, row.verdict) == ("net.rtt.median", "", None, "")
    assert min(row.lowest) >= 0


def test_hours_that_an_exclusive_run_disturbed_are_not_learnt_from(host, now):
    disturbed = list(SWINGING)
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    disturbed[-5] = 1e6
    assignment = measure_test(host, disturbed)
    run = make_run(assignment, start_at=hour, end_at=hour + timedelta(minutes=5))
    Run.objects.filter(id=run.id).update(is_overlapped=True)
    make_all(now)
    assert max(Forecast.objects.get().highest) < 10


def test_what_was_made_since_is_left_alone_and_the_rest_renewed(host, now):
    add_hours(host, FILLING)
    make_all(now - timedelta(hours=2))
    made = forecasting.make_forecasts(now=now, since=now - timedelta(hours=3))
    assert list(made) == []
    make_all(now)
    assert Forecast.objects.get().made_at == now


def test_one_client_can_be_made_anew_alone(host, now):
    add_hours(host, FILLING)
    add_hours(make_client("probe-2"), FILLING)
    assert make_all(now, client_id=host.id) == [(1, 1)]
    assert Forecast.objects.get().source.client == host


def test_a_daily_job_is_asked_for_only_when_something_is_due(host, now):
    assert forecasting.ask_for_due_forecasts(now=now) is None
    add_hours(host, FILLING)
    job = forecasting.ask_for_due_forecasts(now=now)
    assert forecasting.ask_for_due_forecasts(now=now).id == job.id
    run_due_jobs("ml")
    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.DONE, "")
    assert Forecast.objects.count() == 1
    assert forecasting.ask_for_due_forecasts(now=now) is None


def test_long_work_goes_in_turns_and_loses_nothing(host, now, monkeypatch):
    monkeypatch.setattr(making, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(making, "SOURCES_AT_ONCE", 1)
    for place in range(3):
        add_hours(host, FILLING[:30], subject=f"/{place}")
    job = forecasting.ask_for_forecasts(client=host, now=now)
    run_due_jobs("ml")
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    assert Forecast.objects.count() == 3


def test_forecasts_that_nobody_renews_are_forgotten(host, now):
    make_forecast(host, made_at=now - timedelta(days=4))
    kept = make_forecast(host, subject="/home")
    assert forecasting.forget_forecasts(now=now) == 1
    assert Forecast.objects.get() == kept


def test_the_most_urgent_stands_first(host):
    values = Forecast.Verdict
    later = make_forecast(host, subject="/later", full_at=read_now() + timedelta(days=90))
    still = make_forecast(host, subject="/still", verdict=values.NOT_GROWING, full_at=None)
    learning = make_forecast(host, subject="/new", verdict="", limit_refusal="too_short")
    full = make_forecast(host, subject="/full", verdict=values.REACHED)
    soon = make_forecast(host, subject="/soon")
    other = make_forecast(host, kind="assignment", verdict="", limit=None)
    found = list(list_forecasts(make_user("ann", "viewer")))
    assert found == [full, soon, later, still, learning, other]


def test_only_forecasts_of_visible_clients_are_shown(host):
    mine = make_forecast(make_client("near", site="vienna"))
    hidden = make_forecast(make_client("far", site="berlin"))
    viewer = make_user("vera", "viewer", site="vienna")
    assert list(list_forecasts(viewer)) == [mine]
    with pytest.raises(NotFound):
        get_forecast(viewer, hidden.id)


def test_a_recommendation_names_the_thing_the_days_and_the_remedy(host):
    now = read_now()
    assert recommend(make_forecast(host), now) == (
        "Disk /var on probe-1 is full in 34 days (27 to 48). It grew by 1.00 percentage points a "
        "day in the last 45 days. Free space, move data away or enlarge it."
    )
    full = make_forecast(host, subject="/", verdict=Forecast.Verdict.REACHED)
    assert recommend(full, now) == (
        "Disk / on probe-1 is full. Free space, move data away or enlarge it."
    )
    memory = make_forecast(host, kind="host", subject="", metric=MEMORY, limit=0.9)
    assert "Memory of probe-1 is above 90\N{NO-BREAK SPACE}% in 34 days" in recommend(memory, now)
    still = make_forecast(host, subject="/still", verdict=Forecast.Verdict.NOT_GROWING)
    assert recommend(still, now) == ""
