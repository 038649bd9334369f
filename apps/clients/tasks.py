from celery import shared_task

from apps.clients import services


@shared_task(name="apps.clients.tasks.update_presence")
def update_presence() -> None:
    services.update_presence()
