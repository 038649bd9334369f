"""The door of the agents' calls: how many it takes at once, and how long it waits for a body."""

import asyncio
import json
import threading

import pytest

from streamswarm import door as door_module
from streamswarm.door import CALLS_PER_THREAD, BufferedDoor

LIMIT_BYTES = 100
WAIT_SECONDS = 30
REFUSAL_SECONDS = 5


class HeldApplication:
    """A WSGI application that answers with the body, when the test lets it."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.may_answer = threading.Event()

    def __call__(self, environ, start_response):
        self.entered.release()
        assert self.may_answer.wait(WAIT_SECONDS)
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def application():
    held = HeldApplication()
    yield held
    held.may_answer.set()


class Call:
    """One HTTP call: what the server's side receives, and what it sent."""

    def __init__(self, *messages):
        self.messages = asyncio.Queue()
        self.sent = []
        for message in messages:
            self.messages.put_nowait(message)

    async def receive(self):
        return await self.messages.get()

    async def send(self, message):
        self.sent.append(message)

    def start(self, door):
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/api/v1/agent/records",
            "query_string": b"",
            "headers": [],
            "client": ("192.0.2.1", 1),
            "server": ("192.0.2.2", 80),
        }
        return asyncio.create_task(door(scope, self.receive, self.send))

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def piece(body, *, more_body=False):
    return {"type": "http.request", "body": body, "more_body": more_body}


def make_door(application, threads=1):
    return BufferedDoor(application, threads=threads, limit_bytes=LIMIT_BYTES)


async def wait_until_entered(application):
    assert await asyncio.to_thread(application.entered.acquire, timeout=WAIT_SECONDS)


async def test_a_body_in_pieces_is_answered_whole(application):
    application.may_answer.set()
    call = Call(piece(b"one ", more_body=True), piece(b"two"))
    await call.start(make_door(application))
    assert (call.status, call.body) == (200, b"one two")


async def test_a_body_past_the_limit_is_cut_one_byte_behind_it(application):
    application.may_answer.set()
    call = Call(*[piece(b"x" * 60, more_body=True) for _ in range(10)])
    await call.start(make_door(application))
    assert len(call.body) == LIMIT_BYTES + 1


@pytest.mark.parametrize("threads", [1, 2])
async def test_calls_beyond_a_few_for_each_thread_are_told_to_come_back(application, threads):
    door = make_door(application, threads)
    taken = [Call(piece(b"in")) for _ in range(threads * CALLS_PER_THREAD)]
    tasks = [call.start(door) for call in taken]
    for _ in range(threads):
        await wait_until_entered(application)
    beyond = Call(piece(b"out"))
    async with asyncio.timeout(REFUSAL_SECONDS):
        await beyond.start(door)
    assert (beyond.status, int(beyond.headers[b"retry-after"]) > 0) == (503, True)
    assert json.loads(beyond.body)["code"] == "overloaded"
    assert not beyond.messages.empty(), "its body must not be read"
    application.may_answer.set()
    await asyncio.gather(*tasks)
    assert {(call.status, call.body) for call in taken} == {(200, b"in")}


async def test_there_is_room_again_when_calls_have_ended(application):
    door = make_door(application)
    application.may_answer.set()
    for _ in range(3 * CALLS_PER_THREAD):
        call = Call(piece(b"in"))
        await call.start(door)
        assert call.status == 200


async def test_a_body_that_does_not_come_is_given_up(application, monkeypatch):
    monkeypatch.setattr(door_module, "BODY_SECONDS", 0)
    door = make_door(application)
    for _ in range(2 * CALLS_PER_THREAD):
        silent = Call(piece(b"half", more_body=True))
        await silent.start(door)
        assert (silent.status, json.loads(silent.body)["code"]) == (408, "too_slow")
    assert not application.entered.acquire(blocking=False), "half a body is not handed on"


async def test_calls_whose_bodies_do_not_come_count_as_calls(application):
    door = make_door(application)
    silent = [Call() for _ in range(CALLS_PER_THREAD)]
    tasks = [call.start(door) for call in silent]
    await asyncio.sleep(0)
    beyond = Call(piece(b"out"))
    async with asyncio.timeout(REFUSAL_SECONDS):
        await beyond.start(door)
    assert beyond.status == 503
    application.may_answer.set()
    for call in silent:
        call.messages.put_nowait(piece(b"late"))
    await asyncio.gather(*tasks)
    assert {call.body for call in silent} == {b"late"}


async def test_a_fault_of_the_application_is_not_called_a_slow_body():
    def give_up(environ, start_response):
        raise TimeoutError("of its own")

    door = make_door(give_up)
    for _ in range(2 * CALLS_PER_THREAD):
        call = Call(piece(b"in"))
        with pytest.raises(TimeoutError, match="of its own"):
            await call.start(door)
        assert call.sent == []
