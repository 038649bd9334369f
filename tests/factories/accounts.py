"""Users with roles, and API tokens."""

from datetime import timedelta

from apps.accounts.models import Role, Token, User
from apps.accounts.services import create_token

PASSWORD = "correct horse battery staple"


def make_user(username, role="", *, site="", tag="", is_staff=False):
    """A user; with `role` on the clients of that site and tag, or on all."""
    user = User.objects.create_user(username, password=PASSWORD, is_staff=is_staff)
    if role:
        grant(user, role, site=site, tag=tag)
    return user


def grant(user, role, *, site="", tag="", effect=Role.Effect.ALLOW):
    return Role.objects.create(user=user, name=role, site_slug=site, tag_slug=tag, effect=effect)


def deny(user, role, *, site="", tag=""):
    return grant(user, role, site=site, tag=tag, effect=Role.Effect.DENY)


def make_token(user, *scopes, life=timedelta(days=1)):
    """The secret of a new token."""
    token, secret = create_token(user=user, name="test", scopes=scopes or ("read",), life=life)
    assert Token.objects.filter(pk=token.pk).exists()
    return secret


def bearer(secret):
    """The keyword arguments of a test client's request."""
    return {"headers": {"authorization": f"Bearer {secret}"}}
