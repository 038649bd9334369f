"""Users with roles, and API tokens."""

from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from apps.accounts.models import Role, Token, User
from apps.accounts.services import create_token
from apps.accounts.services.sessions import Visit, start_session

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


def make_session(user, *, address="192.0.2.7", user_agent="Mozilla/5.0 (X11; Linux) Firefox/140"):
    """A session as another browser of that user would have it."""
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    visit = Visit(session_key=store.session_key, address=address, user_agent=user_agent)
    start_session(session=store, user=user, visit=visit)
    store.save()
    return UserSession.objects.get(session_key=store.session_key)


def make_token(user, *scopes, life=timedelta(days=1)):
    """The secret of a new token."""
    token, secret = create_token(user=user, name="test", scopes=scopes or ("read",), life=life)
    assert Token.objects.filter(pk=token.pk).exists()
    return secret


def bearer(secret):
    """The keyword arguments of a test client's request."""
    return {"headers": {"authorization": f"Bearer {secret}"}}
