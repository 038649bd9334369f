"""Users, tokens and the audit as somebody may see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from allauth.mfa.models import Authenticator
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from apps.accounts.algorithms.link_secrets import digest_secret
from apps.accounts.models import (
    AuditCheck,
    AuditEntry,
    Invitation,
    PasswordLink,
    Role,
    Token,
    User,
)
from apps.accounts.policy import AnyUser, Permission, find_scope
from apps.core.clock import read_now
from apps.core.errors import NotFound


def administers_everything(user: AnyUser) -> bool:
    """Whether `user` may look at what belongs to no place: users, their tokens, the audit."""
    return find_scope(user, Permission.ADMINISTER).is_everything


def list_own_tokens(user: AnyUser) -> QuerySet[Token]:
    tokens: QuerySet[Token] = Token.objects.select_related("user").order_by("-created")
    return tokens.filter(user=user) if isinstance(user, User) else tokens.none()


def list_tokens(user: AnyUser) -> QuerySet[Token]:
    """The tokens of everybody for an administrator, the own ones for anybody else."""
    if not administers_everything(user):
        return list_own_tokens(user)
    tokens: QuerySet[Token] = Token.objects.select_related("user").order_by("-created")
    return tokens


def pick_token(tokens: QuerySet[Token], public_id: str) -> Token:
    """The token of that public id among `tokens`.

    Raises: NotFound when it is not one of them.
    """
    token = tokens.filter(token_key=public_id).first()
    if token is None:
        raise NotFound("token_unknown", "There is no such token.")
    return token


def list_users(user: AnyUser) -> QuerySet[User]:
    """All users with `has_second_factor` for an administrator of everything, nobody otherwise."""
    factors = Authenticator.objects.filter(user=OuterRef("pk"))
    factors = factors.exclude(type=Authenticator.Type.RECOVERY_CODES)
    users = User.objects.prefetch_related("roles").order_by("username")
    users = users.annotate(has_second_factor=Exists(factors))
    return users if administers_everything(user) else users.none()


def get_user(user: AnyUser, user_id: int) -> User:
    """One user.

    Raises: NotFound when there is none, or `user` is no administrator of everything.
    """
    found = list_users(user).filter(pk=user_id).first()
    if found is None:
        raise NotFound("user_unknown", "There is no such user.")
    return found


def match_user_text(rows: QuerySet[User], text: str) -> QuerySet[User]:
    """Those with `text` in the user name, the name or the e-mail address."""
    names = ("username", "first_name", "last_name", "email")
    condition = Q()
    for name in names:
        condition |= Q(**{f"{name}__icontains": text})
    return rows.filter(condition)


def match_role(rows: QuerySet[User], name: str) -> QuerySet[User]:
    """Those who are given that role somewhere; `none` means without any role."""
    given = Role.objects.filter(user=OuterRef("pk"), effect=Role.Effect.ALLOW)
    if name == "none":
        return rows.filter(~Exists(given))
    return rows.filter(Exists(given.filter(name=name)))


def match_second_factor(rows: QuerySet[User], *, has_one: bool) -> QuerySet[User]:
    """Those of `list_users` with, or without, a second factor."""
    condition = Q(has_second_factor=has_one)
    return rows.filter(condition)


def list_administrators() -> QuerySet[User]:
    """The active users who administer everything: allowed everywhere, denied nowhere."""
    roles = Role.objects.filter(user=OuterRef("pk"))
    everywhere = roles.filter(
        name=Role.Name.ADMIN, effect=Role.Effect.ALLOW, site_slug="", tag_slug=""
    )
    denials = roles.filter(effect=Role.Effect.DENY)
    return User.objects.filter(Exists(everywhere), ~Exists(denials), is_active=True)


def has_administrator() -> bool:
    return list_administrators().exists()


def is_administrator(user: User) -> bool:
    """Whether the stored user is an active administrator of everything."""
    return list_administrators().filter(pk=user.pk).exists()


def find_password_link(secret: str, *, is_locked: bool = False) -> PasswordLink:
    """The link of that secret while it works, locked on demand.

    Raises: NotFound for a link that is unknown, used or expired.
    """
    link = find_by_secret(PasswordLink.objects.select_related("user"), secret, is_locked=is_locked)
    if link is None or not link.user.is_active:
        raise NotFound("link_unknown", "This link is not, or no longer, known here.")
    if link.used_at is not None:
        raise NotFound("link_used", "This link has been used already.")
    if link.expires_at <= read_now():
        raise NotFound("link_expired", "This link has expired; ask for a new one.")
    return link


SecretRow = TypeVar("SecretRow", bound=Model)


def find_by_secret(rows: QuerySet[SecretRow], secret: str, *, is_locked: bool) -> SecretRow | None:
    if is_locked:
        rows = rows.select_for_update(of=("self",))
    return rows.filter(digest=digest_secret(secret)).first()


def list_invitations(user: AnyUser) -> QuerySet[Invitation]:
    """All invitations, newest first, for an administrator of everything."""
    rows = Invitation.objects.select_related("invited_by", "accepted_by")
    return rows if administers_everything(user) else rows.none()


def get_invitation(user: AnyUser, invitation_id: int) -> Invitation:
    """One invitation.

    Raises: NotFound when there is none, or `user` is no administrator of everything.
    """
    found = list_invitations(user).filter(pk=invitation_id).first()
    if found is None:
        raise NotFound("invitation_unknown", "There is no such invitation.")
    return found


def match_invitation_state(
    rows: QuerySet[Invitation], state: str, now: datetime
) -> QuerySet[Invitation]:
    """Those in that state (`name_invitation_state` says which there are)."""
    waiting = Q(accepted_at=None, revoked_at=None)
    conditions = {
        "accepted": Q(accepted_at__isnull=False),
        "revoked": Q(revoked_at__isnull=False),
        "expired": waiting & Q(expires_at__lte=now),
        "fault": waiting & Q(expires_at__gt=now) & ~Q(mail_fault=""),
        "open": waiting & Q(expires_at__gt=now, mail_fault=""),
    }
    return rows.filter(conditions.get(state, Q(pk__in=[])))


def name_invitation_state(invitation: Invitation, now: datetime) -> str:
    """`accepted`, `revoked`, `expired`, `fault` (open, but the mail failed) or `open`."""
    if invitation.accepted_at is not None:
        return "accepted"
    if invitation.revoked_at is not None:
        return "revoked"
    if invitation.expires_at <= now:
        return "expired"
    return "fault" if invitation.mail_fault else "open"


INVITATION_STATES = ("open", "fault", "accepted", "expired", "revoked")
CLOSED_SENTENCES = {
    "accepted": "This invitation has been accepted already; sign in with your account.",
    "revoked": "This invitation was withdrawn.",
    "expired": "This invitation has expired; ask for a new one.",
}


def find_invitation(secret: str, *, is_locked: bool = False) -> Invitation:
    """The invitation of that secret while it is open, locked on demand.

    One by somebody who no longer administers everything counts as revoked.
    Raises: NotFound for one that is unknown, accepted, revoked or expired, saying which.
    """
    rows = Invitation.objects.select_related("invited_by")
    invitation = find_by_secret(rows, secret, is_locked=is_locked)
    if invitation is None:
        raise NotFound("invitation_unknown", "This invitation is not known here.")
    state = name_invitation_state(invitation, read_now())
    inviter = invitation.invited_by
    if state not in CLOSED_SENTENCES and inviter is not None and not is_administrator(inviter):
        state = "revoked"
    if state in CLOSED_SENTENCES:
        raise NotFound(f"invitation_{state}", CLOSED_SENTENCES[state])
    return invitation


def list_audit(user: AnyUser) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.all() if administers_everything(user) else AuditEntry.objects.none()


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries somebody wants to see; empty means any."""

    person: str = ""
    action: str = ""
    object_type: str = ""
    object_id: str = ""
    via: str = ""
    text: str = ""
    after: datetime | None = None
    before: datetime | None = None


