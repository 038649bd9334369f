from celery import shared_task

from apps.tests import services


@shared_task(name="apps.tests.tasks.plan_runs")
def plan_runs() -> None:
    services.plan_runs()


@shared_task(name="apps.tests.tasks.close_overdue_runs")
def close_overdue_runs() -> None:
    services.close_overdue_runs()
