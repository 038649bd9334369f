"""Labels by what others met in the hour ahead and by what people said, never by the past."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from apps.core.clock import read_now
from apps.ml.algorithms.forward_labels import AHEAD_SECONDS, GAP_SECONDS, look_ahead
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.witnesses import Seen, Witnesses, hear_witnesses
from apps.ml.learners.health_class import HealthClassLearner
from apps.ml.models import Feedback
from apps.ml.selectors.labels import find_confirmed, read_witnesses
from apps.tests.models import Assignment, Result, Run
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.findings import make_finding
from tests.factories.observing import draw_observations, store_results
from tests.factories.tests import make_assignment, make_test

EVERY = 600.0
AT = EVERY * np.arange(40)
WELL = np.zeros(40)
END = float(AT[-1])


def hear(failed=WELL, until=END, **witnesses):
    return hear_witnesses(AT, failed, Witnesses(**witnesses), until=until)


def see(first, last, *, failing=2, well=0):
    """Failures of others between two moments, and as many results as asked for that were well."""
    at = np.linspace(first, last, failing + well)
    return Seen(at, np.concatenate([np.ones(failing), np.zeros(well)]))


def list_bad(labels):
    return AT[labels.missed == 1].tolist()


def test_without_witnesses_the_labels_are_those_of_the_own_results():
    failed = np.where((AT > 9000) & (AT < 11_000), 1.0, 0.0)
    heard = hear(failed, until=END + AHEAD_SECONDS)
    assert np.array_equal(heard.missed, look_ahead(AT, failed).missed, equal_nan=True)
    assert set(heard.changed.values()) == {0}


@pytest.mark.parametrize("witness", ["target", "client"])
def test_failures_of_others_are_trouble_for_the_hour_before_them_alone(witness):
    heard = hear(**{witness: see(12_000, 12_010)})
    expected = AT[(AT + GAP_SECONDS < 12_000) & (AT + AHEAD_SECONDS >= 12_010)]
    assert list_bad(heard) == expected.tolist()
    assert heard.changed[witness] == len(expected)


@pytest.mark.parametrize(("failing", "well"), [(1, 0), (2, 2), (1, 5)])
def test_a_single_failure_or_fewer_than_most_are_no_trouble(failing, well):
    assert list_bad(hear(target=see(12_000, 12_010, failing=failing, well=well))) == []


def test_others_tell_also_where_the_test_itself_has_no_results():
    seen = see(END + 1000, END + 2000, failing=5)
    assert list_bad(hear(client=seen, until=END + AHEAD_SECONDS))[-1] == END
    assert np.isnan(hear(client=seen).missed[-1])


def test_a_confirmed_problem_is_trouble_and_a_refused_one_is_none():
    assert list_bad(hear(confirmed=[(12_100, 12_100)])) == [
        at for at in AT.tolist() if at + GAP_SECONDS < 12_100 <= at + AHEAD_SECONDS
    ]
    failed = np.where((AT == 12_000) | (AT == 24_000), 1.0, 0.0)
    heard = hear(failed, refused=[(12_000, 12_000)])
    expected = np.where(AT == 24_000, 1.0, 0.0)
    assert np.array_equal(heard.missed, look_ahead(AT, expected).missed, equal_nan=True)
    assert heard.changed["refused"] == np.nansum(look_ahead(AT, failed - expected).missed)


def test_what_a_witness_says_of_the_past_and_the_present_changes_no_label():
    heard = hear(target=see(12_000, 12_010), client=see(12_000, 12_010))
    place = int(12_000 / EVERY)
    assert not heard.missed[place:-6].any()


# Of the database.
def put_runs(assignment, moments, *, state=Run.State.FINISHED, is_success=True):
    for at in moments:
        run = Run.objects.create(
            id=uuid4(),
            assignment=assignment,
            schedule_revision=1,
            start_at=at,
            end_at=at,
            state=state,
        )
        if state == Run.State.FINISHED:
            Result.objects.create(
                run=run,
                received_at=at,
                started_at=at,
                finished_at=at,
                outcome=Result.Outcome.COMPLETED,
                is_success=is_success,
            )


@pytest.fixture
def now():
    return read_now()


@pytest.fixture
def path():
    """A test of two clients, and the assignment of the first."""
    test = make_test("Path", make_client("one"), make_client("two"), target="192.0.2.7")
    return Assignment.objects.get(test=test, client__name="one")


@pytest.mark.django_db
def test_the_target_is_seen_by_other_clients_and_other_tests_of_it(path, now):
    at = np.array([(now - timedelta(hours=3)).timestamp()])
    other = Assignment.objects.exclude(client=path.client).get()
    web = make_assignment(
        path.client, "Web", kind="tcp", target="192.0.2.7", parameters={"port": 80}
    )
    elsewhere = make_assignment(path.client, "Elsewhere", target="192.0.2.8")
    put_runs(other, [now - timedelta(hours=2)], is_success=False)
    put_runs(web, [now - timedelta(hours=1)])
    put_runs(elsewhere, [now - timedelta(hours=1)], is_success=False)
    put_runs(path, [now - timedelta(hours=1)], is_success=False)
    put_runs(other, [now - timedelta(hours=4)], is_success=False)
    assert read_witnesses(path, at).target.failed.tolist() == [1.0, 0.0]


@pytest.mark.django_db
def test_runs_of_the_client_that_were_missed_are_an_outage_of_it(path, now):
    at = np.array([(now - timedelta(hours=3)).timestamp()])
    other = make_assignment(path.client, "Elsewhere", target="192.0.2.8")
    put_runs(path, [now - timedelta(hours=2)], state=Run.State.MISSED)
    put_runs(other, [now - timedelta(minutes=90)], state=Run.State.FAILED)
    put_runs(other, [now - timedelta(hours=1)], is_success=False)
    put_runs(other, [now - timedelta(minutes=30)], state=Run.State.CANCELLED)
    assert read_witnesses(path, at).client.failed.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.django_db
def test_people_are_heard_about_this_test_of_this_client(path, now):
    ann = make_user("ann", "admin")
    at = now - timedelta(hours=2)
    other = Assignment.objects.exclude(client=path.client).get()
    findings = {
        "confirmed": make_finding(path.client, at=at, test=path.test, source=path.source),
        "not_a_problem": make_finding(
            path.client, "joint_anomaly", at=at, test=path.test, source=path.source
        ),
        "other_cause": make_finding(other.client, at=at, test=other.test, source=other.source),
    }
    for verdict, finding in findings.items():
        Feedback.objects.create(finding=finding, verdict=verdict, said_by=ann, said_at=now)
    heard = read_witnesses(path, np.array([0.0]))
    start = at.timestamp()
    assert (heard.confirmed, heard.refused) == ([(start, start + 300)], [(start, start)])


@pytest.mark.django_db
def test_a_diagnosis_that_was_right_keeps_the_result_that_it_is_about_from_being_learned(path, now):
    moments = [now - timedelta(hours=hours) for hours in (3, 2, 1)]
    put_runs(path, moments)
    run = Run.objects.get(start_at=moments[1])
    finding = make_finding(path.client, "diagnosis", at=now, test=path.test, run=run)
    Feedback.objects.create(
        finding=finding, verdict="other_cause", cause="dns_slow", said_by=None, said_at=now
    )
    at = np.array([moment.timestamp() for moment in moments])
    assert find_confirmed(path, at).tolist() == [False, True, False]


@pytest.mark.django_db
def test_most_of_the_people_decide_what_is_learned(path, now):
    finding = make_finding(path.client, at=now, test=path.test, source=path.source)
    users = [make_user(name, "admin") for name in ("ann", "ben", "cem")]
    words = ("confirmed", "confirmed", "not_a_problem")
    for number, (user, verdict) in enumerate(zip(users, words, strict=True)):
        said_at = now + timedelta(seconds=number)
        Feedback.objects.create(finding=finding, verdict=verdict, said_by=user, said_at=said_at)
    assert find_confirmed(path, np.array([now.timestamp()])).tolist() == [True]


@pytest.mark.django_db
def test_the_health_class_learns_outages_that_only_others_met(path, now):
    learner = HealthClassLearner()
    runs = store_results(path, draw_observations(60, every_seconds=EVERY, until=now))
    other = Assignment.objects.exclude(client=path.client).get()
    begin = datetime.fromtimestamp(runs[30].start_at.timestamp(), UTC)
    put_runs(other, [begin, begin + timedelta(minutes=1)], is_success=False)
    rows = learner.collect(Scope("test", str(path.test_id)), now + timedelta(hours=2))
    own = rows.groups == rows.groups[0]
    assert rows.labels["target"] == 5
    assert int(np.nansum(rows.targets[own])) == 5
    assert rows.incidents == 1
