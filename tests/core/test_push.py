"""Messages to sockets: sent from another thread, which no Redis holds for ever."""

import asyncio
import threading

import pytest
from redis import RedisError

from apps.core import push as push_module
from apps.core.push import Pusher

PATIENCE_SECONDS = 30


class Layer:
    """A channel layer that takes what comes, while it is not silent."""

    def __init__(self):
        self.taken = []
        self.fault = None
        self.is_silent = False
        self.was_asked = threading.Event()
        self.has_taken = threading.Event()

    async def group_send(self, group, message):
        self.was_asked.set()
        if self.is_silent:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self.taken.append((group, message["number"]))
        self.has_taken.set()


@pytest.fixture
def layer(monkeypatch):
    layer = Layer()
    monkeypatch.setattr(push_module, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(push_module, "RETRY_SECONDS", 0.01)
    return layer


def push_on(pusher, layer):
    """Pushes until something was taken; the last number."""
    for number in range(1, PATIENCE_SECONDS * 20):
        pusher.push("pages", {"number": number})
        if layer.has_taken.wait(0.05):
            return number
    raise AssertionError("nothing was taken")


def test_a_redis_that_never_answers_holds_the_sender_for_a_bounded_time(layer, monkeypatch):
    monkeypatch.setattr(push_module, "SENDING_SECONDS", 0.05)
    layer.is_silent = True
    pusher = Pusher()
    pusher.push("pages", {"number": 0})
    assert layer.was_asked.wait(PATIENCE_SECONDS)
    layer.is_silent = False
    push_on(pusher, layer)
    assert ("pages", 0) not in layer.taken


def test_what_waits_behind_an_unanswered_message_is_outdated_and_dropped(layer, monkeypatch):
    monkeypatch.setattr(push_module, "SENDING_SECONDS", 2)
    layer.is_silent = True
    pusher = Pusher()
    pusher.push("pages", {"number": 0})
    assert layer.was_asked.wait(PATIENCE_SECONDS)
    for _ in range(100):
        pusher.push("pages", {"number": -1})
    layer.is_silent = False
    push_on(pusher, layer)
    assert ("pages", -1) not in layer.taken


def test_pushing_never_waits_for_a_redis_that_does_not_answer(layer):
    layer.is_silent = True
    pusher = Pusher()
    for number in range(push_module.QUEUE_LENGTH + 100):
        pusher.push("pages", {"number": number})
    assert layer.taken == []


@pytest.mark.parametrize("fault", [ConnectionRefusedError("gone"), RedisError("gone")])
def test_a_redis_that_was_away_is_tried_again(layer, fault):
    layer.fault = fault
    pusher = Pusher()
    pusher.push("pages", {"number": 0})
    assert layer.was_asked.wait(PATIENCE_SECONDS)
    layer.fault = None
    push_on(pusher, layer)
