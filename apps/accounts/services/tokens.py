"""API tokens: shown once, kept as a digest, limited to scopes."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction

from apps.accounts.models import Token, User
from apps.accounts.services.audit import record_audit
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid

DEFAULT_LIFE = timedelta(days=365)
# Writing down every use would turn each read into a write.
LAST_USED_RESOLUTION = timedelta(minutes=1)


@transaction.atomic
def create_token(
    *, user: User, name: str, scopes: Sequence[str], life: timedelta | None = DEFAULT_LIFE
) -> tuple[Token, str]:
    """The stored token and its secret text, which is never to be had again.

    Raises: Invalid for an empty name, no scope or an unknown scope.
    """
    errors = []
    if not name.strip():
        errors.append(FieldError("name", "required", "must not be empty"))
    unknown = sorted(set(scopes) - set(Token.Scope.values))
    if unknown or not scopes:
        allowed = ", ".join(Token.Scope.values)
        errors.append(FieldError("scopes", "unknown_scope", f"must be some of {allowed}"))
    if errors:
        raise Invalid(errors)
    token, secret = Token.objects.create(
        user=user, expiry=life, name=name.strip(), scopes=sorted(set(scopes))
    )
    record_audit(action="create", target=token, after={"name": name, "scopes": token.scopes})
    return token, secret


def note_token_use(token: Token) -> None:
    now = read_now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USED_RESOLUTION:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
