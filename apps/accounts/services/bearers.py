"""JSON Web Tokens: a short access token, and a refresh token that is used once.

All tokens of one sign-in are a family. A refresh token that comes a second time was stolen or
copied, so the whole family ends; revoking ends the family's access tokens at once as well. No
refresh token outlives the 12 hours that begin with the sign-in.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from apps.accounts.models import User
from apps.accounts.services.audit import audited, record_audit
from apps.core.clock import read_now
from apps.core.errors import NotAuthenticated

FAMILY_CLAIM = "family"
PROOF_CLAIM = "proof"
STARTED_CLAIM = "started"
PROOF_LENGTH = 32


class FamilyToken(RefreshToken):
    """A refresh token that is looked at even when it was used, because that is news."""

    def check_blacklist(self) -> None:
        """The caller does."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two tokens as text; `life_seconds` is the access token's."""

    access: str
    refresh: str
    life_seconds: int


def prove_password(user: User) -> str:
    """Changes with the user's password, and tells nothing of it."""
    return user.get_session_auth_hash()[:PROOF_LENGTH]


@audited()
def issue_pair(*, user: User) -> Pair:
    """The first tokens of a new family."""
    OutstandingToken.objects.filter(user=user, expires_at__lt=read_now()).delete()
    record_audit(action="sign in", target=user, after={"through": "JWT"})
    started_seconds = int(read_now().timestamp())
    return make_pair(user, secrets.token_hex(16), started_seconds=started_seconds)


def make_pair(user: User, family: str, *, started_seconds: int) -> Pair:
    """The next tokens of the family that began with a sign-in at that second."""
    refresh = FamilyToken()
    refresh.set_exp(from_time=datetime.fromtimestamp(started_seconds, UTC))
    # The library's own type; ours are these four claims.
    refresh["user_id"] = str(user.pk)
    refresh[FAMILY_CLAIM] = family
    refresh[PROOF_CLAIM] = prove_password(user)
    refresh[STARTED_CLAIM] = started_seconds
    remember(refresh, user)
    access = refresh.access_token
    life_seconds = int(AccessToken.lifetime.total_seconds()) if AccessToken.lifetime else 0
    return Pair(str(access), str(refresh), life_seconds)


def remember(refresh: Token, user: User) -> None:
    """Write the token down without its text, so that the database lets nobody in."""
    OutstandingToken.objects.create(
        user=user,
        jti=refresh["jti"],
        token=refresh[FAMILY_CLAIM],
        created_at=read_now(),
        expires_at=datetime.fromtimestamp(refresh["exp"], UTC),
    )


def renew_pair(*, refresh_text: str) -> Pair:
    """The next tokens of the family.

    Raises: NotAuthenticated when the token is no refresh token of ours, expired, used before (which
    ends its family), revoked, or of a user who left or changed the password. It expires 12 hours
    after the sign-in that began the family.
    """
    token = read_refresh_token(refresh_text)
    user = find_user(token)
    with audited():
        row = OutstandingToken.objects.select_for_update().filter(jti=token["jti"]).first()
        is_used = row is None or BlacklistedToken.objects.filter(token=row).exists()
        if row is not None and not is_used:
            BlacklistedToken.objects.create(token=row)
            return make_pair(user, token[FAMILY_CLAIM], started_seconds=token[STARTED_CLAIM])
        if revoke_family(token[FAMILY_CLAIM], user):
            record_audit(
                action="revoke", target=user, before={"reason": "refresh token used twice"}
            )
    raise refuse()


def revoke_pair(*, refresh_text: str) -> None:
    """End the family of that refresh token.

    Raises: NotAuthenticated when it is none of ours, or expired.
    """
    token = read_refresh_token(refresh_text)
    user = find_user(token)
    with audited():
        if revoke_family(token[FAMILY_CLAIM], user):
            record_audit(action="sign out", target=user, before={"through": "JWT"})


def read_refresh_token(text: str) -> FamilyToken:
    try:
        token = FamilyToken(text)  # type: ignore[arg-type]  # the library means its text too
    except TokenError as error:
        raise refuse() from error
    if FAMILY_CLAIM not in token or STARTED_CLAIM not in token:
        raise refuse()
    return token


def refuse() -> NotAuthenticated:
    return NotAuthenticated("token_refused", "The token is not valid, expired, used or revoked.")


def revoke_family(family: str, user: User) -> int:
    """How many tokens of that family were still good."""
    good = OutstandingToken.objects.filter(user=user, token=family, blacklistedtoken=None)
    return len(BlacklistedToken.objects.bulk_create([BlacklistedToken(token=row) for row in good]))


def revoke_refresh_tokens(*, user: User) -> int:
    """How many tokens of that user were still good, and are no more."""
    good = OutstandingToken.objects.filter(user=user, blacklistedtoken=None)
    return len(BlacklistedToken.objects.bulk_create([BlacklistedToken(token=row) for row in good]))


def find_user(token: Token) -> User:
    """The user of a token whose signature and time are right.

    Raises: NotAuthenticated when the user left or changed the password.
    """
    user_id = str(token.get("user_id"))
    user = User.objects.filter(pk=user_id, is_active=True).first() if user_id.isdecimal() else None
    if user is None or not constant_time_compare(str(token.get(PROOF_CLAIM)), prove_password(user)):
        raise refuse()
    return user


def find_bearer(*, access_text: str) -> tuple[User, AccessToken]:
    """Who an access token speaks for, as of now.

    Raises: NotAuthenticated when it is not valid, expired, of a revoked family, or as `find_user`.
    """
    try:
        token = AccessToken(access_text)  # type: ignore[arg-type]  # the library means its text too
    except TokenError as error:
        raise refuse() from error
    user = find_user(token)
    living = OutstandingToken.objects.filter(
        user=user, token=token.get(FAMILY_CLAIM), blacklistedtoken=None
    )
    if not living.exists():
        raise refuse()
    return user, token
