"""The browsers' socket: one a page, watching the topics its user may see."""

import asyncio
from collections import Counter
from contextlib import suppress
from importlib import import_module
from typing import Any, ClassVar

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from redis import RedisError

from apps.accounts.policy import AnyUser
from apps.accounts.profile import require_second_factor
from apps.accounts.services.sessions import is_over
from apps.core.errors import Invalid, NotAuthenticated, StreamSwarmError
from apps.dashboard.outbox import Outbox
from apps.dashboard.topics import authorise

CLOSE_MALFORMED = 4400
CLOSE_NOT_AUTHENTICATED = 4401
CLOSE_REFUSED = 4403
CLOSE_TOO_MANY = 4429
CONNECTIONS_PER_USER = 20
TOPICS_PER_CONNECTION = 50

CLOSE_FAULT = 1011

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


def load_user(session_key: str | None) -> AnyUser:
    """The session's user, read anew: what this process remembers of it may be outdated."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return AnonymousUser() if is_over(request.session) else get_user(request)


class LiveConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    """Takes `{"subscribe": [topics]}`, sends numbered batches, closes when rights are gone.

    Close codes: 4400 no such topic, 4401 signed out, 4403 not allowed, 4429 too many connections,
    1011 what carries the messages is silent, so that the page polls.
    """

    check_seconds: ClassVar = 4.0
    batch_seconds: ClassVar = 0.25
    # Pages take their own socket for dead after 10 s without a batch.
    silent_seconds: ClassVar = 6.0

    async def connect(self) -> None:
        self.topics: tuple[str, ...] = ()
        self.groups_joined: set[str] = set()
        self.outbox = Outbox()
        self.has_news = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.user_id: int | None = None
        self.echoed_at = asyncio.get_running_loop().time()
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
        self.tasks = [
            asyncio.create_task(self.guard_forever()),
            asyncio.create_task(self.send_forever()),
        ]

    async def disconnect(self, _code: int) -> None:
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self.user_id is not None:
            CONNECTIONS[self.user_id] -= 1
            if not CONNECTIONS[self.user_id]:
                del CONNECTIONS[self.user_id]
            self.user_id = None
        # Redis may be the reason why this socket ends.
        with suppress(OSError, RedisError):
            async with asyncio.timeout(self.check_seconds):
                for group in self.groups_joined:
                    await self.channel_layer.group_discard(group, self.channel_name)

    async def receive_json(self, content: Any, **_options: Any) -> None:
        wanted = content.get("subscribe") if isinstance(content, dict) else None
        if not isinstance(wanted, list) or not all(isinstance(topic, str) for topic in wanted):
            await self.close(CLOSE_MALFORMED)
            return
        topics = tuple(dict.fromkeys((*self.topics, *wanted)))
        if len(topics) > TOPICS_PER_CONNECTION:
            await self.close(CLOSE_MALFORMED)
        elif await self.check(topics):
            self.topics = topics
            self.has_news.set()

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        try:
            return await super().decode_json(text_data)
        except ValueError:
            return None

    async def check(self, topics: tuple[str, ...]) -> bool:
        """Join the groups of the topics, all of which must be allowed; else close."""
        session_key = self.scope["session"].session_key
        try:
            groups = await database_sync_to_async(authorise_session)(session_key, topics)
            await self.join(set(groups) - self.groups_joined)
        except NotAuthenticated:
            await self.close(CLOSE_NOT_AUTHENTICATED)
        except Invalid:
            await self.close(CLOSE_MALFORMED)
        except StreamSwarmError:
            await self.close(CLOSE_REFUSED)
        except (OSError, RedisError):
            await self.close(CLOSE_FAULT)
        else:
            return True
        return False

    async def join(self, groups: set[str]) -> None:
        async with asyncio.timeout(self.silent_seconds):
            for group in groups:
                await self.channel_layer.group_add(group, self.channel_name)
                self.groups_joined.add(group)

    async def guard_forever(self) -> None:
        """Ask every few seconds whether messages still come, and whether the user may see them."""
        while True:
            await asyncio.sleep(self.check_seconds)
            try:
                if not await self.check_layer() or not await self.check(self.topics):
                    return
            except Exception:
                # The edge of this task: what cannot be checked is not shown; the page comes again.
                logger.exception("live_check_failed")
                await self.close(CLOSE_FAULT)
                return
            self.has_news.set()

    async def check_layer(self) -> bool:
        """Send a message to this very socket; close when none came back for too long.

        An open socket that no message reaches any more would look live to its page.
        """
        silence = asyncio.get_running_loop().time() - self.echoed_at
        with suppress(OSError, RedisError):
            async with asyncio.timeout(self.check_seconds):
                await self.channel_layer.send(self.channel_name, {"type": "live.echo"})
        if silence <= self.silent_seconds:
            return True
        await self.close(CLOSE_FAULT)
        return False

    async def live_echo(self, _message: dict[str, Any]) -> None:
        self.echoed_at = asyncio.get_running_loop().time()

    async def send_forever(self) -> None:
        while True:
            await self.has_news.wait()
            self.has_news.clear()
            await self.send_json(self.outbox.take())
            await asyncio.sleep(self.batch_seconds)

    async def live_message(self, message: dict[str, Any]) -> None:
        self.outbox.add(message)
        self.has_news.set()
