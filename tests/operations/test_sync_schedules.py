"""The periodic work of the code is what beat finds in its tables."""

from dataclasses import dataclass

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.utils.module_loading import import_string
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Work:
    name: str
    task: str
    every_seconds: int


@pytest.fixture
def works(settings):
    settings.PERIODIC_WORK = (Work("plan", "a.plan", 5), Work("close", "a.close", 5))
    call_command("sync_schedules", verbosity=0)
    return settings


def list_rows():
    return sorted(PeriodicTask.objects.values_list("name", "task", "interval__every"))


@pytest.mark.usefixtures("works")
def test_each_work_is_one_row_and_equal_intervals_are_shared():
    assert list_rows() == [("close", "a.close", 5), ("plan", "a.plan", 5)]
    assert IntervalSchedule.objects.count() == 1


@pytest.mark.usefixtures("works")
def test_a_second_time_changes_nothing_and_beat_need_not_reload():
    before = (list_rows(), PeriodicTasks.last_change())
    call_command("sync_schedules", verbosity=0)
    assert (list_rows(), PeriodicTasks.last_change()) == before


def test_changed_work_is_changed_and_stale_work_removed(works):
    works.PERIODIC_WORK = (Work("plan", "a.plan", 7),)
    call_command("sync_schedules", verbosity=0)
    assert list_rows() == [("plan", "a.plan", 7)]


def test_an_administrators_own_rows_are_left_alone(works):
    interval = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.DAYS)
    PeriodicTask.objects.create(name="mine", task="x", interval=interval)
    works.PERIODIC_WORK = ()
    call_command("sync_schedules", verbosity=0)
    assert [row[0] for row in list_rows()] == ["mine"]


@pytest.mark.usefixtures("works")
def test_a_tick_that_nobody_took_expires():
    assert set(PeriodicTask.objects.values_list("expire_seconds", flat=True)) == {5}


@pytest.mark.parametrize("work", django_settings.PERIODIC_WORK, ids=lambda work: work.name)
def test_every_scheduled_task_exists_under_its_name(work):
    assert import_string(work.task).name == work.task
