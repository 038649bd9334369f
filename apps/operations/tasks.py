from celery import shared_task
from django.conf import settings

from apps.operations import liveness


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def note_liveness() -> None:
    liveness.note_worker(settings.VAR_DIR)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def note_pulse(worker_name: str) -> None:
    """The no-op that a worker sends itself."""
    liveness.leave_mark(settings.VAR_DIR, worker_name)
