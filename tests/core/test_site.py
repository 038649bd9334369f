"""The site's bounds: on calls at a time, on slow callers, and on waiting for a silent database."""

import asyncio
import json
import threading

import pytest
from django.db import connection

from streamswarm import silence as silence_module
from streamswarm import site as site_module
from streamswarm.silence import Silence, ask_database
from streamswarm.site import CALLS_PER_THREAD, BoundedSite
from tests.core.asgi_calls import AnsweredCall
from tests.servers.waiting import POLL_SECONDS, wait_until

WAIT_SECONDS = 30


class HeldSite:
    """An ASGI application that answers when the test lets it."""

    def __init__(self):
        self.may_answer = asyncio.Event()
        self.calls = 0

    async def __call__(self, scope, receive, send):
        self.calls += 1
        await self.may_answer.wait()
        await answer(scope, receive, send)


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"an answer"})


class Call(AnsweredCall):
    """One HTTP call: what the server's side receives, and what it sent."""

    def __init__(self, path="/clients/"):
        super().__init__()
        self.path = path

    async def receive(self):
        await asyncio.Event().wait()

    def start(self, site):
        scope = {"type": "http", "method": "GET", "path": self.path}
        return asyncio.create_task(site(scope, self.receive, self.send))


class Database:
    """Answers questions while it is not held; `asked` counts them."""

    def __init__(self):
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = 0

    def ask(self):
        self.asked += 1
        assert self.may_answer.wait(WAIT_SECONDS)


@pytest.fixture
def database():
    database = Database()
    yield database
    database.may_answer.set()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(site_module, "PATIENCE_SECONDS", 0.02)


@pytest.fixture
def silent(database, impatient, monkeypatch):
    """A database that answers no question until the test lets it."""
    database.may_answer.clear()
    monkeypatch.setattr(silence_module, "SILENT_SECONDS", 0.02)
    return database


def build(application, database, threads=1):
    silence = Silence(database.ask)
    return BoundedSite(application, status=answer, threads=threads, silence=silence)


async def finish(task):
    async with asyncio.timeout(WAIT_SECONDS):
        await task


@pytest.mark.parametrize(
    ("path", "beginning"), [("/api/v1/clients/", b"{"), ("/clients/", b"\n\n<!DOCTYPE html>")]
)
async def test_what_would_wait_without_end_is_sent_away(database, path, beginning):
    held = HeldSite()
    site = build(held, database)
    taken = [Call(path) for _ in range(CALLS_PER_THREAD)]
    tasks = [call.start(site) for call in taken]
    await asyncio.sleep(0)
    beyond = Call(path)
    await finish(beyond.start(site))
    assert (beyond.status, int(beyond.headers[b"retry-after"]) > 0) == (503, True)
    assert beyond.body.lstrip().startswith(beginning.lstrip())
    health = Call("/healthz")
    await finish(health.start(site))
    assert health.status == 200
    held.may_answer.set()
    await asyncio.gather(*tasks)
    assert {call.status for call in taken} == {200}
    again = Call(path)
    await finish(again.start(site))
    assert again.status == 200


async def test_who_keeps_the_site_waiting_for_a_body_counts_as_gone(database, monkeypatch):
    monkeypatch.setattr(site_module, "BODY_SECONDS", 0)
    received = []

    async def read(scope, receive, send):
        received.append(await receive())
        await answer(scope, receive, send)

    await finish(Call().start(build(read, database)))
    assert received == [{"type": "http.disconnect"}]


class Leaver(Call):
    """A caller who leaves when the test says so."""

    def __init__(self):
        super().__init__("/api/v1/exports/runs.csv")
        self.leaves = asyncio.Event()
        self.messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive(self):
        if self.messages:
            return self.messages.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}


class LongAnswer:
    """An application that sends until its caller is gone."""

    def __init__(self, piece=b"x"):
        self.began = asyncio.Event()
        self.has_noticed = False
        self.piece = piece

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        self.began.set()
        async with asyncio.timeout(WAIT_SECONDS):
            while not scope[site_module.CALLER].is_gone:
                await send({"type": "http.response.body", "body": self.piece, "more_body": True})
                await asyncio.sleep(0)
        self.has_noticed = True


