"""Two weeks of two hosts, the second worse than the first, for a server that a test has started."""

from datetime import timedelta
from uuid import uuid4

import numpy as np

from apps.accounts.services import Grant, create_user
from apps.core.clock import read_now
from apps.ml.models import Finding
from apps.tests.models import Result, Run
from tests.browser.year import PING_KEYS, keep
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment

RATES = tuple(f"system.network.io.rate{{direction={way}}}" for way in ("receive", "transmit"))
WEEK = timedelta(days=7)
EVERY_SECONDS = 900
HOSTILE = "<img src=x onerror=alert(1)>"


def fill(name, password):
    """Runs, links and findings that an administrator of that name may see."""
    create_user(username=name, password=password, grants=[Grant("admin")])
    now = read_now()
    span = 2 * WEEK.total_seconds()
    at = now.timestamp() - np.arange(span, 0, -EVERY_SECONDS)
    is_new = at > now.timestamp() - WEEK.total_seconds()
    noise = np.random.default_rng(1).normal(1, 0.05, len(at))
    for number, host in enumerate(("edge-1", HOSTILE)):
        client = make_client(host, presence="online", presence_since=now, last_heartbeat_at=now)
        busy = 4e7 * (1.2 + np.sin(at / 86_400 * 2 * np.pi)) * noise * (1 + is_new)
        keep(client, "interface", "eth0", RATES, at, np.column_stack([busy, busy / 5]))
        assignment = make_assignment(client, f"Gateway of {host}", target="192.0.2.1")
        trip = np.where(is_new & (number == 1), 0.015, 0.010) * noise
        ping = np.column_stack([trip * 0.9, trip, trip * 1.5, trip * 0])
        assignment.source_id = keep(client, "assignment", str(assignment.id), PING_KEYS, at, ping)
        assignment.save(update_fields=["source"])
        add_runs(assignment, at[:: EVERY_SECONDS // 225], is_new[:: EVERY_SECONDS // 225])
        add_findings(client, now)


def add_runs(assignment, at, is_new):
    start = read_now()
    for number, moment in enumerate(at.tolist()):
        begin = start - timedelta(seconds=start.timestamp() - moment)
        run = Run.objects.create(
            id=uuid4(), assignment=assignment, schedule_revision=1, start_at=begin, end_at=begin,
            state=Run.State.FINISHED,
        )  # fmt: skip
        Result.objects.create(
            run=run, received_at=begin, started_at=begin, finished_at=begin,
            outcome=Result.Outcome.COMPLETED, is_success=not (is_new[number] and number % 9 == 0),
        )  # fmt: skip


def add_findings(client, now):
    for days in range(5):
        begin = now - timedelta(days=days, hours=1)
        Finding.objects.create(
            kind="series_anomaly", severity="warning", client=client, metric="net.rtt.median",
            started_at=begin, ended_at=begin, created_at=begin,
        )  # fmt: skip
