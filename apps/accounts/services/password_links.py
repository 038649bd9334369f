"""Single-use links by which a user sets a new password."""

from datetime import timedelta

from django.contrib.auth.password_validation import validate_password

from apps.accounts.algorithms.link_secrets import digest_secret, make_secret
from apps.accounts.models import PasswordLink, User
from apps.accounts.selectors import find_password_link
from apps.accounts.services.audit import audited, record_audit
from apps.accounts.services.sessions import end_sessions
from apps.accounts.services.setup import collect_errors
from apps.accounts.services.tokens import revoke_tokens
from apps.core.clock import read_now
from apps.core.errors import Invalid

LINK_LIFE = timedelta(hours=24)
KEPT_AFTER_END = timedelta(days=30)


@audited()
def issue_password_link(*, user: User, life: timedelta = LINK_LIFE) -> tuple[PasswordLink, str]:
    """The stored link and its secret, which is never to be had again; earlier ones are void."""
    now = read_now()
    void_password_links(user=user)
    secret = make_secret()
    link = PasswordLink.objects.create(
        user=user, digest=digest_secret(secret), created_at=now, expires_at=now + life
    )
    record_audit(action="issue password link", target=user, after={"expires_at": link.expires_at})
    return link, secret


def void_password_links(*, user: User) -> None:
    """Forget the links that the user has not used."""
    PasswordLink.objects.filter(user=user, used_at=None).delete()


def forget_password_links() -> int:
    """How many were removed: used or expired more than 30 days ago."""
    old = PasswordLink.objects.filter(expires_at__lt=read_now() - KEPT_AFTER_END)
    count, _by_model = old.delete()
    return count


@audited()
def set_password_by_link(*, secret: str, password: str) -> User:
    """The link's user with the new password; the link is used up.

    Every session has ended, every API token is revoked.
    Raises: NotFound for a link that is unknown, used or expired, Invalid for a weak password.
    """
    link = find_password_link(secret, is_locked=True)
    link.used_at = read_now()
    link.save(update_fields=["used_at"])
    set_password(user=link.user, password=password)
    return link.user


@audited()
def set_password(*, user: User, password: str) -> None:
    """Give the user that password; every session of it ends, and its API tokens are revoked.

    Raises: Invalid for a password that breaks a rule.
    """
    errors = collect_errors("password", lambda: validate_password(password, user))
    if errors:
        raise Invalid(errors)
    user.set_password(password)
    user.save(update_fields=["password"])
    record_audit(action="reset password", target=user, after={"password": "changed"})
    void_password_links(user=user)
    revoke_tokens(user=user)
    end_sessions(user=user)
