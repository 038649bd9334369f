"""Forgetting reports that are kept no longer."""

import time
from datetime import datetime, timedelta

from apps.configuration.selectors import read_whole
from apps.reports.models import Report

BUDGET_SECONDS = 20.0
FORGOTTEN_AT_ONCE = 20


def forget_reports(now: datetime, *, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many reports older than their setting says were forgotten, with their files.

    After about `budget_seconds` the rest is left for the next call.
    """
    end = time.monotonic() + budget_seconds
    before = now - timedelta(days=read_whole("report_retention_days"))
    old = Report.objects.filter(created_at__lt=before).order_by("created_at")
    forgotten = 0
    # A slice at a time: each of them may have a file of megabytes.
    while ids := list(old.values_list("id", flat=True)[:FORGOTTEN_AT_ONCE]):
        Report.objects.filter(id__in=ids).delete()
        forgotten += len(ids)
        if time.monotonic() >= end:
            break
    return forgotten
