from celery import shared_task

from apps.core.clock import read_now
from apps.metrics import services


@shared_task(name="apps.metrics.tasks.prepare_storage")
def prepare_storage() -> None:
    services.prepare_storage(read_now())
