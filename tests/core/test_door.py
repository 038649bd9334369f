"""The door of the agents' calls: how many it takes at once, and how long it waits for a body."""

import asyncio
import itertools
import json
import threading

import pytest

from streamswarm import door as door_module
from streamswarm.door import (
    CALLS_PER_THREAD,
    LEAST_RETRY_SECONDS,
    LONGEST_NAME_BYTES,
    MOST_RETRY_SECONDS,
    SHARE_OF_ONE_KEY,
    BufferedDoor,
    read_key,
)
from tests.core.asgi_calls import AnsweredCall

LIMIT_BYTES = 100
WAIT_SECONDS = 30
REFUSAL_SECONDS = 5
_keys = itertools.count()


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


class Call(AnsweredCall):
    """One HTTP call: what the server's side receives, and what it sent; a key of its own."""

    def __init__(self, *messages, key=None, path="/api/v1/agent/records"):
        super().__init__()
        self.key = key or f"Agent {next(_keys)}"
        self.path = path
        self.messages = asyncio.Queue()
        for message in messages:
            self.messages.put_nowait(message)

    async def receive(self):
        return await self.messages.get()

    def start(self, door):
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": self.path,
            "query_string": b"",
            "headers": [(b"authorization", self.key.encode())],
            "client": ("192.0.2.1", 1),
            "server": ("192.0.2.2", 80),
        }
        return asyncio.create_task(door(scope, self.receive, self.send))


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


async def test_one_key_never_takes_the_places_of_the_others(application):
    threads = 2 * SHARE_OF_ONE_KEY // CALLS_PER_THREAD
    door = make_door(application, threads)
    greedy = [Call(piece(b"in"), key="Agent greedy") for _ in range(2)]
    tasks = [call.start(door) for call in greedy]
    await asyncio.sleep(0)
    beyond = Call(piece(b"out"), key="Agent greedy")
    async with asyncio.timeout(REFUSAL_SECONDS):
        await beyond.start(door)
    assert (beyond.status, json.loads(beyond.body)["code"]) == (429, "too_many_calls")
    assert not beyond.messages.empty(), "its body must not be read"
    modest = Call(piece(b"in"))
    tasks.append(modest.start(door))
    application.may_answer.set()
    await asyncio.gather(*tasks)
    assert {call.status for call in (*greedy, modest)} == {200}
    again = Call(piece(b"in"), key="Agent greedy")
    await again.start(door)
    assert again.status == 200


async def test_those_who_are_sent_away_together_come_back_apart(application):
    door = make_door(application)
    taken = [Call() for _ in range(CALLS_PER_THREAD)]
    tasks = [call.start(door) for call in taken]
    await asyncio.sleep(0)
    sent_away = [Call() for _ in range(100)]
    await asyncio.gather(*[call.start(door) for call in sent_away])
    waits = {int(call.headers[b"retry-after"]) for call in sent_away}
    assert waits <= set(range(LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS + 1))
    assert len(waits) > 1
    application.may_answer.set()
    for call in taken:
        call.messages.put_nowait(piece(b"late"))
    await asyncio.gather(*tasks)


async def test_a_call_that_hangs_is_told_to_come_back_and_keeps_its_place(application, monkeypatch):
    monkeypatch.setattr(door_module, "ANSWER_SECONDS", 0.01)
    door = make_door(application)
    calls = [Call(piece(b"hello"), key=f"Agent {n}") for n in range(CALLS_PER_THREAD)]
    await asyncio.gather(*(call.start(door) for call in calls))
    assert [call.status for call in calls] == [503] * CALLS_PER_THREAD
    assert {json.loads(call.body)["code"] for call in calls} == {"stuck"}
    assert int(calls[0].headers[b"retry-after"]) > 0
    late = Call(piece(b"hello"))
    await late.start(door)
    assert json.loads(late.body)["code"] == "overloaded"

    application.may_answer.set()
    monkeypatch.setattr(door_module, "ANSWER_SECONDS", WAIT_SECONDS)
    for _ in range(CALLS_PER_THREAD):
        await wait_until_entered(application)
    again = Call(piece(b"hello"))
    async with asyncio.timeout(WAIT_SECONDS):
        while not again.sent or again.status != 200:
            again = Call(piece(b"hello"))
            await again.start(door)
    assert again.body == b"hello"


def test_callers_with_headers_of_a_megabyte_take_no_more_room_than_others():
    headers = [(b"host", b"swarm"), (b"authorization", b"Agent " + b"k" * 1_000_000)]
    assert len(read_key({"headers": headers})) == LONGEST_NAME_BYTES
    key = b"Agent 12345678.abc"
    assert read_key({"headers": [(b"authorization", key)]}) == key
