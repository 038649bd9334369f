"""Deleting a client: gone at once, its history in pieces, whatever stops in between."""

from datetime import timedelta

import pytest
from django.db import transaction

from apps.accounts.models import AuditEntry
from apps.clients.models import Client, Key
from apps.clients.selectors import list_clients
from apps.clients.services import (
    delete_client,
    delete_site,
    enqueue_missing_removals,
    identify_key,
    removal,
    update_presence,
)
from apps.clients.tasks import remove_deleted_clients
from apps.core.clock import read_now
from apps.core.errors import NotAuthenticated
from apps.jobs.models import Job
from apps.jobs.services import discard_job, run_due_jobs
from apps.metrics.models import Fact, Frame, IngestBatch, Latest, Source
from apps.tests.models import Assignment, Result, Run, Test
from tests.factories import wire
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key, make_site
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db


def fill(client, name):
    """A client with frames, a fact, a run and a result; its key."""
    probe = make_client(name, site="vienna", tags=["edge"])
    assignment = make_assignment(probe, name)
    make_result(assignment)
    source = ("assignment", str(assignment.id))
    frame = wire.frame(source=source, keys=wire.PING_KEYS)
    key = make_key(probe)
    wire.send(client, key, frame, wire.frame(), wire.fact())
    return probe, key


def work(*, turn_seconds=60):
    """The attempts that a worker makes; what has failed shows."""
    count = run_due_jobs("maintenance", turn_seconds=turn_seconds)
    assert set(Job.objects.values_list("state", flat=True)) <= {"queued", "done"}
    return count


def test_a_deleted_client_is_gone_at_once_and_its_name_free(client):
    probe, key = fill(client, "gone")
    delete_client(client=probe)
    assert not list_clients(make_user("ann", "admin")).exists()
    with pytest.raises(NotAuthenticated):
        identify_key(key)
    assert make_client("gone").name == "gone"
    delete_site(site=make_site("vienna"))
    entry = AuditEntry.objects.filter(action="delete", object_type="client").get()
    assert (entry.object_label, entry.before["site"]) == ("gone", "vienna")


def test_its_history_goes_step_by_step_and_that_of_others_stays(client, monkeypatch):
    monkeypatch.setattr(removal, "ROWS_PER_STEP", 1)
    gone, _key = fill(client, "gone")
    kept, _key = fill(client, "kept")
    delete_client(client=gone)
    assert work() == 1
    assert Client.objects.get() == kept
    assert {source.client_id for source in Source.objects.all()} == {kept.id}
    assert (Frame.objects.count(), Latest.objects.count(), Fact.objects.count()) == (2, 2, 1)
    assert (Assignment.objects.count(), Result.objects.count()) == (1, 1)
    assert {run.assignment.client_id for run in Run.objects.all()} == {kept.id}
    assert (Key.objects.count(), IngestBatch.objects.count()) == (1, 1)
    assert Test.objects.count() == 2
    assert work() == 0


def test_a_long_history_goes_in_short_turns(client, monkeypatch):
    monkeypatch.setattr(removal, "ROWS_PER_STEP", 1)
    monkeypatch.setattr(removal, "TURN_SECONDS", 0)
    probe, _key = fill(client, "gone")
    delete_client(client=probe)
    steps = 0
    while Client.objects.exists():
        assert work(turn_seconds=0) == 1
        steps += 1
    assert steps >= 8
    assert not Source.objects.exists()


def test_a_kill_in_the_middle_of_a_step_undoes_only_that_step(client):
    probe, _key = fill(client, "gone")
    delete_client(client=probe)
    steps = removal.remove_in_steps(probe.id)
    next(steps)
    with transaction.atomic():
        next(steps)
        transaction.set_rollback(True)
    assert Client.objects.exists()
    work()
    assert not Client.objects.exists()


def test_clients_that_nobody_deleted_are_left_alone(client):
    fill(client, "kept")
    remove_deleted_clients()
    assert work() == 0
    assert (Client.objects.count(), Frame.objects.count()) == (1, 2)


def test_a_deleted_client_without_a_job_gets_one(client):
    """Of a server that knew no jobs yet; one that was discarded is let be."""
    probe, _key = fill(client, "gone")
    delete_client(client=probe)
    Job.objects.all().delete()
    assert (enqueue_missing_removals(), enqueue_missing_removals()) == (1, 0)
    discard_job(job=Job.objects.get())
    assert enqueue_missing_removals() == 0
    Job.objects.all().delete()
    remove_deleted_clients()
    work()
    assert not Client.objects.exists()


def test_a_deleted_client_changes_its_presence_no_more(client):
    probe, _key = fill(client, "gone")
    Client.objects.update(presence="online", last_heartbeat_at=read_now())
    delete_client(client=Client.objects.get(id=probe.id))
    Client.objects.update(presence="online")
    assert update_presence(now=read_now() + timedelta(days=1)) == 0


def test_what_refers_to_other_rows_goes_first():
    order = [model for _path, model in removal.list_histories()]
    for earlier, later in ((Result, Run), (Run, Assignment), (Assignment, Source), (Frame, Source)):
        assert order.index(earlier) < order.index(later)
    assert Client not in order
