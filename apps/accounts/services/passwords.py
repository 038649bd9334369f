"""Passwords: proving the present one, and changing it."""

from django.contrib.auth.password_validation import validate_password

from apps.accounts.actors import read_actor
from apps.accounts.models import User
from apps.accounts.services.audit import audited, record_audit
from apps.accounts.services.lockout import count_failure, forget_failures, require_unlocked
from apps.accounts.services.password_links import void_password_links
from apps.accounts.services.sessions import end_sessions
from apps.accounts.services.setup import collect_errors
from apps.core.errors import FieldError, Invalid


def prove_password(*, user: User, password: str) -> None:
    """Nothing, when that is the user's password.

    Raises: Invalid when it is not, TooManyRequests after too many wrong ones from this address.
    """
    who = {"username": user.get_username(), "address": read_actor().address}
    require_unlocked(**who)
    if not user.check_password(password):
        wrong = Invalid([FieldError("current_password", "wrong", "is not your password")])
        raise count_failure(wrong, **who)
    forget_failures(**who)


def change_password(
    *, user: User, current_password: str, new_password: str, session_key: str | None = None
) -> None:
    """Give the user a new password; every session but the one with that key ends, and all JWTs.

    Raises: Invalid naming the wrong field and the rule it breaks, TooManyRequests as
    `prove_password`.
    """
    prove_password(user=user, password=current_password)
    errors = collect_errors("new_password", lambda: validate_password(new_password, user))
    if not errors and new_password == current_password:
        errors = [FieldError("new_password", "unchanged", "must differ from the present one")]
    if errors:
        raise Invalid(errors)
    with audited():
        user.set_password(new_password)
        user.save(update_fields=["password"])
        record_audit(action="change password", target=user)
        void_password_links(user=user)
        end_sessions(user=user, except_key=session_key)
