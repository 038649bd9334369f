from celery import shared_task

from apps.core.clock import read_now
from apps.metrics.services import is_clock_steady
from apps.reports.services.exports import forget_exports as forget_old_exports


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_exports() -> None:
    now = read_now()
    if is_clock_steady(now):
        forget_old_exports(now=now)
