"""Online, late, offline: moved by silence and by heartbeats, with the time given."""

from datetime import timedelta

import pytest
import time_machine

from apps.clients.algorithms.presence import judge_presence
from apps.clients.models import Client
from apps.clients.published import PresenceChanged
from apps.clients.services import (
    Heartbeat,
    delete_client,
    record_heartbeat,
    update_presence,
)
from apps.core import bus
from apps.core.clock import read_now
from apps.core.errors import NotAuthenticated
from apps.jobs.services import run_due_jobs
from tests.factories.clients import make_client

HEARTBEAT = Heartbeat(
    agent_version="1",
    boot_id="b",
    boot_counter=1,
    spool_depth=0,
    spool_dropped=0,
    clock_offset_seconds=None,
    clock_error_seconds=None,
    address="192.0.2.1",
)


@pytest.fixture
def changes(monkeypatch):
    """The changes of presence that were published."""
    heard = []
    monkeypatch.setitem(bus._subscribers, PresenceChanged, [heard.append])
    return heard


@pytest.mark.parametrize(
    ("silence_seconds", "presence"),
    [
        (0, "online"),
        (15, "online"),
        (15.1, "late"),
        (30, "late"),
        (30.1, "offline"),
        (9e9, "offline"),
    ],
)
def test_presence_follows_from_the_silence(silence_seconds, presence):
    assert judge_presence(silence_seconds=silence_seconds, heartbeat_seconds=10) == presence


@pytest.mark.django_db
def test_a_client_that_never_spoke_stays_never():
    make_client()
    assert update_presence(now=read_now() + timedelta(days=1)) == 0
    assert Client.objects.get().presence == "never"


@pytest.mark.django_db
def test_a_client_that_was_deleted_is_never_online_again(
    changes, django_capture_on_commit_callbacks
):
    probe = make_client()
    stale = [Client.objects.get() for _ in range(2)]
    delete_client(client=probe)
    with django_capture_on_commit_callbacks(execute=True):
        for is_removed in (False, True):
            if is_removed:
                run_due_jobs("maintenance")
            with pytest.raises(NotAuthenticated) as caught:
                record_heartbeat(client=stale.pop(), heartbeat=HEARTBEAT)
            assert caught.value.code == "key_revoked"
            assert Client.objects.filter(presence="never").exists() != is_removed
    assert changes == []


@pytest.mark.django_db
def test_a_silent_client_turns_late_then_offline_and_a_heartbeat_brings_it_back(
    changes, django_capture_on_commit_callbacks
):
    probe = make_client()
    start = read_now()
    steps = [(0, "online"), (16, "late"), (17, "late"), (31, "offline"), (1000, "offline")]
    with django_capture_on_commit_callbacks(execute=True):
        with time_machine.travel(start, tick=False):
            record_heartbeat(client=probe, heartbeat=HEARTBEAT)
        for seconds, presence in steps:
            update_presence(now=start + timedelta(seconds=seconds))
            assert Client.objects.get().presence == presence
        assert Client.objects.get().presence_since == start + timedelta(seconds=31)
        with time_machine.travel(start + timedelta(seconds=1001), tick=False):
            record_heartbeat(client=Client.objects.get(), heartbeat=HEARTBEAT)
    assert Client.objects.get().presence == "online"
    moves = [(event.previous, event.presence) for event in changes]
    assert moves == [
        ("never", "online"),
        ("online", "late"),
        ("late", "offline"),
        ("offline", "online"),
    ]


@pytest.mark.django_db
def test_the_moment_of_coming_online_is_kept_while_it_lasts():
    probe = make_client()
    start = read_now()
    for seconds in (0, 10, 20):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            record_heartbeat(client=Client.objects.get(id=probe.id), heartbeat=HEARTBEAT)
    assert Client.objects.get().presence_since == start


@pytest.mark.django_db
def test_a_heartbeat_in_between_makes_the_judgement_outdated(monkeypatch):
    probe = make_client()
    start = read_now()
    with time_machine.travel(start, tick=False):
        record_heartbeat(client=probe, heartbeat=HEARTBEAT)
    judged = judge_presence

    def judge_late(**silence):
        Client.objects.update(last_heartbeat_at=start + timedelta(seconds=60))
        return judged(**silence)

    monkeypatch.setattr("apps.clients.services.presence.judge_presence", judge_late)
    assert update_presence(now=start + timedelta(seconds=60)) == 0
    assert Client.objects.get().presence == "online"
