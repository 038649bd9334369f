"""A week that comes late and shuffled, with rollups made in between: they end up right."""

import random
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.clock import read_now
from apps.metrics.algorithms.rollups import COLUMNS
from apps.metrics.algorithms.series import bucket_series
from apps.metrics.algorithms.tiers import STEPS_SECONDS
from apps.metrics.models import Arrival, DirtyBucket, Frame, Rollup, Source
from apps.metrics.selectors import read_values
from apps.metrics.services import roll_up
from apps.metrics.writers import ensure_partitions
from tests.factories import wire
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db

WEEK_MINUTES = 7 * 24 * 60
MOMENT = datetime(2026, 3, 10, 12, 0, 0, 123456, tzinfo=UTC)
BUDGET_SECONDS = 60
values = st.floats(-1e12, 1e12) | st.sampled_from([0.1, 0.2, 1e-300, 1e16])

per_database = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=max(10, settings().max_examples // 4),
)


@pytest.fixture
def now(db):
    with time_machine.travel(MOMENT, tick=False):
        ensure_partitions(read_now())
        yield read_now()


@per_database
@given(
    measured=st.lists(st.tuples(st.integers(0, WEEK_MINUTES), values), min_size=1, max_size=40),
    seed=st.integers(0, 2**32),
    batches=st.integers(1, 6),
    days_rolled_up=st.lists(st.integers(1, 3), max_size=4),
)
def test_rollups_of_a_shuffled_week_equal_a_recomputation_from_its_frames(
    client, now, measured, seed, batches, days_rolled_up
):
    probe = make_client(f"probe-{Source.objects.count()}-{seed}")
    key = make_key(probe)
    frames = [
        wire.frame(
            (value, 1.0),
            source=("interface", f"eth{minutes % 2}"),
            at=now - timedelta(minutes=minutes),
        )
        for minutes, value in measured
    ]
    random.Random(seed).shuffle(frames)  # noqa: S311 - an order, no secret
    parts = [frames[place::batches] for place in range(batches)]
    # A batch that comes again changes nothing.
    for place, part in enumerate([*parts, parts[0]]):
        wire.send(client, key, *part)
        if place < len(days_rolled_up):
            # What comes after makes these rollups outdated.
            roll_up_all(now + timedelta(days=days_rolled_up[place]))
    roll_up_all(now + timedelta(days=9))
    assert Frame.objects.filter(source__client=probe).count() == len(frames)
    check_rollups(probe)
    assert not Arrival.objects.exists()
    assert not DirtyBucket.objects.exists()


def roll_up_all(moment):
    """What arrived is noted first, recomputed when it has had time to settle, then its weeks."""
    for pause in (timedelta(), timedelta(hours=2), timedelta(hours=16)):
        roll_up(now=moment + pause, budget_seconds=BUDGET_SECONDS)


def check_rollups(probe):
    """Every rollup equals a recomputation from the frames, to the last bit."""
    start, end = MOMENT - timedelta(days=9), MOMENT + timedelta(days=1)
    for source in Source.objects.filter(client=probe):
        for place, key in enumerate(wire.CPU_KEYS):
            at, numbers = read_values(source.id, key, start, end)
            for step in STEPS_SECONDS:
                rows = Rollup.objects.filter(source=source, step=step).order_by("at")
                kept = [
                    (row.at.timestamp(), *(getattr(row, name)[place] for name in COLUMNS))
                    for row in rows
                ]
                found = bucket_series(at, numbers, step)
                columns = [getattr(found, name).tolist() for name in ("start", *COLUMNS)]
                assert kept == list(zip(*columns, strict=True))
