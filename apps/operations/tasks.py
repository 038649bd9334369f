from celery import shared_task
from django.conf import settings

from apps.operations import liveness


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def note_liveness() -> None:
    liveness.note_worker(settings.VAR_DIR)
