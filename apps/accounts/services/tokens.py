"""API tokens: shown once, kept as a digest, limited to scopes."""

from collections.abc import Sequence
from datetime import timedelta

from apps.accounts.models import Token, User
from apps.accounts.services.audit import audited, record_audit
from apps.core.clock import read_now
from apps.core.database import forgive_full_disk
from apps.core.errors import FieldError, Invalid

DEFAULT_LIFE = timedelta(days=365)
MAXIMUM_LIFE = timedelta(days=730)
NAME_LENGTH = 100
# Writing down every use would turn each read into a write.
LAST_USED_RESOLUTION = timedelta(minutes=1)


@audited()
def create_token(
    *, user: User, name: str, scopes: Sequence[str], life: timedelta = DEFAULT_LIFE
) -> tuple[Token, str]:
    """The stored token and its secret text, which is never to be had again.

    Raises: Invalid naming each wrong field and its limit.
    """
    check_token(name=name, scopes=scopes, life=life)
    token, secret = Token.objects.create(
        user=user, expiry=life, name=name.strip(), scopes=sorted(set(scopes))
    )
    record_audit(action="create", target=token, after=describe_token(token))
    return token, secret


def check_token(*, name: str, scopes: Sequence[str], life: timedelta) -> None:
    errors = []
    if not 1 <= len(name.strip()) <= NAME_LENGTH:
        errors.append(FieldError("name", "length", f"must have 1 to {NAME_LENGTH} characters"))
    if not scopes or not set(scopes) <= set(Token.Scope.values):
        allowed = ", ".join(Token.Scope.values)
        errors.append(FieldError("scopes", "unknown_scope", f"must be some of {allowed}"))
    if not timedelta(0) < life <= MAXIMUM_LIFE:
        errors.append(
            FieldError("days", "out_of_range", f"must be from 1 to {MAXIMUM_LIFE.days} days")
        )
    if errors:
        raise Invalid(errors)


def describe_token(token: Token) -> dict[str, object]:
    return {
        "name": token.name,
        "user": token.user.get_username(),
        "scopes": token.scopes,
        "expiry": token.expiry,
    }


@audited()
def revoke_token(*, token: Token) -> None:
    """Remove the token; what still carries it gets 401 from now on."""
    record_audit(action="revoke", target=token, before=describe_token(token))
    token.delete()


@audited()
def revoke_tokens(*, user: User) -> int:
    """How many API tokens the user had; all are revoked."""
    tokens = list(Token.objects.select_related("user").filter(user=user))
    for token in tokens:
        revoke_token(token=token)
    return len(tokens)


def note_token_use(token: Token) -> None:
    now = read_now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USED_RESOLUTION:
        with forgive_full_disk():
            Token.objects.filter(pk=token.pk).update(last_used_at=now)
