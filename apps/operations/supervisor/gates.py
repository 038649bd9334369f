"""Health gates: one cheap question each, answered within a second, never raising."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from apps.operations.supervisor.child import Gate

ANSWER_TIMEOUT_SECONDS = 5.0
HTTP_OK = b"200"


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> bytes:
    """The first line of the answer to `question`."""
    try:
        writer.write(question)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()


def answers_redis_ping(socket_path: Path) -> Gate:
    async def is_ready() -> bool:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_unix_connection(socket_path)
                return await ask(reader, writer, b"PING\r\n") == b"+PONG\r\n"
        except (OSError, TimeoutError):
            return False

    return is_ready


def answers_http(host: str, port: int, path: str) -> Gate:
    """A gate that opens when `path` answers 200."""
    name = f"[{host}]" if ":" in host else host
    request = f"GET {path} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode()

    async def is_ready() -> bool:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
                status_line = await ask(reader, writer, request)
        except (OSError, TimeoutError):
            return False
        return status_line.split()[1:2] == [HTTP_OK]

    return is_ready


def answers_redis(url: str) -> Gate:
    """A gate that is open while the Redis at `url` answers, be it that it wants a password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return answers_redis_ping(Path(parts.path))

    async def is_ready() -> bool:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(
                    parts.hostname or "127.0.0.1", parts.port or 6379, ssl=parts.scheme == "rediss"
                )
                return bool(await ask(reader, writer, b"PING\r\n"))
        except (OSError, TimeoutError):
            return False

    return is_ready


def leaves_marks(path: Path, *, needs: Gate) -> Gate:
    """A gate that is open when the mark was left anew since it was last asked.

    While what the program `needs` does not answer, it is open as well: then nothing can be told.
    Marks are told apart, not aged, so that a clock that jumps makes nobody look dead.
    """
    seen = read_mark(path)

    async def is_alive() -> bool:
        nonlocal seen
        previous, seen = seen, read_mark(path)
        return seen != previous or not await needs()

    return is_alive


def read_mark(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
