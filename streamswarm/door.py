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


class BufferedDoor:
    """An ASGI application over a WSGI one, for bodies of at most `limit_bytes`.

    A longer body is cut one byte past the limit, which the application refuses by its length.
    """

    def __init__(self, application: WsgiApplication, *, threads: int, limit_bytes: int) -> None:
        self._application = application
        self._limit_bytes = limit_bytes
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="agent-door")

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = await self._read_body(receive)
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
