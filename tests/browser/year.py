"""A client, its test and a year of what they measured, for a server that a test has started."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
from django.db import transaction

from apps.accounts.services import Grant, create_user
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.metrics.algorithms.series import bucket_series
from apps.metrics.services import NewFrame, hash_layout, know_layout, know_source, record_frames
from apps.metrics.writers import RollupRow, insert_rollups
from apps.tests.models import Assignment, Result, Run
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment

HOST_KEYS = ("system.cpu.utilization", "system.memory.utilization")
PING_KEYS = ("net.rtt.min", "net.rtt.median", "net.rtt.max", "net.packet.loss.ratio")
DAYS = 365
RECENT_SECONDS = 3600
STEPS_SECONDS = (86_400, 3600)
EVERY_SECONDS = 900
SLOW_DAYS = 30
COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")


def fill(name, password):
    """The ids of the client and of the test, which an administrator of that name may see."""
    create_user(username=name, password=password, grants=[Grant("admin")])
    now = read_now()
    client = make_client("year-host", presence="online", presence_since=now, last_heartbeat_at=now)
    assignment = make_assignment(client, "Year", target="192.0.2.1")
    at = now.timestamp() - np.arange(DAYS * 86_400, 0, -EVERY_SECONDS, dtype=np.float64)
    busy = 0.4 + 0.2 * np.sin(at / 86_400 * 2 * np.pi)
    keep(client, "host", "", HOST_KEYS, at, np.column_stack([busy, busy / 2]))
    slow = np.where(at < now.timestamp() - SLOW_DAYS * 86_400, 0.010, 0.020)
    ping = np.column_stack([slow * 0.9, slow, slow * 1.5, slow * 0])
    assignment.source_id = keep(client, "assignment", str(assignment.id), PING_KEYS, at, ping)
    assignment.save(update_fields=["source"])
    return client.id, assignment.test_id


def keep(client, kind, subject, keys, at, values):
    """The rollups of all of it, and the frames of the last hour."""
    source_id = know_source(client.id, kind, subject)
    layout = know_layout(hash_layout(keys), list(keys))
    for step in STEPS_SECONDS:
        buckets = [bucket_series(at, column, step) for column in values.T]
        insert_rollups(
            [
                RollupRow(source_id, step, datetime.fromtimestamp(start, UTC), layout.id, columns)
                for start, columns in zip(buckets[0].start, stack(buckets), strict=True)
            ]
        )
    recent = at[-1] - np.arange(RECENT_SECONDS, -1, -60, dtype=np.float64)
    record(client, kind, subject, keys, recent, values[-1])
    return source_id


def stack(buckets):
    """For each bucket in turn, every column over all keys."""
    for number in range(len(buckets[0].start)):
        yield tuple(
            [float(getattr(bucket, name)[number]) for bucket in buckets] for name in COLUMNS
        )


def record(client, kind, subject, keys, moments, values):
    layout = know_layout(hash_layout(keys), list(keys))
    source_id = know_source(client.id, kind, subject)
    frames = [
        NewFrame(
            source_id,
            kind,
            subject,
            datetime.fromtimestamp(moment, UTC),
            int(moment),
            layout,
            tuple(map(float, values)),
            None,
        )
        for moment in moments
    ]
    record_frames(client_id=client.id, frames=frames, received_at=read_now())


def go_on(client_id):
    """A value of now."""
    client = Client.objects.get(id=client_id)
    record(client, "host", "", HOST_KEYS, [read_now().timestamp()], (0.9, 0.9))


@transaction.atomic
def add_runs(test_id, count):
    """A run of the test every minute until now, each with a 99th percentile of its own."""
    assignment = Assignment.objects.get(test_id=test_id)
    now = read_now()
    for number in range(count):
        at = now - timedelta(minutes=count - number)
        make_result(
            assignment, at, {"net.rtt.median": 0.020, "net.rtt.p99": 0.030 + number % 7 / 1000}
        )


def make_result(assignment, at, values):
    run = Run.objects.create(
        id=uuid4(), assignment=assignment, schedule_revision=1, start_at=at, end_at=at,
        state=Run.State.FINISHED,
    )  # fmt: skip
    Result.objects.create(
        run=run, received_at=at, started_at=at, finished_at=at,
        outcome=Result.Outcome.COMPLETED, is_success=True, values=values,
    )  # fmt: skip


def fill_fleet(count):
    """So many further hosts, each with a day and a week of its own, at their own level."""
    now = read_now()
    at = now.timestamp() - np.arange(DAYS * 86_400, 0, -3600, dtype=np.float64)
    chance = np.random.default_rng(7)
    for number in range(count):
        client = make_client(
            f"edge-{number + 1:02}", presence="online", presence_since=now, last_heartbeat_at=now
        )
        level = 0.1 + 0.5 * chance.random()
        day = 0.15 * np.clip(np.sin((at % 86_400) / 86_400 * 2 * np.pi - np.pi / 2), 0, 1)
        busy = level + day * (at // 86_400 % 7 < 5) + 0.05 * chance.random(len(at))
        if number == count // 2:
            # A fortnight of something else, half a year ago.
            busy[abs(at - at[len(at) // 2]) < 7 * 86_400] = 0.95
        busy = np.clip(busy, 0, 1)
        keep(client, "host", "", HOST_KEYS, at, np.column_stack([busy, busy / 2]))
