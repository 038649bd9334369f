"""A run of two participants: handed to both ends, closed by one, and never begun alone."""

from datetime import timedelta

import pytest
import time_machine

from apps.core.clock import read_now, to_milliseconds
from apps.core.errors import Invalid
from apps.tests.models import Result, Run
from apps.tests.services import (
    close_overdue_runs,
    delete_test,
    grant_lease,
    mark_running,
    pause_test,
    plan_runs,
    record_result,
    run_now,
    stop_runs,
)
from apps.tests.services.peers import derive_key, explain_address
from tests.factories.kinds import ANSWERING, install_kinds
from tests.factories.maintenance import make_window, select
from tests.factories.pairs import make_end, make_pair
from tests.factories.results import build_result

pytestmark = pytest.mark.django_db

HORIZON_SECONDS = 900.0


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    install_kinds(monkeypatch)


@pytest.fixture
def near():
    return make_end("near", "192.0.2.1")


@pytest.fixture
def far():
    return make_end("far", "192.0.2.2")


@pytest.fixture
def pair(near, far):
    return make_pair(near, far)


def lease(client):
    return grant_lease(client=client, horizon_seconds=HORIZON_SECONDS).as_document()


def list_run_ids(document):
    return {run["id"] for run in document["runs"]}


def test_the_far_end_gets_the_run_first_and_then_both_have_the_same(pair, near, far):
    assert lease(near)["runs"] == []
    answered = lease(far)
    initiated = lease(near)
    assert list_run_ids(initiated) == list_run_ids(answered) != set()
    assert initiated["assignments"][0]["role"] == "initiator"
    assert answered["assignments"][0]["role"] == "responder"
    assert initiated["assignments"][0]["id"] == answered["assignments"][0]["id"] == str(pair.id)
    assert not initiated["assignments"][0]["is_self_derivable"]
    states = set(Run.objects.exclude(peer_leased_at=None).values_list("state", flat=True))
    assert states == {"leased"}


def test_both_ends_get_the_key_of_the_run_and_only_the_initiator_an_address(pair, near, far):
    (answered, *_more), (initiated, *_rest) = lease(far)["runs"], lease(near)["runs"]
    run = Run.objects.get(id=initiated["id"])
    key = derive_key(run.id).hex()
    assert initiated["peer"] == {"address": "192.0.2.2", "port": 8620, "key": key}
    assert answered["peer"] == {"address": "", "port": 8620, "key": key}
    assert len(bytes.fromhex(key)) == 32


def test_each_run_has_a_key_of_its_own_that_is_stored_nowhere(pair, near, far):
    lease(far)
    keys = [run["peer"]["key"] for run in lease(near)["runs"]]
    assert len(set(keys)) == len(keys) > 1
    stored = "".join(str(list(model.objects.values())) for model in (Run, type(pair)))
    assert not any(key in stored for key in keys)


def test_the_port_is_the_one_that_the_far_end_names(near):
    inventory = {**ANSWERING, "responder": {"port": 9000, "kinds": ["talk"]}}
    far = make_end("far", "192.0.2.2", inventory=inventory)
    make_pair(near, far)
    lease(far)
    assert {run["peer"]["port"] for run in lease(near)["runs"]} == {9000}


def test_a_stranger_gets_neither_run_nor_key(pair):
    document = lease(make_end("stranger"))
    assert (document["assignments"], document["runs"]) == ([], [])


def test_the_initiator_is_told_at_once_of_a_run_that_begins_soon(pair, near, far):
    lease(far)
    near.refresh_from_db()
    before = near.schedule_revision
    (run,) = run_now(test=pair.test)
    far.refresh_from_db()
    lease(far)
    near.refresh_from_db()
    assert near.schedule_revision == before + 2
    assert str(run.id) in list_run_ids(lease(near))


def test_a_run_asked_for_leaves_both_ends_time_to_hear_of_it(pair):
    with time_machine.travel(read_now(), tick=False):
        (run,) = run_now(test=pair.test)
        assert run.start_at - read_now() == timedelta(seconds=3)


def test_one_of_the_ends_is_enough_to_ask_for_a_run(pair, far):
    (run,) = run_now(test=pair.test, client_ids=[far.id])
    assert run.assignment_id == pair.id


