"""Two clients with tests that are learned to several degrees, trained by the worker's code."""

from datetime import timedelta

import numpy as np

from apps.accounts.services import Grant, create_user
from apps.core.clock import read_now
from apps.jobs.services import run_due_jobs
from apps.ml.algorithms.scopes import Scope
from apps.ml.models import ModelVersion, SeriesState
from apps.ml.services.forecasting import make_forecasts
from apps.ml.services.health import refresh_health
from apps.ml.services.joint import judge_new_results
from apps.ml.services.reviewing import review_model
from apps.ml.services.trainings import start_training
from apps.tests.models import Assignment, Result, Test
from tests.browser.year import keep
from tests.factories.clients import make_client
from tests.factories.forecasts import add_hours
from tests.factories.observing import METRICS, draw_observations, store_one, store_results
from tests.factories.tests import make_assignment, make_test

EVERY_SECONDS = 300.0
RESULTS = 1500
KEYS = [metric.key for metric in METRICS]
ODD = dict(zip(KEYS, (0.1, 0.2, 0.05, 0.02, 0.4), strict=True))
LINKS = ("system.network.io.rate{direction=receive}", "system.network.io.rate{direction=transmit}")


def fill(name, password):
    """What the pages are found by: the client, the learned test, its assignment and two runs."""
    create_user(username=name, password=password, grants=[Grant("admin")])
    now = read_now()
    clients = [
        make_client(host, site="vienna", presence="online", presence_since=now)
        for host in ("gateway", "office")
    ]
    test = make_test("Ping the provider", *clients, target="192.0.2.1", every_seconds=EVERY_SECONDS)
    assignments = list(Assignment.objects.filter(test=test).order_by("client__name"))
    for number, assignment in enumerate(assignments):
        measure(assignment, RESULTS, seed=number)
    few = make_assignment(clients[0], "Ping the resolver", target="192.0.2.2")
    measure(few, 37)
    some = make_assignment(clients[0], "Ping the shop", target="192.0.2.3")
    measure(some, 60)
    for kind, scope in list_wanted(test, assignments[0], some):
        train(kind, scope)
    train("joint_anomaly", of(assignments[0]))
    leave_in_shadow(of(assignments[0]))
    judge_new_results()
    # The newest result is a usual one again: by an odd one no values to come are said.
    before = Result.objects.filter(run__assignment=assignments[0]).order_by("-started_at").first()
    found = (before.values, ODD, before.values)
    usual, odd, _newest = (store_one(assignments[0], values) for values in found)
    judge_new_results()
    review_model(ModelVersion.objects.get(kind="prediction", state="champion"))
    note_series(assignments[0], clients[0])
    note_last(assignments)
    refresh_health(now=read_now())
    shown = (clients[0].id, test.id, assignments[0].id, usual.id, odd.id)
    return " ".join(map(str, shown))


def of(assignment):
    return Scope("assignment", str(assignment.id))


def list_wanted(test, learned, provisional):
    return [
        ("health_class", Scope("test", str(test.id))),
        ("prediction", of(learned)),
        ("joint_anomaly", of(learned)),
        ("joint_anomaly", of(provisional)),
    ]


def measure(assignment, count, *, seed=0):
    """Results up to ten minutes ago, with an outage now and then that jitter tells beforehand."""
    until = read_now() - timedelta(minutes=10)
    observations = draw_observations(
        count, every_seconds=EVERY_SECONDS, seed=seed, daily=1.5, until=until
    )
    rng = np.random.default_rng(seed)
    place, failed = 40, np.zeros(count, dtype=bool)
    while place < count:
        failed[place : place + 6] = True
        observations.values[max(place - 12, 0) : place, 2] *= 4
        place += 60 + int(rng.integers(0, 40))
    runs = store_results(assignment, observations)
    lost = [run.id for run, is_lost in zip(runs, failed, strict=True) if is_lost]
    for begin in range(0, len(lost), 500):
        Result.objects.filter(run__in=lost[begin : begin + 500]).update(is_success=False)


def leave_in_shadow(scope):
    """The second version, so that people may promote it and roll it back."""
    versions = ModelVersion.objects.filter(kind="joint_anomaly", scope=scope.text)
    versions.filter(version=2).update(state="shadow", promoted_at=None)
    versions.filter(version=1).update(state="champion")


def train(kind, scope):
    """What a worker would do; whether so few rows prove an advantage is the gate's business."""
    training = start_training(kind=kind, scope=scope)
    run_due_jobs("ml")
    training.refresh_from_db()
    assert training.state == "done", training.decision
    earlier = ModelVersion.objects.filter(kind=kind, scope=scope.text, state="champion")
    earlier.update(state="retired")
    ModelVersion.objects.filter(id=training.result_id).update(
        state="champion", promoted_at=read_now()
    )


def note_series(assignment, client):
    """Hours with a forecast's worth of history, and an interface whose two lines have a past."""
    now = read_now()
    rng = np.random.default_rng(7)
    hours = np.arange(30 * 24)
    wave = np.sin(2 * np.pi * hours / 24)
    source = add_hours(
        client,
        (0.024 + 0.006 * wave + 0.0008 * np.abs(rng.normal(size=hours.size))).tolist(),
        kind="assignment",
        subject=str(assignment.id),
        key=KEYS[0],
    )
    Assignment.objects.filter(id=assignment.id).update(source=source)
    at = now.timestamp() - np.arange(14 * 86_400, 0, -300, dtype=np.float64)
    load = 4e7 + 2e7 * np.sin(at / 86_400 * 2 * np.pi)
    values = np.column_stack([load, load / 3]) * rng.uniform(0.9, 1.1, (at.size, 1))
    keep(client, "interface", "eth0", LINKS, at, values)
    list(make_forecasts(now=now, since=now))
    for number, key in enumerate(KEYS[:3]):
        SeriesState.objects.create(
            source=source, metric=key, values_count=800 if number else 120, state=b""
        )


def note_last(assignments):
    for assignment in assignments:
        newest = Result.objects.filter(run__assignment=assignment).order_by("-started_at").first()
        assignment.refresh_from_db()
        assignment.last_run_at = newest.started_at
        assignment.last_run_state = "finished"
        assignment.last_is_success = newest.is_success
        assignment.last_values = newest.values
        assignment.save()
    Test.objects.filter(id=assignments[0].test_id).update(is_paused=False)
