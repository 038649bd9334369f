from collections.abc import Sequence
from typing import Any, Protocol

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.operations.starters import take_turns

# Tells our rows from those an administrator made.
MARK = "Kept by manage.py sync_schedules; changes here are overwritten."


class PeriodicWork(Protocol):
    """One line of `settings.PERIODIC_WORK`."""

    @property
    def name(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def every_seconds(self) -> int: ...


class Command(BaseCommand):
    help = "Copy the periodic work of the settings into the tables that Celery beat reads."

    def handle(self, *_args: Any, **options: Any) -> None:
        with take_turns(connection):
            changed, removed = synchronise(settings.PERIODIC_WORK)
        if options["verbosity"]:
            self.stdout.write(f"{changed} schedules made or changed, {removed} removed")


@transaction.atomic
def synchronise(works: Sequence[PeriodicWork]) -> tuple[int, int]:
    """How many schedules were made or changed, and how many of ours were removed."""
    changed = sum(keep_work(work) for work in works)
    names = [work.name for work in works]
    stale = list(PeriodicTask.objects.filter(description=MARK).exclude(name__in=names))
    for row in stale:
        # Row by row: beat learns of the change from the model's own signal.
        row.delete()
    return changed, len(stale)


def keep_work(work: PeriodicWork) -> bool:
    """Whether the row had to be written; an unchanged one is left, so that beat need not reload."""
    wanted = {
        "task": work.task,
        "interval": find_interval(work.every_seconds),
        # Ticks that nobody took in time are dropped instead of piling up in Redis.
        "expire_seconds": work.every_seconds,
        "description": MARK,
    }
    row = PeriodicTask.objects.filter(name=work.name).first()
    if row is None:
        PeriodicTask.objects.create(name=work.name, **wanted)
        return True
    if all(getattr(row, name) == value for name, value in wanted.items()):
        return False
    for name, value in wanted.items():
        setattr(row, name, value)
    row.save()
    return True


def find_interval(every_seconds: int) -> IntervalSchedule:
    rule = {"every": every_seconds, "period": IntervalSchedule.SECONDS}
    known = IntervalSchedule.objects.filter(**rule).order_by("id").first()
    return known or IntervalSchedule.objects.create(**rule)
