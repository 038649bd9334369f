from celery import shared_task

from apps.core.clock import read_now
from apps.metrics import services


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def prepare_storage() -> None:
    services.prepare_storage(read_now())


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_documents() -> None:
    services.forget_documents(read_now())


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def roll_up() -> None:
    services.roll_up(now=read_now())


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_history() -> None:
    now = read_now()
    if services.is_clock_steady(now):
        services.forget_history(now=now)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_facts() -> None:
    now = read_now()
    if services.is_clock_steady(now):
        services.forget_facts(now)
