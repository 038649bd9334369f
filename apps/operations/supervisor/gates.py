"""Health gates: one cheap question each, answered within a second, never raising."""

import asyncio
from pathlib import Path

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
