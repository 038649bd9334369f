"""Who wants forecasts, and when; a job makes them."""

from datetime import datetime, timedelta

from django.db import transaction

from apps.clients.models import Client
from apps.jobs.models import Job
from apps.jobs.services import enqueue_job
from apps.ml.models import Forecast
from apps.ml.selectors.subjects import list_subjects

MAKE_FORECASTS = "ml.make_forecasts"
MADE_EVERY = timedelta(days=1)


def ask_for_due_forecasts(*, now: datetime) -> Job | None:
    """The job for all that has no forecast of the last day; None when all has one."""
    since = now - MADE_EVERY
    made = Forecast.objects.filter(made_at__gt=since).values_list("source_id", "metric")
    if {subject.name for subject in list_subjects(now)} <= set(made):
        return None
    with transaction.atomic():
        return enqueue_job(
            kind=MAKE_FORECASTS, key="all", arguments={"since": since.isoformat(), "client": None}
        )


def ask_for_forecasts(*, client: Client, now: datetime) -> Job:
    """The job that makes all forecasts of the client anew."""
    with transaction.atomic():
        return enqueue_job(
            kind=MAKE_FORECASTS,
            key=f"client:{client.id}",
            arguments={"since": now.isoformat(), "client": str(client.id)},
        )
