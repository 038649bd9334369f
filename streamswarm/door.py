"""HTTP calls on their way to threads: bounded in number, so that what waits stays flat in memory.

An agent's body is read in the event loop, then one thread answers it. a2wsgi streams: it crosses
between loop and thread for every piece. Agents' bodies are small and bounded, so crossing once each
way halves what a request costs.
"""

import asyncio
import io
import random
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog
from a2wsgi.wsgi import build_environ

from streamswarm.shares import Shares

logger = structlog.get_logger(__name__)

CALLS_PER_THREAD = 4
# One key has room for far more than an agent ever sends, and leaves most of it to the others.
SHARE_OF_ONE_KEY = 8
BODY_SECONDS = 30
# Shorter than the patience of an agent, which is 30 s.
ANSWER_SECONDS = 20
# Spread, so that those who are sent away together do not come back together.
LEAST_RETRY_SECONDS = 2
MOST_RETRY_SECONDS = 8
JSON_TYPE = b"application/json"
OVERLOADED = b'{"code": "overloaded", "detail": "Too many calls at once.", "data": {}}'
TOO_MANY = b'{"code": "too_many_calls", "detail": "This key calls too often.", "data": {}}'
STUCK = b'{"code": "stuck", "detail": "The server could not answer within 20 s.", "data": {}}'
# A key has 52 characters; what pretends to be one is not kept whole for every caller.
LONGEST_NAME_BYTES = 100
TOO_SLOW = b'{"code": "too_slow", "detail": "The body did not arrive within 30 s.", "data": {}}'

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(slots=True)
class Answer:
    """What a WSGI application answered, whole."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def start(self, status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]


async def send_refusal(
    send: Send, status: int, body: bytes, *, content_type: bytes = JSON_TYPE
) -> None:
    seconds = random.randint(LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS)  # noqa: S311 - no secret
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(seconds).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def read_key(scope: Message) -> bytes:
    """By what a caller is told from others: its key, else its address."""
    for name, value in scope.get("headers", ()):
        if name == b"authorization":
            return bytes(value[:LONGEST_NAME_BYTES])
    host, _port = scope.get("client") or ("", 0)
    return str(host).encode()


class BufferedDoor:
    """An ASGI application over a WSGI one, for bodies of at most `limit_bytes`.

    A longer body is cut one byte past the limit, which the application refuses by its length.
    Calls beyond a few for each thread are told to come back before their bodies are read, so that
    memory stays flat however many agents call at once. So are those of a key beyond its share, and
    a call whose thread waits too long, for a database that hangs: its place stays taken until its
    thread is free.
    """

    def __init__(self, application: WsgiApplication, *, threads: int, limit_bytes: int) -> None:
        self._application = application
        self._limit_bytes = limit_bytes
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="agent-door")
        self._most_calls = threads * CALLS_PER_THREAD
        self._calls = 0
        self._shares = Shares(most_open_calls=max(1, self._most_calls // SHARE_OF_ONE_KEY))

    async def __call__(
        self,
        scope: Message,
        receive: Receive,
        send: Send,
    ) -> None:
        if self._calls >= self._most_calls:
            await send_refusal(send, 503, OVERLOADED)
            return
        key = read_key(scope)
        if not self._shares.take(key):
            await send_refusal(send, 429, TOO_MANY)
            return
        self._calls += 1
        try:
            await self._pass_on(scope, receive, send)
        finally:
            self._calls -= 1
            self._shares.give_back(key)

    async def _pass_on(
        self,
        scope: Message,
        receive: Receive,
        send: Send,
    ) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read_body(receive)
        except TimeoutError:
            await send_refusal(send, 408, TOO_SLOW)
            return
        environ: dict[str, Any] = dict(build_environ(scope, io.BytesIO(body)))  # type: ignore[arg-type]  # a2wsgi types its own stream
        loop = asyncio.get_running_loop()
        answering = loop.run_in_executor(self._pool, self._answer, environ)
        done, _ = await asyncio.wait({answering}, timeout=ANSWER_SECONDS)
        if not done:
            self._calls += 1
            answering.add_done_callback(self._free_place)
            await send_refusal(send, 503, STUCK)
            return
        answer = answering.result()
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        await send({"type": "http.response.body", "body": answer.body})

    def _free_place(self, answering: asyncio.Future[Answer]) -> None:
        self._calls -= 1
        if not answering.cancelled() and (error := answering.exception()) is not None:
            logger.error("late_answer_failed", exc_info=error)

    async def _read_body(self, receive: Receive) -> bytes:
        pieces: list[bytes] = []
        length = 0
        while length <= self._limit_bytes:
            message = await receive()
            pieces.append(message.get("body", b""))
            length += len(pieces[-1])
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
        return b"".join(pieces)[: self._limit_bytes + 1]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        answer = Answer()
        parts = self._application(environ, answer.start)
        try:
            answer.body = b"".join(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        return answer
