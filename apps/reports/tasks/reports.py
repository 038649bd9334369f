from celery import shared_task

from apps.core.clock import read_now
from apps.metrics.services import is_clock_steady
from apps.reports.services.reports import forget_reports as forget
from apps.reports.services.reports import make_due_reports as make_due
from apps.reports.services.reports import settle_reports
from apps.reports.services.tallies import forget_tallies
from apps.reports.services.tallies import keep_tallies as keep


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def make_due_reports() -> None:
    # First, so that a fault of one plan keeps no other from being told what became of it.
    settle_reports()
    make_due(now=read_now())


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_reports() -> None:
    now = read_now()
    if is_clock_steady(now):
        forget(now)
        forget_tallies(now)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def keep_tallies() -> None:
    now = read_now()
    if is_clock_steady(now):
        keep(now=now)
