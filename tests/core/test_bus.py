"""Events reach their subscribers after the commit, and a subscriber's fault stays its own."""

from dataclasses import dataclass

import pytest
from django.db import transaction

from apps.core import bus


@dataclass(frozen=True, slots=True)
class Happened:
    number: int


@pytest.fixture
def heard(monkeypatch):
    received = []
    monkeypatch.setitem(bus._subscribers, Happened, [])
    bus.subscribe(Happened, received.append)
    return received


@pytest.mark.django_db(transaction=True)
def test_an_event_waits_for_the_commit(heard):
    with transaction.atomic():
        bus.publish(Happened(1))
        assert heard == []
    assert heard == [Happened(1)]


@pytest.mark.django_db(transaction=True)
def test_an_event_of_what_was_rolled_back_is_never_delivered(heard):
    with transaction.atomic():
        bus.publish(Happened(1))
        transaction.set_rollback(True)
    assert heard == []


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_an_event_is_delivered_at_once(heard):
    bus.publish(Happened(1))
    assert heard == [Happened(1)]


@pytest.mark.django_db(transaction=True)
def test_a_subscriber_that_fails_harms_neither_writer_nor_others(monkeypatch):
    received = []

    def fail(_event):
        raise RuntimeError("subscriber")

    monkeypatch.setitem(bus._subscribers, Happened, [fail, received.append])
    bus.publish(Happened(1))
    assert received == [Happened(1)]


def test_subscribing_twice_is_subscribing_once(heard):
    bus.subscribe(Happened, heard.append)
    assert len(bus._subscribers[Happened]) == 1
