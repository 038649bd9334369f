from celery import shared_task

from apps.jobs import selectors, services


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def run_jobs(queue: str) -> None:
    services.run_due_jobs(queue)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def wake_queues() -> None:
    """Finds what no hint announced: a lost one, a delay that is over, a worker that died."""
    for queue in selectors.list_due_queues():
        services.wake_queue(queue)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_jobs() -> None:
    services.forget_jobs()
