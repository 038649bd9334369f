from celery import shared_task

from apps.core.clock import read_now
from apps.ml.services import forecasting


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def ask_for_forecasts() -> None:
    forecasting.ask_for_due_forecasts(now=read_now())
