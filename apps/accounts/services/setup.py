"""The first administrator: by a one-time code, or by a password given at a headless start."""

import hashlib
import hmac
import secrets
from collections.abc import Callable

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import Role, SetupCode, User
from apps.accounts.services.audit import record_audit
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid, NotFound, Refused

CODE_ID = 1
# Without letters and digits that look alike, because people type it.
CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_GROUPS = 4
CODE_GROUP_LENGTH = 4


def is_setup_open() -> bool:
    return not User.objects.exists()


def issue_setup_code() -> str | None:
    """A fresh code that replaces any earlier one; None when there is a user already."""
    groups = [
        "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_GROUP_LENGTH))
        for _ in range(CODE_GROUPS)
    ]
    code = "-".join(groups)
    with transaction.atomic():
        if not is_setup_open():
            return None
        SetupCode.objects.update_or_create(
            id=CODE_ID, defaults={"digest": digest_code(code), "created_at": read_now()}
        )
    return code


def digest_code(code: str) -> str:
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()


def set_up_first_admin(*, code: str, username: str, password: str) -> User:
    """The first administrator.

    Raises: NotFound when there is a user already, Refused for a wrong code,
    Invalid for a user name or password that breaks a rule.
    """
    with transaction.atomic():
        # The lock on the code's row lets exactly one of many simultaneous requests through.
        row = SetupCode.objects.select_for_update().filter(id=CODE_ID, used_at=None).first()
        if row is None or not is_setup_open():
            raise NotFound("setup_closed", "This server has been set up already.")
        if not hmac.compare_digest(row.digest, digest_code(code)):
            raise Refused("wrong_code", "That is not the code the server printed.")
        user = create_admin(username=username, password=password)
        row.used_at = read_now()
        row.save(update_fields=["used_at"])
    return user


def create_admin_from_password(password: str) -> User | None:
    """The user `admin` with that password on a server without users; None on any other."""
    with transaction.atomic():
        if not password or not is_setup_open():
            return None
        return create_admin(username="admin", password=password)


def create_admin(*, username: str, password: str) -> User:
    user = User(username=username.strip(), is_staff=True, is_superuser=True)
    errors = [
        *collect_errors("username", lambda: user.clean_fields(exclude=["password"])),
        *collect_errors("password", lambda: validate_password(password, user)),
    ]
    if errors:
        raise Invalid(errors)
    user.set_password(password)
    user.save()
    Role.objects.create(user=user, name=Role.Name.ADMIN)
    record_audit(action="create", target=user, after={"username": user.username, "role": "admin"})
    return user


def collect_errors(field: str, check: Callable[[], None]) -> list[FieldError]:
    """What `check` has against the field, as our field errors."""
    try:
        check()
    except ValidationError as error:
        return [FieldError(field, "invalid", message) for message in error.messages]
    return []
