"""The browsers' socket: one a page, watching the topics its user may see."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any, ClassVar

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from redis import RedisError

from apps.accounts.profile import require_second_factor
from apps.core.errors import Invalid, NotAuthenticated, StreamSwarmError
from apps.dashboard.broadcast import BROADCAST
from apps.dashboard.guards import (
    CLOSE_FAULT,
    CLOSE_NOT_AUTHENTICATED,
    CLOSE_REFUSED,
    GUARD,
    load_user,
)
from apps.dashboard.outbox import Outbox
from apps.dashboard.topics import authorise

CLOSE_MALFORMED = 4400
CLOSE_TOO_MANY = 4429
# In each web process; a load balancer spreads the pages of a user over all of them.
CONNECTIONS_PER_USER = 20
TOPICS_PER_CONNECTION = 50

logger = structlog.get_logger(__name__)

# Sockets open in this process, by user.
CONNECTIONS: Counter[int] = Counter()


def authorise_session(session_key: str | None, topics: tuple[str, ...]) -> list[str]:
    """The groups of the topics for whoever the stored session belongs to right now.

    Raises: NotAuthenticated when nobody is signed in with it any more; else as `authorise`.
    """
    user = load_user(session_key)
    require_second_factor(user)
    return authorise(user, topics)


class LiveConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    """Takes `{"subscribe": [topics]}`, sends numbered batches, closes when rights are gone.

    A batch also says whether the disk is full, so that the page tells it without being opened anew.
    Close codes: 4400 no such topic, 4401 signed out, 4403 not allowed, 4429 too many connections,
    1011 what carries the messages is silent or cannot be asked, so that the page polls.
    Nothing that other sockets wait for ever waits for the one who reads this: subscribing, sending
    and closing have tasks of their own.
    """

    batch_seconds: ClassVar = 0.25

    async def connect(self) -> None:
        self.topics: tuple[str, ...] = ()
        self.groups_joined: set[str] = set()
        self.outbox = Outbox()
        self.has_news = asyncio.Event()
        self.wanted: tuple[str, ...] = ()
        self.is_wanting = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.user_id: int | None = None
        # Accepted even when refused: a browser learns the code only of an opened socket.
        await self.accept()
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(CLOSE_NOT_AUTHENTICATED)
            return
        if CONNECTIONS[user.pk] >= CONNECTIONS_PER_USER:
            await self.close(CLOSE_TOO_MANY)
            return
        self.user_id = user.pk
        CONNECTIONS[user.pk] += 1
        self.session_key = self.scope["session"].session_key
        GUARD.add(self)
        self.tasks = [
            asyncio.create_task(self.subscribe_forever()),
            asyncio.create_task(self.send_forever()),
        ]

    async def disconnect(self, _code: int) -> None:
        for task in self.tasks:
            task.cancel()
        if self.user_id is not None:
            GUARD.discard(self)
            CONNECTIONS[self.user_id] -= 1
            if not CONNECTIONS[self.user_id]:
                del CONNECTIONS[self.user_id]
            self.user_id = None
        for group in self.groups_joined:
            BROADCAST.leave(group, self)

    async def receive_json(self, content: Any, **_options: Any) -> None:
        wanted = content.get("subscribe") if isinstance(content, dict) else None
        if not isinstance(wanted, list) or not all(isinstance(topic, str) for topic in wanted):
            self.dismiss(CLOSE_MALFORMED)
            return
        topics = tuple(dict.fromkeys((*self.topics, *self.wanted, *wanted)))
        if len(topics) > TOPICS_PER_CONNECTION:
            self.dismiss(CLOSE_MALFORMED)
            return
        self.wanted = topics
        self.is_wanting.set()

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        try:
            return await super().decode_json(text_data)
        except ValueError:
            return None

    async def subscribe_forever(self) -> None:
        while True:
            await self.is_wanting.wait()
            self.is_wanting.clear()
            wanted = self.wanted
            code = await self.join(wanted)
            if code is not None:
                self.dismiss(code)
                return
            self.topics = wanted
            self.has_news.set()

    async def join(self, topics: tuple[str, ...]) -> int | None:
        """Join the groups of topics that must all be allowed; else the code to close with."""
        try:
            groups = await database_sync_to_async(authorise_session)(self.session_key, topics)
            for group in set(groups) - self.groups_joined:
                await BROADCAST.join(group, self)
                self.groups_joined.add(group)
            await GUARD.prove_layer()
        except NotAuthenticated:
            return CLOSE_NOT_AUTHENTICATED
        except Invalid:
            return CLOSE_MALFORMED
        except StreamSwarmError:
            return CLOSE_REFUSED
        except (OSError, RedisError):
            return CLOSE_FAULT
        except Exception:
            # The edge of this task: what cannot be checked is not shown; the page comes again.
            logger.exception("live_subscription_failed")
            return CLOSE_FAULT
        return None

    async def send_forever(self) -> None:
        while True:
            await self.has_news.wait()
            self.has_news.clear()
            storage = {"storage": GUARD.storage} if GUARD.storage else {}
            await self.send_json({**self.outbox.take(), **storage})
            await asyncio.sleep(self.batch_seconds)

    def live_message(self, message: dict[str, Any]) -> None:
        self.outbox.add(message)
        self.has_news.set()

    def confirm(self) -> None:
        """The guard found all in order; a batch, empty if need be, says that the line is alive.

        Who has not joined anything yet hears nothing, and does not look live.
        """
        if self.topics:
            self.has_news.set()

    def dismiss(self, code: int) -> None:
        """Close, without waiting for the one who reads the socket; nothing more is sent."""
        current = asyncio.current_task()
        for task in self.tasks:
            if task is not current:
                task.cancel()
        self.tasks = [asyncio.create_task(self.close_quietly(code))]

    async def close_quietly(self, code: int) -> None:
        # It may be gone already.
        with suppress(RuntimeError, OSError):
            await self.close(code)
