"""The agents' HTTP calls: the body is read in the event loop, then one thread answers it.

a2wsgi streams: it crosses between loop and thread for every piece. Agents' bodies are small and
bounded, so crossing once each way halves what a request costs.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from a2wsgi.wsgi import build_environ

CALLS_PER_THREAD = 4
BODY_SECONDS = 30
RETRY_AFTER_SECONDS = 2
OVERLOADED = b'{"code": "overloaded", "detail": "Too many calls at once.", "data": {}}'
TOO_SLOW = b'{"code": "too_slow", "detail": "The body did not arrive within 30 s.", "data": {}}'

Message = MutableMapping[str, Any]
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
    send: Callable[[Message], Awaitable[None]], status: int, body: bytes
) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"retry-after", str(RETRY_AFTER_SECONDS).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class BufferedDoor:
    """An ASGI application over a WSGI one, for bodies of at most `limit_bytes`.

    A longer body is cut one byte past the limit, which the application refuses by its length.
    Calls beyond a few for each thread are told to come back before their bodies are read, so that
    memory stays flat however many agents call at once.
    """

    def __init__(self, application: WsgiApplication, *, threads: int, limit_bytes: int) -> None:
        self._application = application
        self._limit_bytes = limit_bytes
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="agent-door")
        self._most_calls = threads * CALLS_PER_THREAD
        self._calls = 0

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if self._calls >= self._most_calls:
            await send_refusal(send, 503, OVERLOADED)
            return
        self._calls += 1
        try:
            await self._pass_on(scope, receive, send)
        finally:
            self._calls -= 1

    async def _pass_on(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read_body(receive)
        except TimeoutError:
            await send_refusal(send, 408, TOO_SLOW)
            return
        environ: dict[str, Any] = dict(build_environ(scope, io.BytesIO(body)))  # type: ignore[arg-type]  # a2wsgi types its own stream
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._pool, self._answer, environ)
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _read_body(self, receive: Callable[[], Awaitable[Message]]) -> bytes:
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
