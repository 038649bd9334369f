"""How hard the agent knocks at a server that takes its socket and does not keep it."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from agent.tests.answering_server import KEY
from streamswarm_agent.transport import nudges
from streamswarm_agent.transport.connection import make_tls_context
from streamswarm_agent.transport.nudges import listen_for_nudges

KEY_REFUSED = 4401
GOING_AWAY = 1001


@asynccontextmanager
async def listen_to(answer):
    """The waits of an agent that listens to a server whose sockets `answer` has in its hands."""
    delays = asyncio.Queue()

    async def sleep(seconds):
        delays.put_nowait(seconds)
        await asyncio.sleep(0)

    async with serve(answer, "127.0.0.1", 0) as sockets:
        url = f"http://127.0.0.1:{sockets.sockets[0].getsockname()[1]}"
        listening = asyncio.create_task(
            listen_for_nudges(
                url,
                KEY,
                tls=make_tls_context(url, None),
                on_nudge=lambda _word: None,
                sleep=sleep,
            )
        )
        yield delays
        listening.cancel()


async def speak_and_close(connection):
    await connection.send('{"nudge": "leases"}')


async def refuse_key(connection):
    await connection.send('{"error": "key_revoked"}')
    await connection.close(KEY_REFUSED)


async def test_a_socket_that_is_closed_for_the_key_is_left_alone_for_a_minute():
    async with listen_to(refuse_key) as delays:
        assert [await delays.get() for _ in range(4)] == [60] * 4


async def test_the_waits_grow_for_a_server_that_takes_speaks_and_closes():
    async with listen_to(speak_and_close) as delays:
        waits = [await delays.get() for _ in range(5)]
    assert 8 <= waits[4] <= 24


@pytest.mark.parametrize("code", [1000, GOING_AWAY, 1011])
async def test_the_waits_grow_whatever_the_reason_of_the_close(code):
    async with listen_to(lambda connection: connection.close(code)) as delays:
        waits = [await delays.get() for _ in range(5)]
    assert 8 <= waits[4] <= 24


async def test_after_a_socket_that_lasted_the_waits_begin_anew(monkeypatch):
    monkeypatch.setattr(nudges, "_PROVEN_SECONDS", 0.0)
    async with listen_to(speak_and_close) as delays:
        waits = [await delays.get() for _ in range(8)]
    assert max(waits) <= 1.5


def test_a_socket_is_proven_by_a_minute():
    assert nudges._PROVEN_SECONDS == 60
