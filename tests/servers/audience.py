"""Many browsers' sockets in a process of their own, some of which stop reading for a while.

It speaks just as much of RFC 6455 as such a socket needs, so that a thousand cost little beside the
server they look at.
"""

import asyncio
import base64
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.servers.stack import Stack
from tests.servers.waiting import wait_until

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
MEDIUM_LENGTH, LONG_LENGTH = 126, 127
FINAL, MASKED = 0x80, 0x80
MASK = bytes(4)
SMALL_BUFFER_BYTES = 4096
OPENED_AT_ONCE = 50
OPENING_SECONDS = 120
SIGNAL_SECONDS = 0.1
SEATED, WAKING, LEAVING = "seated", "waking", "leaving"
MAKE_SESSIONS = """
import django; django.setup()
from uuid import uuid4
from django.conf import settings
from apps.accounts.models import User
from tests.factories.accounts import grant, make_session
for _number in range({users}):
    user = User(username=f"viewer-{{uuid4()}}")
    user.set_unusable_password()
    user.save()
    grant(user, "viewer")
    print(f"{{settings.SESSION_COOKIE_NAME}}={{make_session(user).session_key}}")
"""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one page looks: a web server's port, the cookie of its session, its topics.

    One that dozes stops reading after its first batch; if it is a waking one, until it is woken.
    """

    port: int
    cookie: str
    topics: tuple[str, ...]
    is_dozing: bool = False
    is_waking: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What came at once: its number, the topics hinted at, and when its frames were measured."""

    arrived_at: float
    seq: int
    hints: tuple[str, ...]
    measured_at: tuple[float, ...]


@dataclass(slots=True)
class Sighting:
    """All that one page got, and how the server ended it; code 1006 for a line that broke."""

    is_dozing: bool
    batches: list[Batch] = field(default_factory=list)
    close_code: int | None = None
    closed_at: float | None = None