def test_the_initiators_result_closes_the_run_for_both(pair, near, far):
    (run,) = run_now(test=pair.test)
    lease(far)
    lease(near)
    mark_running(client_id=near.id, run_ids=[run.id], at=read_now())
    result = build_result(run)
    with pytest.raises(Invalid):
        record_result(client_id=far.id, result=result, received_at=read_now())
    assert record_result(client_id=near.id, result=result, received_at=read_now())
    run.refresh_from_db()
    assert run.state == "finished"
    assert str(run.id) in lease(far)["cancelled"]
    assert str(run.id) not in lease(near)["cancelled"]


def test_the_far_end_cannot_mark_the_run_as_running(pair, far):
    (run,) = run_now(test=pair.test)
    lease(far)
    mark_running(client_id=far.id, run_ids=[run.id], at=read_now())
    run.refresh_from_db()
    assert run.state == "scheduled"


def test_no_agent_may_make_up_a_paired_run(pair, near):
    run = Run.objects.filter(assignment=pair).earliest("start_at")
    result = build_result(run)
    run.delete()
    with pytest.raises(Invalid) as caught:
        record_result(client_id=near.id, result=result, received_at=read_now())
    assert caught.value.code == "unknown_run"
    assert not Result.objects.exists()


def test_without_its_far_end_a_run_is_not_started_and_says_whose_fault_that_is(pair, far, near):
    far.presence = "offline"
    far.save()
    first = Run.objects.filter(assignment=pair).earliest("start_at")
    late = first.start_at + timedelta(seconds=6)
    assert close_overdue_runs(now=late - timedelta(seconds=2)) == 0
    assert close_overdue_runs(now=late) == 1
    first.refresh_from_db()
    assert first.state == "nonstart"
    assert first.reason == "far did not fetch the run in time: it is offline"
    assert str(first.id) not in list_run_ids(lease(near))


def test_a_run_asked_for_waits_two_minutes_for_its_far_end(pair):
    Run.objects.all().delete()
    (run,) = run_now(test=pair.test)
    assert close_overdue_runs(now=run.start_at + timedelta(seconds=119)) == 0
    assert close_overdue_runs(now=run.start_at + timedelta(seconds=121)) == 1
    run.refresh_from_db()
    assert (run.state, run.reason) == ("nonstart", "far did not fetch the run in time")


def test_a_run_that_only_the_initiator_missed_is_missed(pair, far):
    lease(far)
    first = Run.objects.filter(assignment=pair).earliest("start_at")
    assert close_overdue_runs(now=first.end_at + timedelta(seconds=91)) == 1
    first.refresh_from_db()
    assert (first.state, first.reason) == ("missed", "not started by the agent")


def test_pausing_takes_the_runs_back_from_both_ends(pair, near, far):
    held = list_run_ids(lease(far))
    pause_test(test=pair.test)
    assert set(lease(far)["cancelled"]) == held
    # One that the far end alone has seen is not forgotten.
    assert Run.objects.filter(id__in=held, state="cancelled").count() == len(held)
    assert lease(far)["assignments"] == []


def test_stopping_a_run_stops_both_ends(pair, near, far):
    (run,) = run_now(test=pair.test)
    lease(far)
    lease(near)
    assert stop_runs(test=pair.test) == 1
    assert str(run.id) in lease(near)["cancelled"]
    assert str(run.id) in lease(far)["cancelled"]


def test_deleting_the_test_leaves_nothing_to_answer(pair, far):
    lease(far)
    delete_test(test=pair.test)
    document = lease(far)
    assert (document["assignments"], document["runs"]) == ([], [])


def test_maintenance_of_the_far_end_pauses_the_run(pair, near, far):
    lease(far)
    make_window(
        selector=select(clients=[far]), starts_at=read_now(), duration_seconds=3600,
    )  # fmt: skip
    plan_runs()
    ahead = Run.objects.filter(assignment=pair, start_at__gt=read_now())
    assert {run.state for run in ahead} == {"paused"}
    assert list_run_ids(lease(far)) == set()


def test_the_choice_of_the_address_is_explained(pair, near, far):
    assert explain_address(pair) == (
        "192.0.2.2:8620: an interface in the same network as an interface of the other"
    )
    far.peer_address = "2001:db8::7"
    far.save()
    assert explain_address(pair) == "[2001:db8::7]:8620: as the settings of the client say"
    pair.test.peer_address = "203.0.113.9"
    assert explain_address(pair) == "203.0.113.9:8620: as the test says"


def test_a_lease_of_one_who_only_answers_begins_in_milliseconds_like_any_other(pair, far):
    (run, *_more) = lease(far)["runs"]
    stored = Run.objects.get(id=run["id"])
    assert run["start_ms"] == to_milliseconds(stored.start_at)
