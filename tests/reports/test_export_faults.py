"""Files of exports whose workers are killed, hang and come back, or find the disk full."""

import hashlib
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from django.db import connection

from apps.accounts.models import Role
from apps.core.clock import read_now
from apps.jobs.errors import JobFailed, JobLost
from apps.jobs.models import Job
from apps.jobs.runs import JobRun
from apps.jobs.services import retry_job, run_due_jobs
from apps.jobs.services.claims import claim_job
from apps.reports.models import Export
from apps.reports.selectors import keyset
from apps.reports.services import exports as services
from apps.reports.services.exports import holding, making, read_order
from apps.reports.writers.export_files import GrowingFile, find_folder, list_sizes, locate_file
from tests.factories.accounts import grant, make_user
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_run
from tests.faults.disks import mount_disk

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 7
FILTERS = {"state": ["failed"]}
# All that a turn does to the outside: what it reads, what it writes, and what it notes.
STEPS = (
    (keyset, "fetch"),
    (making, "change_export"),
    (making, "take_file"),
    (GrowingFile, "cut"),
    (GrowingFile, "write"),
    (GrowingFile, "keep"),
    (GrowingFile, "digest"),
    (GrowingFile, "finish"),
)


class Killed(BaseException):
    """No handler of the product catches it."""


@pytest.fixture(autouse=True)
def empty_folder():
    for name in list_sizes():
        (find_folder() / name).unlink()


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(keyset, "FIRST_ROWS", 2)
    monkeypatch.setattr(keyset, "choose_size", lambda _found: 2)
    monkeypatch.setattr(holding, "PATIENCE_SECONDS", 0)


@pytest.fixture
def ann():
    return make_user("ann", "viewer", site="vienna")


@pytest.fixture
def runs():
    """Seven runs at vienna, one at graz."""
    assignment = make_assignment(make_client("probe", site="vienna"), "Gateway")
    for number in range(ROWS):
        make_run(assignment, state="failed", reason=f"reason {number}", slot=number)
    away = make_assignment(make_client("away", site="graz"), "Elsewhere")
    make_run(away, state="failed", reason="graz")


def ask(user, format_name="csv"):
    order = read_order(dataset="runs", format_name=format_name, filters=FILTERS)
    return services.request_export(user=user, order=order)


def claim():
    """The next worker's attempt, as after the claim of the one before ran out."""
    Job.objects.filter(state="running").update(claimed_until=read_now() - timedelta(seconds=1))
    Job.objects.update(attempts=0)
    return JobRun(claim_job(["reports"]).job)


def write_turn(run, *, turn_seconds=0.0):
    return making.make_export(run, turn_seconds=turn_seconds)


def write_on(*, turn_seconds=0.0):
    """Turns of other workers, until the file is whole."""
    for _number in range(20):
        if write_turn(claim(), turn_seconds=turn_seconds).is_complete:
            return
    raise AssertionError("it never ends")


def read_whole(export):
    """The file, which is what its row says."""
    export = Export.objects.get(id=export.id)
    content = locate_file(export.id).read_bytes()
    assert (export.state, export.row_count) == ("ready", ROWS)
    assert export.size_bytes == len(content)
    assert hashlib.sha256(content).hexdigest() == export.sha256
    assert set(list_sizes()) == {locate_file(export.id).name}
    return content


@pytest.fixture
def whole(ann, runs):
    """The file as one turn writes it."""
    export = ask(ann)
    write_turn(claim(), turn_seconds=60)
    content = read_whole(export)
    forget(export)
    return content


@contextmanager
def interrupted(number, happen, *, is_behind):
    """While the block runs `happen` happens before, or behind, its step of that number.

    Gives the steps that were made.
    """
    made = []

    def wrap(name, real):
        def step(*arguments, **values):
            made.append(name)
            is_now = len(made) == number
            if is_now and not is_behind:
                happen()
            found = real(*arguments, **values)
            if is_now and is_behind:
                happen()
            return found

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, wrap(name, getattr(owner, name)))
        yield made


def forget(export):
    Job.objects.all().delete()
    services.delete_export(export=Export.objects.get(id=export.id))


@pytest.mark.parametrize("is_behind", [False, True])
@pytest.mark.parametrize("is_file_gone", [False, True])
def test_a_worker_may_be_killed_at_any_step(ann, whole, is_behind, is_file_gone):
    def kill():
        raise Killed

    for number in range(1, 100):
        export = ask(ann)
        write_turn(claim())
        if is_file_gone:
            locate_file(export.id).with_suffix(".part").unlink()
        with interrupted(number, kill, is_behind=is_behind) as made, suppress(Killed):
            write_on(turn_seconds=60)
        if len(made) < number:
            break
        write_on()
        assert read_whole(export) == whole
        forget(export)
    assert number > 10


@pytest.mark.parametrize("is_behind", [False, True])
@pytest.mark.parametrize("turns_before", [0, 1])
@pytest.mark.parametrize("is_made_meanwhile", [False, True])
def test_a_worker_that_hung_spoils_nothing_when_it_wakes(
    ann, whole, is_behind, turns_before, is_made_meanwhile
):
    """Another worker writes a turn, or all that is left; that one is not even told."""
    hung = []

    def hang():
        # Nobody gets the job in between of what the database does at once.
        if connection.in_atomic_block:
            return
        hung.append(made[-1])
        if is_made_meanwhile:
            write_on()
        else:
            write_turn(claim())

    for number in range(1, 100):
        export = ask(ann)
        for _number in range(turns_before):
            write_turn(claim())
        late, count = claim(), len(hung)
        with interrupted(number, hang, is_behind=is_behind) as made:
            is_lost = False
            try:
                write_turn(late, turn_seconds=60)
            except JobLost:
                is_lost = True
        assert is_lost == (len(hung) > count)
        if len(made) < number:
            break
        write_on()
        assert read_whole(export) == whole
        forget(export)
    assert {"fetch", "write", "keep", "digest", "take_file"} <= set(hung)
