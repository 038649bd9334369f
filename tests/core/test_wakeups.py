"""Wake-up calls to a worker: merged, spaced, never in the caller's way."""

import threading
from contextvars import ContextVar

import pytest
from kombu.exceptions import OperationalError

from apps.core.wakeups import LEAST_SECONDS_BETWEEN, RETRY_SECONDS, Waker

PATIENCE_SECONDS = 10
ASKED_BY = ContextVar("asked_by", default="nobody")


class SteeredTime:
    """Seconds that pass only by sleeping."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def passing():
    return SteeredTime()


def build(passing, send):
    return Waker(send, passing.clock, passing.sleep)


def test_a_call_is_sent_from_another_thread_with_the_context_of_its_request(passing):
    sent = threading.Event()
    heard = []

    def send(task):
        heard.append((task, ASKED_BY.get(), threading.current_thread().name))
        sent.set()

    ASKED_BY.set("request 7")
    build(passing, send).wake("plan")
    assert sent.wait(PATIENCE_SECONDS)
    assert heard == [("plan", "request 7", "waker")]


def test_calls_that_come_while_one_is_sent_make_one_more_and_none_is_lost(passing):
    is_sending, may_go_on, has_sent_twice = (threading.Event() for _ in range(3))
    heard = []

    def send(task):
        heard.append(task)
        if len(heard) == 1:
            is_sending.set()
            may_go_on.wait(PATIENCE_SECONDS)
        else:
            has_sent_twice.set()

    waker = build(passing, send)
    waker.wake("plan")
    assert is_sending.wait(PATIENCE_SECONDS)
    for _call in range(50):
        waker.wake("plan")
    may_go_on.set()
    assert has_sent_twice.wait(PATIENCE_SECONDS)
    assert heard == ["plan", "plan"]
    assert max(passing.slept) == pytest.approx(LEAST_SECONDS_BETWEEN)


def test_without_a_broker_the_thread_waits_and_goes_on(passing):
    has_sent = threading.Event()
    attempts = []

    def send(task):
        attempts.append(task)
        if task == "plan":
            raise OperationalError("no broker")
        has_sent.set()

    waker = build(passing, send)
    waker.wake("plan")
    waker.wake("choose")
    assert has_sent.wait(PATIENCE_SECONDS)
    assert attempts == ["plan", "choose"]
    assert RETRY_SECONDS in passing.slept


def test_a_fault_nobody_thought_of_ends_no_thread(passing):
    has_sent = threading.Event()

    def send(task):
        if task == "broken":
            raise ZeroDivisionError
        has_sent.set()

    waker = build(passing, send)
    waker.wake("broken")
    waker.wake("plan")
    assert has_sent.wait(PATIENCE_SECONDS)
