"""Signing in, failing to, and signing out, written down: receivers of the libraries' signals."""

from typing import Any

from allauth.account.signals import user_logged_in
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.core.cache import cache
from django.http import HttpRequest

from apps.accounts.actors import act_as
from apps.accounts.models import User
from apps.accounts.senders import describe_actor
from apps.accounts.services.audit import record_audit
from apps.core.addresses import read_client_address

# Guessing at names that nobody has must not fill the audit; those of users lock out.
UNKNOWN_PER_MINUTE = 10
MINUTE_SECONDS = 60


def connect_receivers() -> None:
    user_logged_in.connect(note_sign_in, dispatch_uid="accounts.note_sign_in")
    user_logged_out.connect(note_sign_out, dispatch_uid="accounts.note_sign_out")
    user_login_failed.connect(note_failed_sign_in, dispatch_uid="accounts.note_failed_sign_in")


def note_sign_in(request: HttpRequest, user: User, **_options: Any) -> None:
    with act_as(describe_actor(request, user)):
        record_audit(action="sign in", target=user)


def note_sign_out(request: HttpRequest, user: User | None, **_options: Any) -> None:
    if user is not None:
        with act_as(describe_actor(request, user)):
            record_audit(action="sign out", target=user)


def note_failed_sign_in(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_options: Any
) -> None:
    """Without the name that was typed when nobody has it: it may be a password, typed too early."""
    if request is None:
        return
    name = str(credentials.get("username", "")).replace("\x00", "")
    user = User.objects.filter(username__iexact=name).first()
    with act_as(describe_actor(request)):
        if user is not None:
            record_audit(action="fail to sign in", target=user)
        elif is_rare(read_client_address(request)):
            record_audit(action="fail to sign in", target=User(username="unknown user"))


def is_rare(address: str) -> bool:
    key = f"unknown-sign-in:{address}"
    cache.add(key, 0, MINUTE_SECONDS)
    try:
        return cache.incr(key) <= UNKNOWN_PER_MINUTE
    except ValueError:
        return True