async def test_a_long_answer_is_told_that_its_caller_left(database, monkeypatch):
    monkeypatch.setattr(site_module, "LONG_ANSWER_SECONDS", 0)
    long_answer, caller = LongAnswer(), Leaver()
    task = caller.start(build(long_answer, database))
    await long_answer.began.wait()
    caller.leaves.set()
    await finish(task)
    assert long_answer.has_noticed


async def test_a_caller_who_takes_nothing_of_an_answer_counts_as_gone(database, monkeypatch):
    monkeypatch.setattr(site_module.BoundedSite, "stalled_seconds", 0.02)

    class Stalled(Call):
        async def send(self, message):
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

    long_answer = LongAnswer()
    await finish(Stalled().start(build(long_answer, database)))
    assert long_answer.has_noticed


async def test_a_slow_answer_is_waited_for_while_the_database_answers(database, impatient):
    held = HeldSite()
    site = build(held, database)
    call = Call()
    task = call.start(site)
    await asyncio.to_thread(wait_until, lambda: database.asked >= 3, seconds=WAIT_SECONDS)
    assert call.sent == []
    held.may_answer.set()
    await finish(task)
    assert (call.status, call.body) == (200, b"an answer")


@pytest.mark.parametrize(
    ("path", "words"),
    [("/api/v1/clients/", b'"database_silent"'), ("/", b"Agents go on measuring")],
)
async def test_while_the_database_is_silent_nobody_waits_for_it(silent, path, words):
    held = HeldSite()
    site = build(held, silent)
    first = Call(path)
    await finish(first.start(site))
    at_once = Call(path)
    await finish(at_once.start(site))
    for call in (first, at_once):
        assert call.status == 503
        assert int(call.headers[b"retry-after"]) > 0
        assert words in call.body
    assert held.calls == 1, "who comes later takes no thread"
    health = Call("/healthz")
    await finish(health.start(site))
    assert health.status == 200


async def test_what_the_thread_still_says_afterwards_is_nobodys(silent):
    held = HeldSite()
    site = build(held, silent)
    call = Call()
    await finish(call.start(site))
    sent = list(call.sent)
    held.may_answer.set()
    silent.may_answer.set()
    await wait_until_answered(site)
    assert call.sent == sent


async def test_it_is_noticed_by_itself_that_the_database_answers_again(silent):
    held = HeldSite()
    site = build(held, silent)
    await finish(Call().start(site))
    held.may_answer.set()
    silent.may_answer.set()
    await wait_until_answered(site)


async def wait_until_answered(site):
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            call = Call()
            await call.start(site)
            if call.status == 200:
                return
            await asyncio.to_thread(threading.Event().wait, POLL_SECONDS)


async def test_readiness_says_why_within_seconds(silent):
    not_ready = Call("/readyz")
    await finish(not_ready.start(build(answer, silent)))
    assert not_ready.status == 503
    document = {"status": "not ready", "checks": {"database": "silent"}}
    assert json.loads(not_ready.body) == document


async def test_readiness_is_otherwise_what_the_site_says_of_itself(database):
    ready = Call("/readyz")
    await finish(ready.start(build(HeldSite(), database)))
    assert (ready.status, ready.body) == (200, b"an answer")


async def test_an_answer_that_never_begins_is_given_up_though_the_database_answers(
    database, impatient, monkeypatch
):
    monkeypatch.setattr(site_module, "ANSWER_SECONDS", 0.05)
    call = Call("/api/v1/clients/")
    await finish(call.start(build(HeldSite(), database)))
    assert (call.status, json.loads(call.body)["code"]) == (503, "stuck")


async def test_a_fault_of_the_application_is_its_own(database, impatient):
    async def fail(scope, receive, send):
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        await finish(Call().start(build(fail, database)))


# In a transaction of the test the session would not be in the state that the site keeps it in.
@pytest.mark.django_db(transaction=True)
def test_a_database_that_answers_is_asked_and_its_session_kept():
    ask_database()
    assert connection.is_usable()
