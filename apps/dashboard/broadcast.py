"""One subscription of this process for each group, passed on to all the pages that watch it here.

A message is so taken from Redis and decoded once, and not once for each of a thousand sockets.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from channels.layers import get_channel_layer
from redis import RedisError

LAYER_SECONDS = 6.0


class Listener(Protocol):
    """Must return at once, and leave the message as it is: others get the same one."""

    def live_message(self, message: dict[str, Any]) -> None: ...


@dataclass(slots=True)
class Subscription:
    channel: str
    task: asyncio.Task[None]
    listeners: set[Listener] = field(default_factory=set)


class Broadcast:
    """Who listens to what. Joining and dropping take turns, so that none undoes the other."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}
        self._turn = asyncio.Lock()
        self._dropping: set[asyncio.Task[None]] = set()

    async def join(self, group: str, listener: Listener) -> None:
        """Raises: OSError or RedisError when the layer cannot be reached in time."""
        async with self._turn:
            if group not in self._subscriptions:
                async with asyncio.timeout(LAYER_SECONDS):
                    self._subscriptions[group] = await self._subscribe(group)
            self._subscriptions[group].listeners.add(listener)

    def leave(self, group: str, listener: Listener) -> None:
        subscription = self._subscriptions.get(group)
        if subscription is None:
            return
        subscription.listeners.discard(listener)
        if not subscription.listeners:
            task = asyncio.create_task(self._drop(group))
            self._dropping.add(task)
            task.add_done_callback(self._dropping.discard)

    async def _subscribe(self, group: str) -> Subscription:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        is_joined = False
        try:
            await layer.group_add(group, channel)
            is_joined = True
        finally:
            if not is_joined:
                # It may stand in the group already, and would then hoard what nobody reads.
                await discard(group, channel)
        return Subscription(channel, asyncio.create_task(self._pass_on(group, channel)))

    async def _pass_on(self, group: str, channel: str) -> None:
        layer = get_channel_layer()
        while True:
            message = await layer.receive(channel)
            subscription = self._subscriptions.get(group)
            for listener in tuple(subscription.listeners) if subscription else ():
                listener.live_message(message)

    async def _drop(self, group: str) -> None:
        async with self._turn:
            subscription = self._subscriptions.get(group)
            if subscription is None or subscription.listeners:
                return
            del self._subscriptions[group]
            subscription.task.cancel()
            await discard(group, subscription.channel)


async def discard(group: str, channel: str) -> None:
    """Redis may be the reason, so that it fails changes nothing."""
    with suppress(OSError, RedisError):
        async with asyncio.timeout(LAYER_SECONDS):
            await get_channel_layer().group_discard(group, channel)


# Of this process.
BROADCAST = Broadcast()
