from celery import shared_task

from apps.core.clock import read_now
from apps.metrics.services import is_clock_steady
from apps.ml.services.findings import forget_findings as forget


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_findings() -> None:
    now = read_now()
    if is_clock_steady(now):
        forget(now)
