"""What users see of themselves: their sessions and their second factor."""

from datetime import timedelta

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from apps.accounts.models import User
from apps.accounts.policy import AnyUser, Permission, may
from apps.accounts.services.sessions import ABSOLUTE_LIFE, ACTIVITY_RESOLUTION, read_idle_life
from apps.configuration.selectors import read_flag
from apps.core.clock import read_now
from apps.core.errors import NotFound, Refused


def list_own_sessions(user: AnyUser) -> QuerySet[UserSession]:
    """The user's sessions that still open doors, the latest used first."""
    sessions: QuerySet[UserSession] = UserSession.objects.order_by("-last_seen_at", "-id")
    if not isinstance(user, User):
        return sessions.none()
    now = read_now()
    # Activity is written down rounded, so a session may have been used since.
    idle_life: timedelta = read_idle_life() + ACTIVITY_RESOLUTION
    return sessions.filter(
        user=user,
        created_at__gt=now - ABSOLUTE_LIFE,
        last_seen_at__gt=now - idle_life,
        session_key__in=Session.objects.filter(expire_date__gt=now).values("session_key"),
    )


def get_own_session(user: AnyUser, session_id: int) -> UserSession:
    """Raises: NotFound when that is no session of `user`."""
    found: UserSession | None = list_own_sessions(user).filter(id=session_id).first()
    if found is None:
        raise NotFound("session_unknown", "There is no such session of yours.")
    return found


def find_authenticator(user: User) -> Authenticator | None:
    """The user's authenticator app, None without one."""
    found: Authenticator | None = Authenticator.objects.filter(
        user=user, type=Authenticator.Type.TOTP
    ).first()
    return found


def count_recovery_codes(user: User) -> int:
    """How many of the user's recovery codes are unused."""
    kind = Authenticator.Type.RECOVERY_CODES
    row = Authenticator.objects.filter(user=user, type=kind).first()
    return len(row.data.get("digests", [])) if row else 0


def needs_second_factor(user: AnyUser) -> bool:
    """Whether `user` must set up a second factor before anything else."""
    return (
        isinstance(user, User)
        and may(user, Permission.ADMINISTER)
        and read_flag("admin_two_factor_required")
        and find_authenticator(user) is None
    )


def require_second_factor(user: AnyUser) -> None:
    """Raises: Refused when `user` must set up a second factor first."""
    if needs_second_factor(user):
        raise Refused(
            "second_factor_required",
            "Administrators need a second factor here: set one up in your profile first.",
        )
