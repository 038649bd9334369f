"""Scores follow the results, incrementally, and come out as if all were counted anew."""

from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.ml.models import HealthChange, HealthScore
from apps.ml.selectors.goals import GoalChange
from apps.ml.services.health import clear_goal, refresh_health, set_goal
from apps.tests.models import Assignment, Result, Run
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db
GOOD = {"net.rtt.p95": 0.02, "net.jitter.rfc3550": 0.001, "net.packet.loss.ratio": 0.0}


def measure(assignment, at, *, is_success=True, received_at=None, **fields):
    run = make_run(assignment, start_at=at, end_at=at, state=Run.State.FINISHED)
    Run.objects.filter(id=run.id).update(**fields.pop("run", {}))
    Result.objects.create(
        **{
            "run": run,
            "received_at": received_at or at,
            "started_at": at,
            "finished_at": at,
            "outcome": Result.Outcome.COMPLETED,
            "is_success": is_success,
            "values": GOOD,
            **fields,
        }
    )
    Assignment.objects.filter(id=assignment.id).update(last_run_at=at)


def measure_minutes(assignment, *, until, count, **fields):
    for number in range(count):
        measure(assignment, until - timedelta(minutes=count - 1 - number), **fields)


@pytest.fixture
def now():
    return read_now().replace(minute=30, second=0, microsecond=0)


@pytest.fixture
def assignment():
    return make_assignment(make_client("host"))


def find_score(assignment):
    return HealthScore.objects.get(assignment=assignment)


def test_a_path_without_faults_scores_a_hundred(assignment, now):
    measure_minutes(assignment, until=now, count=10)
    assert refresh_health(now=now) == 1
    row = find_score(assignment)
    assert (row.score, row.band, row.deductions) == (100, "healthy", [])
    assert row.pillars == {"availability": 100.0, "performance": 100.0, "reliability": 100.0}
    assert row.is_partial


def test_what_was_never_measured_is_unknown_and_not_well(assignment, now):
    refresh_health(now=now)
    row = find_score(assignment)
    assert (row.score, row.band, row.reason) == (None, "unknown", "few_results")
    assert HealthScore.objects.get(client=assignment.client).reason == "no_scores"


def test_a_path_that_went_silent_becomes_unknown(assignment, now):
    measure_minutes(assignment, until=now, count=10)
    refresh_health(now=now)
    refresh_health(now=now + timedelta(minutes=6))
    assert (find_score(assignment).score, find_score(assignment).reason) == (None, "old_results")


def test_a_test_of_every_second_is_not_silent_before_a_minute_has_passed(now):
    assignment = make_assignment(
        make_client("host"), schedule_kind="continuous", duration_seconds=1.0, every_seconds=None
    )
    for seconds in range(10):
        measure(assignment, now - timedelta(seconds=seconds))
    refresh_health(now=now + timedelta(seconds=55))
    assert find_score(assignment).score == 100
    refresh_health(now=now + timedelta(minutes=10))
    assert find_score(assignment).reason == "old_results"


def test_loss_is_named_as_the_reason(assignment, now):
    measure_minutes(assignment, until=now, count=10, values={**GOOD, "net.packet.loss.ratio": 0.05})
    refresh_health(now=now)
    row = find_score(assignment)
    assert row.band == "critical"
    assert [(one["input"], one["value"]) for one in row.deductions] == [("loss", 0.05)]
    assert abs(sum(one["points"] for one in row.deductions) - (100 - row.score)) <= 0.5


def test_results_that_an_exclusive_run_disturbed_do_not_count_as_slow(assignment, now):
    measure_minutes(assignment, until=now - timedelta(minutes=1), count=9)
    measure(assignment, now, values={"net.rtt.p95": 9.0}, run={"is_overlapped": True})
    refresh_health(now=now)
    assert find_score(assignment).score == 100


def test_only_what_has_news_is_scored_again(assignment, now):
    measure_minutes(assignment, until=now, count=10)
    refresh_health(now=now)
    later = now + timedelta(minutes=1)
    assert refresh_health(now=later) == 0
    measure(assignment, later - timedelta(seconds=1))
    assert refresh_health(now=later) == 1


def test_counted_hour_by_hour_it_is_the_same_as_counted_at_once(now, assignment):
    other = make_assignment(assignment.client, "Other")
    start = now - timedelta(hours=9)
    for hour in range(10):
        for minute in range(0, 60, 10):
            at = start + timedelta(hours=hour, minutes=minute)
            is_success = not (hour in {2, 3, 4} or (hour == 7 and minute == 20))
            measure(assignment, at, is_success=is_success)
            measure(other, at, is_success=is_success)
        HealthScore.objects.filter(assignment=other).update(computed_at=start - timedelta(days=1))
        refresh_health(now=start + timedelta(hours=hour, minutes=55))
    HealthScore.objects.filter(assignment=assignment).delete()
    end = start + timedelta(hours=9, minutes=56)
    HealthScore.objects.update(computed_at=start)
    refresh_health(now=end)
    assert find_score(assignment).tallies == find_score(other).tallies
    assert find_score(assignment).score == find_score(other).score
    assert sum(one[2] for one in find_score(other).tallies.values()) == 2


