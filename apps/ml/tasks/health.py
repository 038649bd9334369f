from celery import shared_task

from apps.core.clock import read_now
from apps.metrics.services import is_clock_steady
from apps.ml.services.health import forget_changes
from apps.ml.services.health import refresh_health as refresh


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def refresh_health() -> None:
    refresh(now=read_now())


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_health() -> None:
    now = read_now()
    if is_clock_steady(now):
        forget_changes(now)
