"""Making, changing, pausing and deleting tests."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.models import AuditEntry
from apps.clients.models import Client
from apps.clients.services import delete_client
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid
from apps.metrics.models import Frame, Latest, Source
from apps.tests.models import Assignment, Run, Target, Test
from apps.tests.services import (
    assign_clients,
    change_test,
    create_test,
    delete_test,
    pause_test,
    plan_runs,
    resume_test,
)
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.factories.tests import define, make_assignment, make_test

pytestmark = pytest.mark.django_db


def test_a_test_is_stored_normalised_with_its_defaults():
    test = make_test(target=" Example.ORG. ", name=" Spaces ", parameters={"size_bytes": 100})
    assert (test.name, test.target.address) == ("Spaces", "example.org")
    assert test.parameters["size_bytes"] == 100
    assert test.parameters["interval_seconds"] == 0.2
    assert test.start_at is not None


def test_tests_of_one_target_share_it():
    make_test("one")
    make_test("two")
    assert Target.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "weather"}, "kind"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"target": "not a host"}, "target"),
        ({"target": ""}, "target"),
        ({"duration_seconds": 0.5}, "duration_seconds"),
        ({"duration_seconds": 86_401}, "duration_seconds"),
        ({"duration_seconds": math.nan}, "duration_seconds"),
        ({"sample_interval_seconds": 0.1}, "sample_interval_seconds"),
        ({"sample_interval_seconds": 11.0}, "sample_interval_seconds"),
        ({"sample_interval_seconds": math.inf}, "sample_interval_seconds"),
        ({"schedule_kind": "sometimes"}, "schedule_kind"),
        ({"start_at": datetime(1999, 12, 31, 23, 59, tzinfo=UTC)}, "start_at"),
        ({"start_at": datetime(9999, 12, 31, 23, 59, tzinfo=UTC)}, "start_at"),
        ({"start_at": read_now() + timedelta(days=10 * 366)}, "start_at"),
        ({"every_seconds": None}, "every_seconds"),
        ({"every_seconds": 9.0}, "every_seconds"),
        ({"every_seconds": 32 * 86_400.0}, "every_seconds"),
        ({"slip_seconds": -1.0}, "slip_seconds"),
        ({"slip_seconds": 51.0}, "slip_seconds"),
        ({"parameters": {"size_bytes": 1}}, "parameters.size_bytes"),
        ({"parameters": {"size_bytes": "big"}}, "parameters.size_bytes"),
        ({"parameters": {"no_such": 1}}, "parameters"),
        ({"kind": "http", "target": "ftp://x/"}, "target"),
    ],
)
def test_a_wrong_definition_names_its_field_and_stores_nothing(change, field):
    with pytest.raises(Invalid) as caught:
        create_test(define(**change))
    assert field in {error.field for error in caught.value.errors}
    assert all(error.detail for error in caught.value.errors)
    assert not Test.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_new_test_is_planned_before_any_agent_asks():
    make_test("Loopback", make_client())
    assert Run.objects.filter(start_at__gt=read_now()).count() >= 2


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(Invalid) as caught:
        create_test(define(name="", target="not a host", duration_seconds=0.0))
    fields = {error.field for error in caught.value.errors}
    assert {"name", "target", "duration_seconds"} <= fields


def test_a_name_is_given_once():
    make_test()
    with pytest.raises(Conflict):
        create_test(define())
    other = make_test("Other")
    with pytest.raises(Conflict):
        change_test(other, define())
    assert change_test(other, define("Other")).name == "Other"


def test_a_change_takes_back_planned_runs_under_a_new_revision():
    probe = make_client()
    assignment = make_assignment(probe)
    plan_runs()
    before = set(Run.objects.values_list("id", flat=True))
    leased = Run.objects.order_by("start_at").first()
    Run.objects.filter(id=leased.id).update(state=Run.State.LEASED, leased_at=read_now())
    test = change_test(assignment.test, define(every_seconds=30.0))
    assert test.schedule_revision == 2
    leased.refresh_from_db()
    assert (leased.state, leased.reason) == ("cancelled", "schedule changed")
    plan_runs()
    after = set(Run.objects.filter(state=Run.State.SCHEDULED).values_list("id", flat=True))
    assert after
    assert not after & before


def test_a_change_is_written_down_with_before_and_after():
    test = make_test()
    change_test(test, define(target="192.0.2.7"))
    entry = AuditEntry.objects.filter(action="change").get()
    assert entry.before["target"] == "127.0.0.1"
    assert entry.after["target"] == "192.0.2.7"


def test_a_paused_test_plans_nothing_until_it_is_resumed():
    test = make_assignment(make_client()).test
    plan_runs()
    pause_test(test=test)
    assert not Run.objects.filter(state=Run.State.SCHEDULED).exists()
    assert plan_runs() == 0
    resume_test(test=test)
    assert Run.objects.filter(state=Run.State.SCHEDULED).count() >= 2
    assert Test.objects.get().schedule_revision == 3


def test_pausing_twice_is_pausing_once():
    test = make_test()
    pause_test(test=test)
    pause_test(test=test)
    assert AuditEntry.objects.filter(action="pause").count() == 1


def test_every_change_of_a_schedule_shows_in_the_clients_revision():
    probe = make_client()
    revisions = [probe.schedule_revision]

    def note():
        revisions.append(Client.objects.get(id=probe.id).schedule_revision)

    test = make_test("Loopback", probe)
    note()
    pause_test(test=test)
    note()
    resume_test(test=test)
    note()
    change_test(test, define(every_seconds=30.0))
    note()
    assign_clients(test=test, clients=[])
    note()
    assert revisions == sorted(set(revisions))


def test_who_is_taken_away_keeps_its_history_and_gets_it_back():
    probe, other = make_client("one"), make_client("two")
    test = make_test("Loopback", probe, other)
    plan_runs()
    assign_clients(test=test, clients=[other])
    gone = Assignment.objects.get(client=probe)
    assert gone.removed_at is not None
    assert not gone.runs.filter(state=Run.State.SCHEDULED).exists()
    assert Source.objects.filter(id=gone.source_id).exists()
    assign_clients(test=test, clients=[probe, other])
    back = Assignment.objects.get(client=probe)
    assert (back.id, back.source_id, back.removed_at) == (gone.id, gone.source_id, None)


def test_assigning_the_same_clients_again_writes_no_audit():
    probe = make_client()
    test = make_test("Loopback", probe)
    count = AuditEntry.objects.count()
    assign_clients(test=test, clients=[probe])
    assert AuditEntry.objects.count() == count


def test_deleting_a_test_removes_what_was_measured_by_it_alone(client):
    probe = make_client()
    assignment = make_assignment(probe)
    source = ("assignment", str(assignment.id))
    key = make_key(probe)
    wire.send(client, key, wire.frame(source=source, keys=wire.PING_KEYS), wire.frame())
    delete_test(test=assignment.test)
    assert not Test.objects.exists()
    assert not Run.objects.exists()
    assert [row.kind for row in Source.objects.all()] == ["host"]
    assert (Frame.objects.count(), Latest.objects.count()) == (1, 1)


def test_a_definition_is_a_value():
    definition = define()
    assert replace(definition, name="x").name == "x"
    with pytest.raises(AttributeError):
        definition.name = "y"


@pytest.mark.parametrize("days", [-9000, -1, 1, 3650])
def test_a_first_start_may_lie_some_years_before_or_ahead(days):
    start_at = read_now() + timedelta(days=days)
    assert make_test(start_at=start_at).start_at == start_at


def test_a_first_start_out_of_range_names_the_limit():
    with pytest.raises(Invalid, match="start_at: must be from 2000-01-01 to 10 years from now"):
        make_test(schedule_kind="once", start_at=datetime(9999, 1, 1, tzinfo=UTC))


def test_a_client_that_was_deleted_is_given_no_test():
    gone = make_client()
    test = make_test("Loopback")
    delete_client(client=gone)
    for act in (
        lambda: make_test("other", gone),
        lambda: assign_clients(test=test, clients=[gone]),
    ):
        with pytest.raises(Invalid, match="clients: there is no such client"):
            act()
    assert not Assignment.objects.exists()
