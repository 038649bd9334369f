"""Processor time of one look at the health of a thousand clients with ten tests each.

The server is on a SQLite of its own; every test has run every five minutes for more than an hour.
The first looks score everything, a bounded share each. Then minutes go by: the clock is moved, a
fifth of the tests gets a new result, and a look is measured in processor seconds of this process,
in which SQLite works too, and in queries. What is due beyond the share of one look waits for the
next, the longest waiting first; how long a score is old at most is measured as well.

    python -m benchmarks.health [--clients 1000] [--tests 10] [--minutes 10]
"""

import argparse
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring.report import Claim, finish, print_table
from benchmarks.planner import prepare
from tests.servers.redis import run_redis

if TYPE_CHECKING:
    from apps.tests.models import Assignment

GOAL_SECONDS = 10.0
EVERY = timedelta(minutes=5)
RESULTS = 14
SITES = 20
VALUES = {"net.rtt.p95": 0.08, "net.jitter.rfc3550": 0.002, "net.packet.loss.ratio": 0.002}


def fill(clients: int, tests: int, now: datetime) -> list["Assignment"]:
    """Assignments that have results up to now."""
    from apps.clients.models import Client, Site
    from apps.tests.models import Assignment
    from tests.factories.tests import make_test

    sites = [Site.objects.create(slug=f"site-{n}", name=f"Site {n}") for n in range(SITES)]
    hosts = Client.objects.bulk_create(
        Client(name=f"host-{n:04}", site=sites[n % SITES], enrolled_at=now) for n in range(clients)
    )
    defined = [make_test(f"Test {n}", every_seconds=EVERY.total_seconds()) for n in range(tests)]
    assignments = Assignment.objects.bulk_create(
        [Assignment(test=test, client=host, created_at=now) for host in hosts for test in defined],
        batch_size=1000,
    )
    for number in range(RESULTS):
        measure(assignments, now - EVERY * (RESULTS - number))
    return assignments


def measure(assignments: Sequence["Assignment"], at: datetime) -> None:
    """A result of each at that time."""
    from apps.tests.models import Assignment, Result, Run

    runs = [
        Run(
            id=uuid.uuid4(),
            assignment=one,
            schedule_revision=1,
            start_at=at,
            end_at=at,
            state=Run.State.FINISHED,
        )
        for one in assignments
    ]
    Run.objects.bulk_create(runs, batch_size=1000)
    Result.objects.bulk_create(
        [
            Result(
                run=run,
                received_at=at,
                started_at=at,
                finished_at=at,
                outcome=Result.Outcome.COMPLETED,
                is_success=True,
                values=VALUES,
            )
            for run in runs
        ],
        batch_size=1000,
    )
    ids = [one.id for one in assignments]
    for first in range(0, len(ids), 1000):
        Assignment.objects.filter(id__in=ids[first : first + 1000]).update(last_run_at=at)


def look(moment: datetime) -> tuple[float, int, int]:
    """Processor seconds, queries and tests scored of a look."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from apps.ml.services.health import refresh_health

    with CaptureQueriesContext(connection) as captured:
        began = time.process_time()
        scored = refresh_health(now=moment)
        seconds = time.process_time() - began
    return seconds, len(captured), scored


def read_oldest(moment: datetime) -> float:
    """How many seconds ago the score that waits longest was computed."""
    from apps.ml.models import HealthScore

    row = HealthScore.objects.filter(assignment__isnull=False).order_by("computed_at").first()
    return (moment - row.computed_at).total_seconds() if row is not None else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--tests", type=int, default=10)
    parser.add_argument("--minutes", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, run_redis(Path(name)) as redis_url:
        prepare(Path(name), redis_url)
        from apps.core.clock import read_now

        moment = read_now()
        assignments = fill(arguments.clients, arguments.tests, moment)
        first = []
        while (one := look(moment))[2]:
            first.append(one)
        steady, oldest = [], 0.0
        for minute in range(arguments.minutes):
            moment += timedelta(minutes=1)
            measure(assignments[minute % 5 :: 5], moment - timedelta(seconds=1))
            steady.append(look(moment))
            oldest = max(oldest, read_oldest(moment))
    median = statistics.median(seconds for seconds, _queries, _scored in steady)
    worst = max(first + steady)
    print_table(
        ("look", "processor seconds", "queries", "tests scored"),
        (
            ("the first", f"{first[0][0]:.2f}", first[0][1], first[0][2]),
            (f"median of {len(steady)} minutes", f"{median:.2f}", "", ""),
            ("the worst", f"{worst[0]:.2f}", worst[1], worst[2]),
        ),
    )
    finish(
        Claim(
            claim="processor time of the worst look at health, 1,000 clients x 10 tests",
            value=round(worst[0], 2),
            unit="s",
            goal=GOAL_SECONDS,
            better="lower",
            beside={
                "median": round(median, 2),
                "queries of the worst": worst[1],
                "looks until all is scored": len(first),
                "oldest score in seconds": round(oldest),
            },
        )
    )


if __name__ == "__main__":
    main()
