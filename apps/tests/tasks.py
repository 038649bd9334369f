from celery import shared_task
from django.core.cache import cache

from apps.clients.published import ClientChanged, MaintenanceChanged, PresenceChanged
from apps.tests import services

HINT_SECONDS = 1


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def plan_runs() -> None:
    services.plan_runs()


def queue_plan(_event: MaintenanceChanged) -> None:
    """Have runs wait or go on at once; the periodic plan would do so a few seconds later."""
    plan_runs.apply_async(retry=False)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def choose_clients() -> None:
    services.choose_clients_everywhere()


def queue_choice(_event: PresenceChanged | ClientChanged) -> None:
    """Have tests look for clients soon; once a second is enough, as the periodic look comes too."""
    if cache.add("choice-queued", value=True, timeout=HINT_SECONDS):
        choose_clients.apply_async(retry=False, expires=HINT_SECONDS)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def close_overdue_runs() -> None:
    services.close_overdue_runs()