def test_results_of_an_agent_that_was_cut_off_count_once_they_come(assignment, now):
    measure_minutes(assignment, until=now, count=10)
    refresh_health(now=now)
    later = now + timedelta(minutes=2)
    for minute in range(3):
        at = now - timedelta(hours=5, minutes=minute)
        measure(assignment, at, is_success=False, received_at=later)
    Assignment.objects.filter(id=assignment.id).update(last_run_at=now)
    assert refresh_health(now=later) == 1
    row = find_score(assignment)
    assert sum(one[1] for one in row.tallies.values()) == 3
    assert sum(one[2] for one in row.tallies.values()) == 1


def test_clients_sites_and_the_whole_follow(now):
    client = make_client("host", site="north")
    good, bad = (make_assignment(client, name) for name in ("Good", "Bad"))
    measure_minutes(good, until=now, count=10)
    measure_minutes(bad, until=now, count=10, is_success=False, values={})
    refresh_health(now=now)
    row = HealthScore.objects.get(client=client)
    assert (find_score(good).score, find_score(bad).score) == (100, 0)
    assert row.score == 25
    assert [one["member"] for one in row.deductions] == [str(bad.id)]
    assert HealthScore.objects.get(site=client.site).score == 25
    assert HealthScore.objects.get(assignment=None, client=None, site=None).score == 25


def test_paused_and_removed_tests_are_left_out(now, assignment):
    other = make_assignment(assignment.client, "Other")
    measure_minutes(assignment, until=now, count=10)
    measure_minutes(other, until=now, count=10, is_success=False)
    refresh_health(now=now)
    Assignment.objects.filter(id=other.id).update(removed_at=now)
    measure(assignment, now + timedelta(minutes=1))
    refresh_health(now=now + timedelta(minutes=2))
    assert HealthScore.objects.get(client=assignment.client).score == 100


def test_history_has_a_row_for_each_step_and_none_for_a_flutter(assignment, now):
    measure_minutes(assignment, until=now, count=10)
    refresh_health(now=now)
    row = find_score(assignment)
    for minute, loss in enumerate((0.0, 0.0005, 0.2), start=1):
        at = now + timedelta(minutes=minute)
        measure(assignment, at, values={**GOOD, "net.packet.loss.ratio": loss})
        refresh_health(now=at + timedelta(seconds=1))
    scores = list(HealthChange.objects.filter(subject=row).order_by("at").values_list("score"))
    assert scores[0] == (100,)
    assert len(scores) == 2
    assert scores[1] == (find_score(assignment).score,)


def test_a_bounded_number_is_scored_at_a_time_the_longest_waiting_first(now):
    client = make_client("host")
    for name in "abc":
        make_assignment(client, name)
    assert refresh_health(now=now, most=2) == 2
    assert refresh_health(now=now, most=2) == 1
    assert refresh_health(now=now, most=2) == 0


def test_a_goal_of_its_own_changes_what_a_test_is_measured_by(assignment, now):
    measure_minutes(assignment, until=now, count=10, values={**GOOD, "net.rtt.p95": 0.3})
    refresh_health(now=now)
    before = find_score(assignment).score
    change = GoalChange(0.99, 0.65, 1.5, 0.02, 0.2)
    set_goal(assignment.test, change)
    refresh_health(now=now)
    assert before < find_score(assignment).score == 100
    clear_goal(assignment.test)
    refresh_health(now=now)
    assert find_score(assignment).score == before


def test_throughput_is_measured_by_what_is_usual_there(now):
    assignment = make_assignment(
        make_client("host"),
        kind="http_throughput",
        target="http://192.0.2.1/",
        every_seconds=3600.0,
    )
    for hour in range(20, 0, -1):
        rate = 1e8 if hour > 6 else 2e7
        values = {"net.throughput.http.download": rate}
        measure(assignment, now - timedelta(hours=hour - 1), values=values)
    refresh_health(now=now)
    (deduction,) = find_score(assignment).deductions
    assert deduction["input"] == "throughput"
    assert round(deduction["value"], 3) == 0.2


def test_a_client_whose_only_test_was_paused_has_no_score_any_more(now, assignment):
    measure_minutes(assignment, until=now, count=10)
    refresh_health(now=now)
    client = HealthScore.objects.get(client=assignment.client)
    assert client.score == 100
    assignment.test.is_paused = True
    assignment.test.save()
    refresh_health(now=now + timedelta(minutes=11))
    client.refresh_from_db()
    assert (client.score, client.reason) == (None, "no_scores")
    assert HealthScore.objects.get(assignment=None, client=None, site=None).score is None


def test_a_site_that_its_clients_left_has_no_score_any_more(now):
    client = make_client("host", site="north")
    north = client.site
    assignment = make_assignment(client)
    measure_minutes(assignment, until=now, count=10)
    refresh_health(now=now)
    client.site = None
    client.save()
    later = now + timedelta(minutes=11)
    measure_minutes(assignment, until=later, count=10)
    refresh_health(now=later)
    assert HealthScore.objects.get(client=client).score == 100
    assert HealthScore.objects.get(site=north).score is None
