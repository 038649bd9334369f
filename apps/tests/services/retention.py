"""Forgetting runs, and what they found, that are older than they have to be kept."""

import time
from datetime import datetime, timedelta

from django.db import transaction

from apps.configuration.selectors import read_whole
from apps.tests.models import Result, Run

BUDGET_SECONDS = 5.0
# Some milliseconds of work: SQLite lets nobody else write meanwhile.
RUNS_PER_TRANSACTION = 100


def forget_results(*, now: datetime, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many runs older than their setting says were forgotten, with their results.

    After about `budget_seconds` the rest is left for the next call. Open runs stay.
    """
    end = time.monotonic() + budget_seconds
    before = now - timedelta(days=read_whole("result_retention_days"))
    forgotten = 0
    while time.monotonic() < end and (count := forget_some_runs(before)):
        forgotten += count
    return forgotten


@transaction.atomic
def forget_some_runs(before: datetime) -> int:
    old = Run.objects.filter(start_at__lt=before, end_at__lt=before)
    closed = old.exclude(state__in=Run.OPEN_STATES).order_by("start_at")
    ids = list(closed.values_list("id", flat=True)[:RUNS_PER_TRANSACTION])
    Result.objects.filter(run_id__in=ids).delete()
    Run.objects.filter(id__in=ids).delete()
    return len(ids)
