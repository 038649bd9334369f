"""Results of a test that hang together as those of a real path do: a day, a load, a queue."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np

from apps.core.clock import read_now
from apps.ml.algorithms.features import Measured, Observations
from apps.tests.models import Result, Run

METRICS = (
    Measured("net.rtt.median", 1e-4),
    Measured("net.packet.loss.ratio", 0.01),
    Measured("net.jitter.rfc3550", 1e-4),
    Measured("net.rtt.min", 1e-4),
    Measured("net.rtt.max", 1e-4),
)


def draw_observations(count, *, every_seconds=1800.0, seed=0, scale=1.0, daily=0.3, until=None):
    """Round trips that follow the load of the day, jitter that follows them, rare losses."""
    rng = np.random.default_rng(seed)
    end = until.timestamp() if until else 1_780_000_000.0
    at = end - every_seconds * np.arange(count, 0, -1)
    noise = rng.normal(size=count)
    wander = np.zeros(count)
    for place in range(1, count):
        wander[place] = 0.8 * wander[place - 1] + 0.5 * noise[place]
    load = 0.5 + daily * np.sin(2 * np.pi * at / 86_400) + 0.05 * wander
    rtt = 0.02 + 0.01 * load + 0.002 * wander + 0.0005 * rng.normal(size=count)
    jitter = 0.1 * rtt + 0.0002 * rng.normal(size=count)
    longest = rtt + 3 * jitter + 0.002 * np.abs(rng.normal(size=count))
    loss = np.where(rng.random(count) < 0.03, 0.01, 0.0)
    shortest = 0.02 + 0.0001 * rng.normal(size=count)
    host = np.column_stack(
        [load + 0.05 * rng.normal(size=count), 0.5 + 0.01 * wander, 2 * load + 0.1 * noise]
    )
    values = np.column_stack([rtt * scale, loss, jitter * scale, shortest * scale, longest * scale])
    zeros = np.zeros(count)
    return Observations(at, values, zeros, host, zeros, zeros)


def store_results(assignment, observations, *, received_at=None):
    """The observations as results of runs; the runs, oldest first."""
    runs, results = [], []
    for at, values in zip(observations.at, observations.values, strict=True):
        moment = datetime.fromtimestamp(at, UTC)
        run = Run(
            id=uuid4(),
            assignment=assignment,
            schedule_revision=1,
            start_at=moment,
            end_at=moment + timedelta(seconds=10),
            state=Run.State.FINISHED,
            started_at=moment,
            finished_at=moment + timedelta(seconds=10),
        )
        runs.append(run)
        named = zip((metric.key for metric in METRICS), values.tolist(), strict=True)
        results.append(
            Result(
                run=run,
                received_at=received_at or moment,
                started_at=moment,
                finished_at=moment + timedelta(seconds=10),
                outcome=Result.Outcome.COMPLETED,
                is_success=True,
                values=dict(named),
            )
        )
    Run.objects.bulk_create(runs)
    Result.objects.bulk_create(results)
    return runs


def store_one(assignment, values, **fields):
    """One result that came in just now."""
    now = read_now()
    run = Run.objects.create(
        id=uuid4(),
        assignment=assignment,
        schedule_revision=1,
        start_at=now - timedelta(seconds=5),
        end_at=now,
        state=Run.State.FINISHED,
    )
    Result.objects.create(
        run=run,
        **{
            "received_at": now,
            "started_at": now - timedelta(seconds=5),
            "finished_at": now,
            "outcome": Result.Outcome.COMPLETED,
            "is_success": True,
            "values": values,
            **fields,
        },
    )
    return run
