"""Experiment 16: exclusive runs that race for the same clients never share one at any time."""

import random
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, transaction

from apps.core.clock import read_now
from apps.tests.models import Assignment, Reservation, Run
from apps.tests.services.reserving import Proposal, reserve_runs, store_reservations
from tests.factories.kinds import install_kinds
from tests.factories.pairs import make_end, make_mesh
from tests.factories.reservations import count_overlaps
from tests.factories.threads import run_together

THREADS = 20
CLIENTS = 10
SPREAD_SECONDS = 3600
SLIP_SECONDS = 120


@pytest.fixture
def pairs(monkeypatch):
    """All ordered pairs of ten clients, two of which share an uplink, without runs."""
    install_kinds(monkeypatch)
    clients = [make_end(f"probe-{number}") for number in range(CLIENTS)]
    for client in clients[:2]:
        client.link_group = "dsl"
        client.save()
    make_mesh(*clients, kind="flood")
    Run.objects.all().delete()
    return list(Assignment.objects.select_related("test"))


def try_run(row, choose, begin):
    """Whether a run on the pair found time of its own, asked for as the planner asks."""
    start_at = begin + timedelta(seconds=choose.uniform(0, SPREAD_SECONDS))
    run = Run(
        id=uuid4(),
        assignment=row,
        schedule_revision=1,
        start_at=start_at,
        end_at=start_at + timedelta(seconds=choose.uniform(1, 20)),
    )
    while True:
        try:
            return store_run(run, start_at, choose.uniform(0, SLIP_SECONDS))
        except OperationalError as error:
            # SQLite promises nobody a turn before its time-out; whoever got none asks again.
            if "locked" not in str(error):
                raise


@transaction.atomic
def store_run(run, start_at, slip_seconds):
    proposal = Proposal(run, start_at + timedelta(seconds=slip_seconds))
    reservations = reserve_runs([proposal])
    run.save(force_insert=True)
    store_reservations(reservations)
    return bool(reservations)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "attempts", [1_000, pytest.param(10_000, marks=pytest.mark.slow)], ids=lambda count: f"{count}"
)
def test_racing_exclusive_runs_never_overlap(pairs, attempts, lab_table):
    begin = read_now() + timedelta(minutes=1)

    def race(number):
        choose = random.Random(number)  # noqa: S311 - which run meets which is no secret
        return sum(try_run(choose.choice(pairs), choose, begin) for _ in range(attempts // THREADS))

    placed = sum(run_together(THREADS, race))
    assert Run.objects.count() == attempts
    assert Run.objects.filter(state="scheduled").count() == placed
    assert Run.objects.filter(state="nonstart").count() == attempts - placed
    assert Reservation.objects.values("run").distinct().count() == placed
    overlaps = count_overlaps()
    lab_table.record(
        f"overlaps of {placed} exclusive runs placed of {attempts} racing", 0, overlaps, "pairs",
        overlaps == 0,
    )  # fmt: skip
    assert placed > CLIENTS
    assert overlaps == 0
    refused = Run.objects.filter(state="nonstart")
    assert not refused.exclude(reason__startswith="no free time inside").exists()
