"""The WebSocket of our servers: whoever takes nothing for a while is cut off."""

import asyncio

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from streamswarm.sockets import WAITING_BYTES, BoundedSocket

WAIT_SECONDS = 10
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Line(asyncio.Transport):
    """A transport that keeps what is written, and is told by the test when it is full."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.highest_bytes = 0
        self.is_aborted = False

    def set_write_buffer_limits(self, high=None, low=None):
        self.highest_bytes = high

    def write(self, data):
        self.written.append(data)

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def is_closing(self):
        return self.is_aborted

    def close(self):
        pass

    def abort(self):
        self.is_aborted = True


async def flood(_scope, receive, send):
    """Accepts, and goes on sending as far as it is let."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "text": "x" * 100})
        await asyncio.sleep(0)


@pytest.fixture
async def line():
    return Line()


@pytest.fixture
async def server_side(line):
    config = Config(flood, log_config=None)
    config.load()
    protocol = BoundedSocket(config, ServerState(), {})
    protocol.connection_made(line)
    protocol.data_received(HANDSHAKE.encode())
    await until(lambda: len(line.written) > 3)
    yield protocol
    protocol.connection_lost(None)
    for task in list(protocol.tasks):
        task.cancel()


async def until(condition):
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - the transport sets no event
            await asyncio.sleep(0.01)


async def test_what_waits_for_a_reader_is_bounded(server_side, line):
    assert line.highest_bytes == WAITING_BYTES
    server_side.pause_writing()
    await asyncio.sleep(0)
    sent = len(line.written)
    for _turn in range(50):
        await asyncio.sleep(0)
    assert len(line.written) == sent
    server_side.resume_writing()
    await until(lambda: len(line.written) > sent)


async def test_who_takes_nothing_for_too_long_is_cut_off(server_side, line):
    server_side.stalled_seconds = 0.05
    server_side.pause_writing()
    await until(lambda: line.is_aborted)


async def test_who_reads_on_in_time_is_not_cut_off(server_side, line):
    server_side.stalled_seconds = 0.05
    server_side.pause_writing()
    server_side.resume_writing()
    assert server_side.stall_timer is None
    sent = len(line.written)
    await until(lambda: len(line.written) > sent)
    assert not line.is_aborted


async def test_who_does_not_answer_a_ping_is_cut_off(server_side, line):
    server_side.keepalive_timeout()
    assert line.is_aborted


async def test_who_does_not_answer_the_closing_handshake_is_cut_off(server_side, line):
    server_side.close_timeout = 0.05
    await server_side.send({"type": "websocket.close", "code": 4401})
    await until(lambda: line.is_aborted)
