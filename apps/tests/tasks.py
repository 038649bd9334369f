from celery import shared_task

from apps.clients.published import ClientChanged, MaintenanceChanged, PresenceChanged
from apps.core.clock import read_now
from apps.core.wakeups import wake_worker
from apps.metrics.services import is_clock_steady
from apps.tests import services


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def plan_runs() -> None:
    services.plan_runs()


def queue_plan(_event: MaintenanceChanged) -> None:
    """Have runs wait or go on at once; the periodic plan would do so a few seconds later."""
    wake_worker(plan_runs.name)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def choose_clients() -> None:
    services.choose_clients_everywhere()


def queue_choice(_event: PresenceChanged | ClientChanged) -> None:
    """Have tests look for clients now; the periodic look would do so a few seconds later."""
    wake_worker(choose_clients.name)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def close_overdue_runs() -> None:
    services.close_overdue_runs()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_results() -> None:
    now = read_now()
    if is_clock_steady(now):
        services.forget_results(now=now)
