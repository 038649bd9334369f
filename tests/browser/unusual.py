"""A client with two weeks of a calm processor and one busy quarter of an hour, judged."""

from datetime import UTC, datetime, timedelta

import numpy as np

from apps.accounts.services import Grant, create_user
from apps.core.clock import read_now
from apps.metrics.algorithms.series import bucket_series
from apps.metrics.services import NewFrame, hash_layout, know_layout, know_source, record_frames
from apps.metrics.writers import RollupRow, insert_rollups
from apps.ml.models import SeriesWatch
from apps.ml.services.series import floor_five_minutes, judge_series
from tests.factories.clients import make_client

KEYS = ("system.cpu.utilization", "system.memory.utilization")
DAYS, STEP_SECONDS = 14, 300
BUSY_FROM, BUSY_UNTIL = -12, -9
STEPS_SECONDS = (300, 3600)
# Of the last hours there are frames as well.
RECENT = -80


def fill(name, password):
    """The id of the client, which an administrator of that name may see."""
    create_user(username=name, password=password, grants=[Grant("admin")])
    now = read_now()
    client = make_client("busy-host", presence="online", presence_since=now, last_heartbeat_at=now)
    end = floor_five_minutes(now)
    at = end.timestamp() - np.arange(DAYS * 86_400, 0, -STEP_SECONDS, dtype=np.float64)
    noise = np.random.default_rng(1).uniform(-0.03, 0.03, size=len(at))
    busy = 0.3 + 0.1 * np.sin(at / 86_400 * 2 * np.pi) + noise
    busy[BUSY_FROM:BUSY_UNTIL] = 0.93
    source_id = keep(client, at, np.column_stack([busy, busy / 2]))
    judged_until = end - timedelta(hours=3)
    SeriesWatch.objects.create(
        source_id=source_id,
        is_watched=True,
        judged_until=judged_until,
        stored_until=judged_until - timedelta(days=DAYS),
    )
    judge_series(now=now + timedelta(minutes=1))
    return client.id


def keep(client, at, values):
    source_id = know_source(client.id, "host", "")
    layout = know_layout(hash_layout(KEYS), list(KEYS))
    for step in STEPS_SECONDS:
        buckets = [bucket_series(at, column, step) for column in values.T]
        rows = []
        for place, start in enumerate(buckets[0].start):
            columns = tuple(
                [getattr(one, name)[place] for one in buckets]
                for name in ("count", "minimum", "mean", "maximum", "p50", "p95")
            )
            moment = datetime.fromtimestamp(start, UTC)
            rows.append(RollupRow(source_id, step, moment, layout.id, columns))
        insert_rollups(rows)
    frames = [
        NewFrame(source_id, "host", "", datetime.fromtimestamp(moment, UTC), seq, layout, row, None)
        for seq, (moment, *row) in enumerate(np.column_stack([at, values])[RECENT:].tolist())
    ]
    record_frames(client_id=client.id, frames=frames, received_at=read_now())
    return source_id
