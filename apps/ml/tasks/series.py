from celery import shared_task

from apps.core.clock import read_now
from apps.ml.services import late_series, series


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def judge_series() -> None:
    series.judge_series(now=read_now())


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def judge_late_series() -> None:
    late_series.judge_late_series(now=read_now())