def match_audit(rows: QuerySet[AuditEntry], query: AuditQuery) -> QuerySet[AuditEntry]:
    """The entries that `query` wants; `after` is inside, `before` outside of the time range."""
    exact = {
        "actor_label": query.person,
        "action": query.action,
        "object_type": query.object_type,
        "object_id": query.object_id,
        "via": query.via,
        "at__gte": query.after,
        "at__lt": query.before,
    }
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    return match_audit_text(rows, query.text) if query.text else rows


def match_audit_text(rows: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
    """Those with `text` in who, where from, what, or the object's name and id."""
    condition = Q()
    for name in ("actor_label", "address", "action", "object_type", "object_id", "object_label"):
        condition |= Q(**{f"{name}__icontains": text})
    return rows.filter(condition)


CHOICES_FROM = 5_000


def list_audit_words(rows: QuerySet[AuditEntry], field: str) -> list[str]:
    """The different values of `field` in the newest 5,000 entries, sorted.

    Over all of them it would take long once there are millions.
    """
    newest = rows.order_by("-id").values("id")[:CHOICES_FROM]
    found = rows.filter(id__in=newest).order_by(field).values_list(field, flat=True).distinct()
    return list(found)


def read_audit_check() -> AuditCheck | None:
    """What the newest verification of the chain found; None before the first one."""
    return AuditCheck.objects.first()
