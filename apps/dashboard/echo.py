"""Whether messages still get through the channel layer, asked by sending one to ourselves."""

import asyncio
from contextlib import suppress
from typing import Any

from redis import RedisError

SILENT_SECONDS = 6.0
SENDING_SECONDS = 2.0
PROVING_SECONDS = 6.0
PROVEN_FOR_SECONDS = 1.0


class Echo:
    """An open socket that no message reaches any more would look live to its page.

    One for all sockets of an event loop, which share their connection to Redis.
    """

    silent_seconds = SILENT_SECONDS

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._channel = ""
        self._listening: asyncio.Task[None] | None = None
        # When the oldest message was sent that has not come back.
        self._waiting_since: float | None = None
        self._opening = asyncio.Lock()
        self._heard = asyncio.Event()
        self._heard_count = 0
        self._heard_at = float("-inf")

    async def is_silent(self) -> bool:
        """Sends the next message; whether one has not come back for too long."""
        now = asyncio.get_running_loop().time()
        if self._waiting_since is None:
            self._waiting_since = now
        waiting_seconds = now - self._waiting_since
        with suppress(OSError, RedisError):
            async with asyncio.timeout(SENDING_SECONDS):
                await self._send()
        return self._waiting_since is not None and waiting_seconds > self.silent_seconds

    async def prove(self) -> None:
        """Returns when a message comes back, at once when one did within the last second.

        A half-open connection takes subscriptions as if they were heard.
        Raises: OSError or RedisError, TimeoutError when nothing comes back in time.
        """
        if asyncio.get_running_loop().time() - self._heard_at < PROVEN_FOR_SECONDS:
            return
        known_count = self._heard_count
        async with asyncio.timeout(PROVING_SECONDS):
            await self._send()
            while self._heard_count == known_count:
                await self._heard.wait()

    def stop(self) -> None:
        if self._listening is not None:
            self._listening.cancel()

    async def _send(self) -> None:
        async with self._opening:
            if self._listening is None:
                self._channel = await self._layer.new_channel()
                self._listening = asyncio.create_task(self._listen())
        await self._layer.send(self._channel, {"type": "live.echo"})

    async def _listen(self) -> None:
        while True:
            await self._layer.receive(self._channel)
            self._waiting_since = None
            self._heard_at = asyncio.get_running_loop().time()
            self._heard_count += 1
            self._heard.set()
            self._heard.clear()
