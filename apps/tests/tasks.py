from celery import shared_task

from apps.tests import services


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def plan_runs() -> None:
    services.plan_runs()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def close_overdue_runs() -> None:
    services.close_overdue_runs()
