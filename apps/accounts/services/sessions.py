"""Sessions: how long they last, what keeps them alive, and ending them."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.core.internal.httpkit import HTTP_USER_AGENT_MAX_LENGTH
from allauth.usersessions.models import UserSession
from django.db.models import QuerySet

from apps.accounts.models import User
from apps.accounts.services.audit import audited, record_audit
from apps.accounts.services.bearers import revoke_refresh_tokens
from apps.configuration.selectors import read_settings
from apps.core.clock import read_now

ABSOLUTE_LIFE = timedelta(hours=12)
# Writing down every page view would turn each read into a write.
ACTIVITY_RESOLUTION = timedelta(minutes=1)
STARTED_KEY = "session_started_seconds"
SEEN_KEY = "session_seen_seconds"


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a session is used from."""

    session_key: str
    address: str
    user_agent: str


def read_idle_life() -> timedelta:
    """The time without activity after which a session ends."""
    minutes = read_settings(["session_idle_minutes"])["session_idle_minutes"]
    return timedelta(minutes=float(str(minutes)))


def start_session(*, session: MutableMapping[str, Any], user: User, visit: Visit) -> None:
    """Begin counting the session's time, and list it among the user's."""
    now = read_now()
    session[STARTED_KEY] = session[SEEN_KEY] = now.timestamp()
    UserSession.objects.update_or_create(
        session_key=visit.session_key,
        defaults={**describe_visit(visit), "user": user, "created_at": now, "last_seen_at": now},
    )


def describe_visit(visit: Visit) -> dict[str, str]:
    return {"ip": visit.address, "user_agent": visit.user_agent[:HTTP_USER_AGENT_MAX_LENGTH]}


def is_over(session: Mapping[str, Any]) -> bool:
    """Whether the session reached its 12 hours, or saw no activity for the idle time."""
    now = read_now().timestamp()
    started, seen = session.get(STARTED_KEY), session.get(SEEN_KEY)
    if started is None or seen is None:
        return False
    if now - started > ABSOLUTE_LIFE.total_seconds():
        return True
    idle_seconds: float = now - seen
    # No idle time is shorter than what activity is rounded to, so a fresh one asks for no setting.
    if idle_seconds <= ACTIVITY_RESOLUTION.total_seconds():
        return False
    return idle_seconds > read_idle_life().total_seconds()


def note_activity(*, session: MutableMapping[str, Any], user: User, visit: Visit) -> None:
    """Keep the session alive from now on; writes at most once a minute."""
    now = read_now()
    seen = session.get(SEEN_KEY)
    if seen is not None and now.timestamp() - seen <= ACTIVITY_RESOLUTION.total_seconds():
        return
    if seen is None:
        start_session(session=session, user=user, visit=visit)
        return
    session[SEEN_KEY] = now.timestamp()
    UserSession.objects.filter(session_key=visit.session_key).update(
        last_seen_at=now, **describe_visit(visit)
    )


@audited()
def end_session(*, user_session: UserSession) -> None:
    """End that session: its next request goes to sign-in, its live socket closes."""
    record_audit(
        action="end session", target=user_session.user, before=describe_session(user_session)
    )
    user_session.end()


@audited()
def end_sessions(*, user: User, except_key: str | None = None) -> int:
    """How many sessions of the user ended: all but the one with that key, and all JWTs."""
    ending: QuerySet[UserSession] = UserSession.objects.filter(user=user)
    ended = list(ending.exclude(session_key=except_key) if except_key else ending)
    for user_session in ended:
        user_session.end()
    revoked = revoke_refresh_tokens(user=user)
    if ended or revoked:
        record_audit(
            action="end sessions",
            target=user,
            before={
                "sessions": [describe_session(user_session) for user_session in ended],
                "refresh_tokens": revoked,
            },
        )
    return len(ended)


def describe_session(user_session: UserSession) -> dict[str, object]:
    return {
        "address": user_session.ip,
        "browser": user_session.user_agent,
        "started_at": user_session.created_at,
        "last_seen_at": user_session.last_seen_at,
    }


def rename_session(*, old_key: str, new_key: str) -> None:
    """Follow a session whose key was changed under way, so that it stays one line in the list."""
    UserSession.objects.filter(session_key=new_key).delete()
    UserSession.objects.filter(session_key=old_key).update(session_key=new_key)
