"""Parallel HTTP transfers that fill a path, counted as they go."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

import httpx

from streamswarm_agent.probes.base import Clock
from streamswarm_agent.probes.http_exchange import HEADERS, open_transport
from streamswarm_agent.probes.measures import failure_text
from streamswarm_agent.probes.targets import WebAddress

Direction = Literal["download", "upload"]
PIECE_BYTES = 1 << 16
RETRY_SECONDS = 0.2
PAUSE_SECONDS = 0.01
BITS = 8


@dataclass(frozen=True, slots=True)
class Transfer:
    """What to move, where, and how fast at most; `address` is the one that policy allowed."""

    url: WebAddress
    address: str
    direction: Direction
    stream_count: int
    max_bits_per_second: float
    tls: ssl.SSLContext


@dataclass(slots=True)
class Tally:
    """Bytes moved so far, in all and by second since the start; errors of requests by text."""

    started_at: float
    byte_count: int = 0
    seconds: list[int] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, byte_count: int, now: float) -> None:
        """Count bytes that were moved by the moment `now`."""
        place = int(now - self.started_at)
        self.seconds += [0] * (place + 1 - len(self.seconds))
        self.seconds[place] += byte_count
        self.byte_count += byte_count


class Streams:
    """Moves bytes by several requests at once, each over a connection of its own.

    A request that ends is followed by another on the same connection; one that fails, by another
    after a short pause. Bodies are not decoded: what counts is what crossed the network.
    """

    def __init__(self, clock: Clock, transfer: Transfer) -> None:
        self._clock = clock
        self._transfer = transfer
        self.tally = Tally(clock.monotonic())

    async def run(self, seconds: float) -> None:
        """Move bytes for that long; what is under way then is given up."""
        self.tally = Tally(self._clock.monotonic())
        streams = [asyncio.create_task(self._stream()) for _ in range(self._transfer.stream_count)]
        try:
            await self._clock.sleep(seconds)
        finally:
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)

    async def _stream(self) -> None:
        async with open_transport(self._transfer.tls) as transport:
            while True:
                try:
                    await self._move(transport)
                except httpx.HTTPError as error:
                    self.tally.errors[failure_text(error)] += 1
                    await self._clock.sleep(RETRY_SECONDS)

    async def _move(self, transport: httpx.AsyncHTTPTransport) -> None:
        is_upload = self._transfer.direction == "upload"
        request = httpx.Request(
            "POST" if is_upload else "GET",
            self._transfer.url.url_at(self._transfer.address),
            headers={
                **HEADERS,
                "Accept-Encoding": "identity",
                "Host": self._transfer.url.authority,
            },
            content=self._produce() if is_upload else None,
            extensions={"sni_hostname": self._transfer.url.host},
        )
        response = await transport.handle_async_request(request)
        try:
            if not response.is_success:
                self.tally.errors[f"status {response.status_code}"] += 1
                await self._clock.sleep(RETRY_SECONDS)
                return
            byte_count = 0
            async for piece in response.aiter_raw():
                byte_count += len(piece)
                if not is_upload:
                    await self._count(len(piece))
            if not is_upload and not byte_count:
                self.tally.errors["an empty body"] += 1
                await self._clock.sleep(RETRY_SECONDS)
        finally:
            await response.aclose()

    async def _produce(self) -> AsyncIterator[bytes]:
        piece = bytes(PIECE_BYTES)
        while True:
            yield piece
            await self._count(len(piece))

    async def _count(self, byte_count: int) -> None:
        now = self._clock.monotonic()
        self.tally.add(byte_count, now)
        due = self.tally.byte_count * BITS / self._transfer.max_bits_per_second
        ahead_seconds = self.tally.started_at + due - now
        if ahead_seconds > PAUSE_SECONDS:
            await self._clock.sleep(ahead_seconds)
