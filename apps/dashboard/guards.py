"""Whether those who watch may still see what they watch, asked for all pages of a process at once.

A thousand open pages that each asked by themselves would keep the database busier than their users.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User
from apps.accounts.policy import AnyUser, Permission, require
from apps.accounts.profile import require_second_factor
from apps.accounts.services.sessions import is_over
from apps.core.clock import read_now
from apps.core.errors import NotAuthenticated, StreamSwarmError
from apps.core.storage_state import name_storage_state
from apps.dashboard.echo import Echo
from apps.dashboard.topics import authorise_one

CLOSE_NOT_AUTHENTICATED = 4401
CLOSE_REFUSED = 4403
CLOSE_FAULT = 1011

CHECK_SECONDS = 3.0
SESSIONS_AT_ONCE = 100

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

    session_key: str
    topics: tuple[str, ...]

    def confirm(self) -> None: ...

    def dismiss(self, code: int) -> None: ...


def load_user(session_key: str | None) -> AnyUser:
    """The session's user, read anew: what this process remembers of it may be outdated."""
    return load_users([session_key or ""])[session_key or ""]


def load_users(session_keys: Collection[str]) -> dict[str, AnyUser]:
    """Who is signed in with each session right now, with their roles; three queries in all."""
    rows = Session.objects.filter(session_key__in=session_keys, expire_date__gt=read_now())
    sessions = {row.session_key: SessionStore().decode(row.session_data) for row in rows}
    ids = [session[SESSION_KEY] for session in sessions.values() if SESSION_KEY in session]
    users = User.objects.filter(pk__in=ids, is_active=True).prefetch_related("roles")
    by_id = {str(user.pk): user for user in users}
    signed_in: dict[str, AnyUser] = {key: AnonymousUser() for key in session_keys}
    for key, session in sessions.items():
        user = by_id.get(str(session.get(SESSION_KEY)))
        if user is not None and not is_over(session) and is_proven(session, user):
            signed_in[key] = user
    return signed_in


def is_proven(session: Mapping[str, Any], user: User) -> bool:
    """Whether the session knows the user's present password; as django.contrib.auth.get_user."""
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    shown = session.get(HASH_SESSION_KEY) or ""
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(shown, right) for right in hashes)


def judge_sessions(topics: Mapping[str, Collection[str]]) -> dict[str, Verdict]:
    """Whether whoever is signed in with each session right now may see each of its topics."""
    users = load_users(topics.keys())
    return {key: judge_user(users[key], asked) for key, asked in topics.items()}


def judge_user(user: AnyUser, topics: Collection[str]) -> Verdict:
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


def split_sessions(
    watchers: Iterable[Watcher],
) -> Iterator[dict[str, dict[Watcher, tuple[str, ...]]]]:
    """The watchers by session, each with its topics of this moment, some sessions at a time."""
    by_session: dict[str, dict[Watcher, tuple[str, ...]]] = defaultdict(dict)
    for watcher in watchers:
        by_session[watcher.session_key][watcher] = watcher.topics
    rest = iter(by_session.items())
    while part := dict(islice(rest, SESSIONS_AT_ONCE)):
        yield part


class Guard:
    """Confirms or dismisses every watcher every few seconds; works while there are any."""

    check_seconds = CHECK_SECONDS

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._task: asyncio.Task[None] | None = None
        self._echo: Echo | None = None
        # What all watchers are told of the disk with every batch (core.storage_state).
        self.storage = ""

    def add(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)
        if self._task is None:
            self.storage = name_storage_state()
            self._echo = Echo(get_channel_layer())
            self._task = asyncio.create_task(self._guard_forever(self._echo))

    def discard(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def prove_layer(self) -> None:
        """Returns when messages get through the layer, to a watcher that was added.

        Raises: OSError or RedisError, TimeoutError when none does in time.
        """
        if self._echo is not None:
            await self._echo.prove()

    async def _guard_forever(self, echo: Echo) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.check_seconds
        try:
            while True:
                # On a slow database the checks follow each other with a pause, not without end.
                await asyncio.sleep(max(due - loop.time(), self.check_seconds / 4))
                due = loop.time() + self.check_seconds
                self.storage = name_storage_state()
                if await echo.is_silent():
                    self._dismiss_all()
                else:
                    await self._check_all()
        finally:
            echo.stop()

    def _dismiss_all(self) -> None:
        """Pages without their socket poll, and come again."""
        logger.warning("live_layer_silent", sockets=len(self._watchers))
        for watcher in tuple(self._watchers):
            watcher.dismiss(CLOSE_FAULT)

    async def _check_all(self) -> None:
        # What is subscribed to meanwhile is checked by the subscription itself.
        for part in split_sessions(self._watchers):
            await self._check(part)

    async def _check(self, part: Mapping[str, Mapping[Watcher, tuple[str, ...]]]) -> None:
        asked = {
            key: frozenset(topic for topics in seen.values() for topic in topics)
            for key, seen in part.items()
        }
        try:
            verdicts = await database_sync_to_async(judge_sessions)(asked)
        except Exception:
            # The edge of this task: what cannot be checked is not shown; the pages come again.
            logger.exception("live_check_failed")
            verdicts = dict.fromkeys(asked, Verdict(CLOSE_FAULT))
        for key, seen in part.items():
            for watcher, topics in seen.items():
                code = verdicts[key].find_code(topics)
                if code is None:
                    watcher.confirm()
                else:
                    watcher.dismiss(code)


# Of this process.
GUARD = Guard()