class Page(asyncio.Protocol):
    """One browser's socket."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.sighting = Sighting(seat.is_dozing)
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = b""
        self._is_upgraded = False
        self._has_left = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        address = f"127.0.0.1:{self.seat.port}"
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            "GET /ws/live/ HTTP/1.1",
            f"Host: {address}",
            f"Origin: http://{address}",
            f"Cookie: {self.seat.cookie}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        )
        transport.write("\r\n".join((*lines, "", "")).encode())

    def connection_lost(self, _error: Exception | None) -> None:
        self._end(1006)
        self._settle(ConnectionError("the socket was not opened"))

    def data_received(self, received: bytes) -> None:
        self._received += received
        if not self._is_upgraded:
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self._settle(ConnectionError(head.decode("latin-1")))
                return
            self._is_upgraded, self._received = True, rest
            self._write(TEXT, json.dumps({"subscribe": self.seat.topics}).encode())
            self._settle(None)
        for code, payload in self._take_frames():
            self._handle(code, payload)

    def wake(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def leave(self) -> None:
        self._has_left = True
        self._transport.abort()

    def _handle(self, code: int, payload: bytes) -> None:
        if code == TEXT:
            self._note(json.loads(payload))
        elif code == PING:
            self._write(PONG, payload)
        elif code == CLOSE:
            self._end(int.from_bytes(payload[:2], "big"))
            self._transport.close()

    def _end(self, code: int) -> None:
        if self.sighting.close_code is None and not self._has_left:
            self.sighting.close_code, self.sighting.closed_at = code, time.time()

    def _note(self, batch: dict[str, object]) -> None:
        frames = batch.get("frames", [])
        hints = batch.get("hints", [])
        assert isinstance(frames, list)
        assert isinstance(hints, list)
        measured_at = tuple(frame["at"] for frame in frames)
        seq = int(str(batch["seq"]))
        self.sighting.batches.append(Batch(time.time(), seq, tuple(hints), measured_at))
        if self.seat.is_dozing and len(self.sighting.batches) == 1:
            self._transport.pause_reading()

    def _take_frames(self) -> Iterator[tuple[int, bytes]]:
        """The whole frames so far; a server masks nothing and never splits what is short."""
        while len(self._received) >= 2:
            code, length, start = self._received[0] & 0x0F, self._received[1], 2
            if length == MEDIUM_LENGTH:
                length, start = int.from_bytes(self._received[2:4], "big"), 4
            elif length == LONG_LENGTH:
                length, start = int.from_bytes(self._received[2:10], "big"), 10
            if len(self._received) < start + length:
                return
            payload = self._received[start : start + length]
            self._received = self._received[start + length :]
            yield code, payload

    def _write(self, code: int, payload: bytes) -> None:
        # Masked as the protocol wants, with a mask that changes nothing; all of it is short.
        assert len(payload) < MEDIUM_LENGTH or code == TEXT
        length = len(payload)
        size = (
            bytes([MASKED | length])
            if length < MEDIUM_LENGTH
            else bytes([MASKED | MEDIUM_LENGTH]) + length.to_bytes(2, "big")
        )
        self._transport.write(bytes([FINAL | code]) + size + MASK + payload)

    def _settle(self, error: Exception | None) -> None:
        if self.opened.done():
            return
        if error is None:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(error)


async def open_page(seat: Seat) -> Page:
    line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    line.setblocking(False)
    if seat.is_dozing:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(line, ("127.0.0.1", seat.port))
    _transport, page = await loop.create_connection(lambda: Page(seat), sock=line)
    await page.opened
    return page


def give(signal: Path) -> None:
    signal.touch()


def is_given(signal: Path) -> bool:
    return signal.exists()


async def pass_when(signal: Path) -> None:
    while not is_given(signal):  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(SIGNAL_SECONDS)


async def watch_all(seats: Sequence[Seat], folder: Path) -> list[Sighting]:
    pages: list[Page] = []
    for start in range(0, len(seats), OPENED_AT_ONCE):
        some = seats[start : start + OPENED_AT_ONCE]
        pages += await asyncio.gather(*(open_page(seat) for seat in some))
    give(folder / SEATED)
    await pass_when(folder / WAKING)
    for page in pages:
        if page.seat.is_waking:
            page.wake()
    await pass_when(folder / LEAVING)
    for page in pages:
        page.leave()
    return [page.sighting for page in pages]


def watch(seats: Sequence[Seat], folder: Path) -> list[Sighting]:
    return asyncio.run(watch_all(seats, folder))


@dataclass(frozen=True, slots=True)
class Audience:
    """The pages while they are open; signals go through files, which any process can see."""

    folder: Path
    coming: "Future[list[Sighting]]"

    def wait_seated(self) -> None:
        """Returns when all pages are open.

        Raises: ConnectionError when one could not be opened.
        """
        wait_until(
            lambda: (self.folder / SEATED).exists() or self.coming.done(),
            seconds=OPENING_SECONDS,
            what="the opening of all pages",
        )
        if self.coming.done():
            self.coming.result()

    def wake(self) -> None:
        give(self.folder / WAKING)

    def leave(self) -> list[Sighting]:
        """What each page saw."""
        self.wake()
        give(self.folder / LEAVING)
        return self.coming.result()


@contextmanager
def seat_audience(seats: Sequence[Seat]) -> Iterator[Audience]:
    """An audience in a process of its own, with all pages open."""
    with (
        tempfile.TemporaryDirectory() as name,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        audience = Audience(Path(name), pool.submit(watch, seats, Path(name)))
        try:
            audience.wait_seated()
            yield audience
        finally:
            audience.wake()
            give(audience.folder / LEAVING)


def make_cookies(stack: Stack, users: int) -> list[str]:
    """The Cookie header of a new session for each of so many new viewers of everything."""
    return stack.run_python("-c", MAKE_SESSIONS.format(users=users)).split()[-users:]
