from celery import shared_task

from apps.clients import services


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def update_presence() -> None:
    services.update_presence()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def remove_deleted_clients() -> None:
    services.enqueue_missing_removals()
