"""Who learns next: each reason asks once and is told, and everybody gets a turn within a day."""

from datetime import timedelta

import pytest
from django.db.models import Count, F

from apps.clients.models import Client, Interface
from apps.core.clock import read_now
from apps.metrics.models import Fact, Source
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.triggers import Trigger
from apps.ml.models import Feedback, ModelVersion, Training
from apps.ml.selectors.surroundings import read_surroundings
from apps.ml.services import standings
from apps.ml.services.standings import ROUND_HOURS, train_due_models
from apps.tests.models import Assignment
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.findings import make_finding
from tests.factories.learning import EVERYTHING, KIND, SmallLearner, known_learner, make_version
from tests.factories.tests import make_assignment, make_test

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def learner():
    with known_learner(SmallLearner()) as known:
        yield known


@pytest.fixture
def now():
    return read_now()


def finish(**fields):
    """All open trainings end; the fields are theirs."""
    rows = Training.objects.filter(state__in=Training.OPEN)
    rows.update(**{"state": Training.State.DONE, **fields})


def let_pass(time):
    Training.objects.update(created_at=F("created_at") - time)


def list_reasons():
    rows = Training.objects.order_by("created_at")
    return list(rows.values_list("trigger", "reason"))


def trained(learner, now, *, champion=True):
    """A first training that is two days old, with its champion."""
    train_due_models()
    finish(row_count=len(learner.rows))
    let_pass(2 * DAY)
    if champion:
        return make_version(state="champion", trained_at=now - 2 * DAY)
    return None


def test_drift_asks_once_also_when_nothing_came_of_the_training(learner, now):
    version = trained(learner, now)
    drift = {"is_drifted": True, "drifted_share": 0.5}
    ModelVersion.objects.update(drift=drift, reviewed_at=now)
    assert train_due_models() == 1
    assert list_reasons()[-1] == (Trigger.DRIFT, "50% of the features have drifted")
    finish(row_count=300, state=Training.State.FAILED)
    let_pass(timedelta(hours=3))
    ModelVersion.objects.update(reviewed_at=F("reviewed_at") - timedelta(hours=3))
    assert train_due_models() == 0
    version.refresh_from_db()
    assert version.drift == drift
    ModelVersion.objects.update(reviewed_at=read_now())
    assert train_due_models() == 1


def say(client, verdicts, at):
    for number, verdict in enumerate(verdicts):
        finding = make_finding(client, "joint_anomaly", at=at - timedelta(minutes=number))
        user = make_user(f"user-{Feedback.objects.count()}", "admin")
        Feedback.objects.create(finding=finding, verdict=verdict, said_by=user, said_at=at)


def test_feedback_asks_once_when_it_is_beyond_chance(learner, now):
    trained(learner, now)
    client = make_client("probe")
    say(client, ["not_a_problem"] * 5 + ["confirmed"] * 5, now - timedelta(hours=2))
    assert train_due_models() == 0
    say(client, ["not_a_problem"] * 4, now - timedelta(hours=2))
    assert train_due_models() == 1
    assert list_reasons()[-1] == (Trigger.FEEDBACK, "9 of 14 findings were called wrong")
    finish(row_count=300)
    let_pass(timedelta(hours=1, minutes=30))
    assert train_due_models() == 0


def test_another_agent_asks_once(learner, now):
    assignment = make_assignment(make_client("probe"), "web", target="192.0.2.1")
    Client.objects.update(agent_version="1.0")
    learner.scopes = (Scope("assignment", str(assignment.id)),)
    trained(learner, now, champion=False)
    assert train_due_models() == 0
    Client.objects.update(agent_version="1.1")
    assert train_due_models() == 1
    assert list_reasons()[-1] == (Trigger.SURROUNDINGS, "the agent is 1.1, it was 1.0")
    finish(row_count=300)
    let_pass(2 * DAY)
    assert train_due_models() == 0


def test_surroundings_are_those_of_the_assignment(now):
    client = make_client("probe", agent_version="1.0")
    ping = make_assignment(client, "ping", target="192.0.2.1")
    trace = make_assignment(client, "trace", kind="trace", target="192.0.2.1")
    other = make_assignment(client, "other trace", kind="trace", target="192.0.2.2")
    for row, hashes in ((trace, ["old", "new", "flap"]), (other, ["else"])):
        source = row.source or Source.objects.create(client=client, kind="x", subject=str(row.id))
        Assignment.objects.filter(id=row.id).update(source=source)
        for age, text in zip((90, 3, 0.1), hashes, strict=False):
            since = now - timedelta(hours=age)
            Fact.objects.create(source=source, key="path.hash", value=text, since=since)
    links = {
        "eth0": (True, ["192.0.2.9/24"]),
        "wlan0": (True, ["2001:db8::1/64"]),
        "veth1": (True, ["fe80::1/64"]),
        "lo": (True, ["127.0.0.1/8"]),
        "eth1": (False, ["192.0.2.8/24"]),
        "odd": (True, ["no address"]),
    }
    for name, (is_up, addresses) in links.items():
        Interface.objects.create(client=client, name=name, is_up=is_up, addresses=addresses)
    scope = Scope("assignment", str(ping.id))
    assert read_surroundings([scope], now)[scope] == {
        "agent": "1.0",
        "interfaces": "eth0 wlan0",
        "path": "new",
    }


def test_surroundings_of_a_test_are_its_clients_and_their_agents(now):
    clients = [make_client("one", agent_version="1.0"), make_client("two", agent_version="2.0")]
    test = make_test("Path", *clients)
    scope = Scope("test", str(test.id))
    assert read_surroundings([scope], now)[scope] == {
        "agent": "1.0 2.0",
        "clients": " ".join(sorted(str(one.id)[:8] for one in clients)),
    }
    assert read_surroundings([EVERYTHING, Scope("kind", "ping")], now) == {}


def test_surroundings_cost_as_many_queries_for_many_scopes_as_for_few(
    now, django_assert_max_num_queries
):
    rows = [make_assignment(make_client(f"probe-{number}"), f"t{number}") for number in range(8)]
    Client.objects.update(agent_version="1.0")
    with django_assert_max_num_queries(5):
        found = read_surroundings([Scope("assignment", str(row.id)) for row in rows], now)
    assert [one["agent"] for one in found.values()] == ["1.0"] * 8


def test_a_fleet_gets_its_turn_within_a_day_and_nobody_twice_before_all_have_been(learner):
    learner.scopes = tuple(Scope("kind", f"kind-{number}") for number in range(500))
    asked = []
    for _hour in range(ROUND_HOURS):
        asked.append(train_due_models())
        finish(row_count=1)
        let_pass(timedelta(hours=2))
    # The last look has four places left for those that have been first.
    assert asked == [42] * ROUND_HOURS
    counted = Training.objects.values_list("scope").annotate(times=Count("id"))
    times = dict(counted.order_by("scope"))
    assert len(times) == 500
    assert sorted(times.values()) == [1] * 496 + [2] * 4


def test_what_still_waits_takes_the_places_of_others(learner):
    learner.scopes = tuple(Scope("kind", f"kind-{number}") for number in range(100))
    assert train_due_models() == standings.LEAST_AT_A_TIME
    assert train_due_models() == 0
    waiting = Training.objects.filter(kind=KIND, state=Training.State.WAITING)
    Training.objects.filter(id__in=list(waiting.values_list("id", flat=True)[:5])).update(
        state=Training.State.FAILED
    )
    assert train_due_models() == 5
