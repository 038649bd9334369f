"""Users, as administrators make and change them."""

from collections.abc import Iterable, Sequence

from allauth.mfa.models import Authenticator
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError

from apps.accounts.models import User
from apps.accounts.services.audit import audited, record_audit
from apps.accounts.services.bearers import revoke_refresh_tokens
from apps.accounts.services.inviters import withdraw_invitations
from apps.accounts.services.password_links import void_password_links
from apps.accounts.services.roles import (
    Grant,
    check_grants,
    describe_roles,
    keep_an_administrator,
    replace_roles,
)
from apps.accounts.services.sessions import end_sessions
from apps.accounts.services.setup import collect_errors
from apps.core.errors import FieldError, Invalid, NotFound

CHECKED_FIELDS = ("username", "email", "first_name", "last_name")


def create_user(
    *,
    username: str,
    email: str = "",
    first_name: str = "",
    last_name: str = "",
    password: str | None = None,
    grants: Sequence[Grant] = (),
) -> User:
    """The stored user with its roles; without a password nobody signs in until one is set.

    Raises: Invalid naming each wrong field and its rule.
    """
    check_grants(grants)
    user = User(
        username=username.strip(),
        email=email.strip(),
        confirmed_email=email.strip(),
        first_name=first_name.strip(),
        last_name=last_name.strip(),
    )
    errors = list_wrong_fields(user)
    if password is not None:
        errors += collect_errors("password", lambda: validate_password(password, user))
    if errors:
        raise Invalid(errors)
    # An empty password is stored as an unusable one.
    user.set_password(password)
    with audited():
        save_user(user)
        replace_roles(user, list(dict.fromkeys(grants)))
        record_audit(action="create", target=user, after=describe_user(user))
    return user


@audited()
def change_user(*, user: User, username: str, email: str, first_name: str, last_name: str) -> User:
    """The user with its new names and e-mail address; a new address voids open password links.

    The address counts as confirmed from now on, also one that the user had chosen.
    Raises: Invalid naming each wrong field and its rule, NotFound when the user is gone.
    """
    row = lock_user(user)
    before = describe_user(row)
    row.username, row.email = username.strip(), email.strip()
    row.confirmed_email = row.email
    row.first_name, row.last_name = first_name.strip(), last_name.strip()
    errors = list_wrong_fields(row)
    if errors:
        raise Invalid(errors)
    after = describe_user(row)
    if before != after:
        save_user(row, fields=(*CHECKED_FIELDS, "confirmed_email"))
        if before["email"] != after["email"]:
            void_password_links(user=row)
        record_audit(action="change", target=row, before=before, after=after)
    return row


def lock_user(user: User) -> User:
    row = User.objects.select_for_update().filter(pk=user.pk).first()
    if row is None:
        raise NotFound("user_unknown", "There is no such user.")
    return row


def list_wrong_fields(user: User) -> list[FieldError]:
    errors = []
    others = {field.name for field in user._meta.fields} - set(CHECKED_FIELDS)  # noqa: SLF001 - Django's documented API
    for field in CHECKED_FIELDS:
        rest = others | set(CHECKED_FIELDS) - {field}
        errors += collect_errors(field, lambda rest=rest: user.clean_fields(exclude=rest))  # type: ignore[misc]  # a loop variable bound at once
    namesakes = User.objects.filter(username__iexact=user.username).exclude(pk=user.pk)
    if namesakes.exists():
        errors.append(tell_taken(user))
    return errors


def tell_taken(user: User) -> FieldError:
    return FieldError("username", "taken", f"another user is named {user.username!r}")


def save_user(user: User, *, fields: Iterable[str] | None = None) -> None:
    try:
        with audited():
            user.save(update_fields=fields)
    except IntegrityError as error:
        raise Invalid([tell_taken(user)]) from error


def describe_user(user: User) -> dict[str, object]:
    """What the audit keeps of a user: never a secret."""
    return {
        "username": user.username,
        "email": user.email,
        "confirmed_email": user.confirmed_email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "is_active": user.is_active,
        "roles": describe_roles(user) if user.pk else [],
    }


def deactivate_user(*, user: User) -> None:
    """Lock the user out: sessions end, tokens stop working, open invitations by it are void.

    Raises: Conflict `last_admin`.
    """
    with keep_an_administrator():
        if set_active(user, is_active=False):
            end_sessions(user=user)
            withdraw_invitations(inviter=user)


def reactivate_user(*, user: User) -> None:
    """Let the user in again, with the roles it had."""
    with audited():
        set_active(user, is_active=True)


def set_active(user: User, *, is_active: bool) -> bool:
    """Whether anything changed."""
    if user.is_active == is_active:
        return False
    user.is_active = is_active
    user.save(update_fields=["is_active"])
    void_password_links(user=user)
    record_audit(
        action="reactivate" if is_active else "deactivate",
        target=user,
        before={"is_active": not is_active},
        after={"is_active": is_active},
    )
    return True


def delete_user(*, user: User) -> None:
    """Remove the user with its roles, tokens and sessions; what it did stays in the audit.

    Open invitations by it are void. Raises: Conflict `last_admin`.
    """
    with keep_an_administrator():
        withdraw_invitations(inviter=user)
        end_sessions(user=user)
        record_audit(action="delete", target=user, before=describe_user(user))
        user.delete()


def reset_second_factor(*, user: User) -> bool:
    """Whether the user had a second factor; it, its recovery codes and all JWTs are gone now."""
    with audited():
        factors = Authenticator.objects.filter(user=user)
        kinds = sorted(factors.values_list("type", flat=True))
        if not kinds:
            return False
        factors.delete()
        revoke_refresh_tokens(user=user)
        record_audit(action="reset second factor", target=user, before={"factors": kinds})
    return True
