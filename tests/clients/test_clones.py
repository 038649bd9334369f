"""One key, two agents: noticed by their boots, in words, and cleared again."""

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import AuditEntry
from apps.clients.algorithms.clones import BOOTS_REMEMBERED, judge_boot
from apps.clients.models import Client
from apps.clients.published import ClientChanged, HeartbeatRecorded
from apps.clients.services import clear_clone, record_heartbeat, rotate_key
from apps.clients.services.presence import HEARTBEATS_KEPT, Heartbeat
from apps.core import bus
from apps.core.clock import read_now
from tests.factories.clients import make_client, make_key

HEARTBEAT = Heartbeat("1", "first-boot", 1, 0, 0, None, None, "192.0.2.1")


def beat(boot_id, address="192.0.2.1", boot_counter=1):
    heartbeat = replace(HEARTBEAT, boot_id=boot_id, address=address, boot_counter=boot_counter)
    record_heartbeat(client=Client.objects.get(), heartbeat=heartbeat)
    return Client.objects.get()


@pytest.fixture
def changes(monkeypatch):
    heard = []
    monkeypatch.setitem(bus._subscribers, ClientChanged, [heard.append])
    return heard


@pytest.mark.django_db
def test_a_boot_that_comes_back_is_a_second_agent(changes, django_capture_on_commit_callbacks):
    make_client()
    with django_capture_on_commit_callbacks(execute=True):
        beat("aaaaaaaa-1", "192.0.2.1")
        assert beat("bbbbbbbb-2", "198.51.100.7").clone_suspected_at is None
        assert beat("aaaaaaaa-1", "192.0.2.1").clone_suspected_at is None
        assert beat("bbbbbbbb-2", "198.51.100.7").clone_suspected_at is None
        probe = beat("aaaaaaaa-1", "192.0.2.1")
    assert probe.clone_suspected_at is not None
    for part in ("aaaaaaaa", "192.0.2.1", "bbbbbbbb", "198.51.100.7"):
        assert part in probe.clone_detail
    assert "aaaaaaaa-1" not in probe.clone_detail
    assert changes == [ClientChanged(probe.id)]


@pytest.mark.django_db
def test_the_suspicion_keeps_its_first_moment(changes, django_capture_on_commit_callbacks):
    make_client()
    with django_capture_on_commit_callbacks(execute=True):
        for boot in "ababa":
            first = beat(boot).clone_suspected_at
        assert first is not None
        with time_machine.travel(read_now() + timedelta(minutes=1)):
            assert beat("a").clone_suspected_at == first
    assert len(changes) == 1


@pytest.mark.django_db
def test_a_late_heartbeat_of_an_ended_process_is_no_clone():
    make_client()
    for boot in ("old", "new", "old", "new", "new"):
        probe = beat(boot, boot_counter=2 if boot == "new" else 1)
        assert probe.clone_suspected_at is None
    assert (probe.boot_id, probe.boot_counter, probe.earlier_boots) == ("new", 2, ["old"])


@pytest.mark.django_db
@pytest.mark.parametrize(("minutes", "is_clone"), [(10, True), (10.1, False)])
def test_two_returns_count_when_they_come_within_ten_minutes(minutes, is_clone):
    make_client()
    start = read_now()
    with time_machine.travel(start, tick=False):
        for boot in ("a", "b", "a"):
            beat(boot)
    with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
        assert (beat("a").clone_suspected_at is not None) == is_clone


@pytest.mark.django_db
def test_new_starts_and_a_counter_that_begins_anew_are_no_clone():
    make_client()
    for number in range(BOOTS_REMEMBERED + 5):
        probe = beat(f"boot-{number}", boot_counter=number)
        probe = beat(f"boot-{number}", boot_counter=number)
    probe = beat("after-the-state-was-deleted", "203.0.113.9", boot_counter=1)
    assert probe.clone_suspected_at is None
    assert len(probe.earlier_boots) == BOOTS_REMEMBERED
    assert probe.earlier_boots[0] == f"boot-{BOOTS_REMEMBERED + 4}"


@pytest.mark.django_db
def test_an_operator_clears_the_suspicion_and_it_comes_up_again():
    make_client()
    for boot in "ababa":
        probe = beat(boot)
    detail = probe.clone_detail
    clear_clone(client=probe)
    probe.refresh_from_db()
    assert (probe.clone_suspected_at, probe.clone_detail, probe.earlier_boots) == (None, "", [])
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.before["clone_detail"]) == ("clear_clone", detail)
    clear_clone(client=probe)
    assert AuditEntry.objects.count() == 1
    for boot in "baba":
        assert beat(boot).clone_suspected_at is None
    assert beat("b").clone_suspected_at is not None


@pytest.mark.django_db
def test_a_new_key_clears_the_suspicion():
    make_key(make_client())
    for boot in "ababa":
        probe = beat(boot)
    rotate_key(client=probe, overlap=timedelta())
    assert Client.objects.get().clone_suspected_at is None
    assert "take turns" in AuditEntry.objects.get().before["clone_detail"]


@pytest.mark.django_db
def test_an_ordinary_heartbeat_takes_one_query():
    make_client()
    probe = beat("a")
    with CaptureQueriesContext(connection) as queries:
        record_heartbeat(client=probe, heartbeat=replace(HEARTBEAT, boot_id="a"))
    assert [query["sql"][:6] for query in queries if "SAVEPOINT" not in query["sql"]] == ["UPDATE"]


@pytest.mark.django_db
def test_the_newest_heartbeats_are_kept_and_told(monkeypatch, django_capture_on_commit_callbacks):
    heard = []
    monkeypatch.setitem(bus._subscribers, HeartbeatRecorded, [heard.append])
    make_client()
    start = read_now().replace(microsecond=0)
    with django_capture_on_commit_callbacks(execute=True):
        for number in range(HEARTBEATS_KEPT + 3):
            with time_machine.travel(start + timedelta(seconds=10 * number), tick=False):
                probe = beat("a")
    assert len(probe.heartbeats) == HEARTBEATS_KEPT
    assert probe.heartbeats[0] == (start + timedelta(seconds=30)).timestamp()
    assert heard[-1].at == probe.last_heartbeat_at


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_a_clone_is_seen_exactly_when_a_boot_returns(boots):
    newest, earlier, is_seen = "", [], False
    for boot in boots:
        judgement = judge_boot(newest=newest, earlier=earlier, boot_id=boot)
        newest, earlier = boot, judgement.earlier
        is_seen |= judgement.has_come_back
        assert boot not in earlier
        assert len(set(earlier)) == len(earlier)
    stretches = [boot for place, boot in enumerate(boots) if boots[place - 1 : place] != [boot]]
    assert is_seen == (len(set(stretches)) < len(stretches))
