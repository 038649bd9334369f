"""Whether those who watch may still see what they watch, asked once for all pages of a session."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import structlog
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from apps.accounts.policy import AnyUser, Permission, require
from apps.accounts.profile import require_second_factor
from apps.accounts.services.sessions import is_over
from apps.core.errors import NotAuthenticated, StreamSwarmError
from apps.dashboard.topics import authorise_one

CLOSE_NOT_AUTHENTICATED = 4401
CLOSE_REFUSED = 4403
CLOSE_FAULT = 1011

CHECK_SECONDS = 4.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a session: `code` ends all its sockets, `refused` those with such a topic."""

    code: int | None = None
    refused: frozenset[str] = frozenset()

    def find_code(self, topics: Collection[str]) -> int | None:
        """The code to close a socket with those topics with; None while it may stay open."""
        if self.code is not None:
            return self.code
        return None if self.refused.isdisjoint(topics) else CLOSE_REFUSED


class Watcher(Protocol):
    """A socket as its guard knows it. Neither method waits for whoever reads the socket."""

    topics: tuple[str, ...]

    def confirm(self) -> None: ...

    def dismiss(self, code: int) -> None: ...


def load_user(session_key: str | None) -> AnyUser:
    """The session's user, read anew: what this process remembers of it may be outdated."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return AnonymousUser() if is_over(request.session) else get_user(request)


def judge_session(session_key: str, topics: Collection[str]) -> Verdict:
    """Whether whoever is signed in with the session right now may see each of the topics."""
    user = load_user(session_key)
    try:
        require_second_factor(user)
        require(user, Permission.VIEW)
    except NotAuthenticated:
        return Verdict(CLOSE_NOT_AUTHENTICATED)
    except StreamSwarmError:
        return Verdict(CLOSE_REFUSED)
    return Verdict(refused=frozenset(topic for topic in topics if not may_see(user, topic)))


def may_see(user: AnyUser, topic: str) -> bool:
    try:
        authorise_one(user, topic)
    except StreamSwarmError:
        return False
    return True


class SessionGuard:
    """Looks after the open sockets of one session; its task lives as long as there are any."""

    check_seconds = CHECK_SECONDS

    def __init__(self, session_key: str) -> None:
        self._session_key = session_key
        self._watchers: set[Watcher] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return not self._watchers

    def add(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)
        if self._task is None:
            self._task = asyncio.create_task(self._guard_forever())

    def discard(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _guard_forever(self) -> None:
        while True:
            await asyncio.sleep(self.check_seconds)
            await self._check()

    async def _check(self) -> None:
        # What is subscribed to meanwhile is checked by the subscription itself.
        topics = {watcher: watcher.topics for watcher in self._watchers}
        asked = frozenset(topic for some in topics.values() for topic in some)
        try:
            verdict = await database_sync_to_async(judge_session)(self._session_key, asked)
        except Exception:
            # The edge of this task: what cannot be checked is not shown; the pages come again.
            logger.exception("live_check_failed")
            verdict = Verdict(CLOSE_FAULT)
        self._pass_on(verdict, topics)

    @staticmethod
    def _pass_on(verdict: Verdict, topics: Mapping[Watcher, tuple[str, ...]]) -> None:
        for watcher, seen in topics.items():
            code = verdict.find_code(seen)
            if code is None:
                watcher.confirm()
            else:
                watcher.dismiss(code)


# Of this process, by session.
GUARDS: dict[str, SessionGuard] = {}


def guard(session_key: str, watcher: Watcher) -> None:
    """Have the watcher confirmed or dismissed every few seconds, until `release`."""
    GUARDS.setdefault(session_key, SessionGuard(session_key)).add(watcher)


def release(session_key: str, watcher: Watcher) -> None:
    keeper = GUARDS.get(session_key)
    if keeper is None:
        return
    keeper.discard(watcher)
    if keeper.is_idle:
        del GUARDS[session_key]
