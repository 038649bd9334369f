"""What users say about themselves."""

from collections.abc import Mapping
from zoneinfo import available_timezones

from django.conf import settings
from django.core.validators import validate_email

from apps.accounts.models import User
from apps.accounts.services.audit import audited, record_audit
from apps.accounts.services.password_links import void_password_links
from apps.accounts.services.setup import collect_errors
from apps.core.errors import FieldError, Invalid

PROFILE_FIELDS = ("first_name", "last_name", "email", "time_zone", "language", "theme")
LONGEST = {"first_name": 150, "last_name": 150, "email": 254}


@audited()
def change_profile(*, user: User, changes: Mapping[str, str]) -> None:
    """Keep what the user changed of PROFILE_FIELDS; empty means the server's choice.

    Raises: Invalid naming each wrong field and what it may be.
    """
    wanted = {name: changes[name].strip() for name in PROFILE_FIELDS if name in changes}
    errors = [error for name, value in wanted.items() for error in check_field(name, value)]
    if errors:
        raise Invalid(errors)
    changed = {name: value for name, value in wanted.items() if getattr(user, name) != value}
    if not changed:
        return
    before = {name: getattr(user, name) for name in changed}
    for name, value in changed.items():
        setattr(user, name, value)
    user.save(update_fields=list(changed))
    if "email" in changed:
        void_password_links(user=user)
    record_audit(action="change", target=user, before=before, after=changed)


def check_field(name: str, value: str) -> list[FieldError]:
    """What is wrong with the value of one profile field."""
    if "\x00" in value:
        return [FieldError(name, "malformed", "must not hold NUL characters")]
    if name in LONGEST and len(value) > LONGEST[name]:
        return [FieldError(name, "too_long", f"must have at most {LONGEST[name]} characters")]
    if name == "email":
        return collect_errors("email", lambda: validate_email(value)) if value else []
    if name == "time_zone" and value and value not in available_timezones():
        sentence = "must be a time zone of the IANA list, such as Europe/Berlin"
        return [FieldError(name, "unknown", sentence)]
    choices = list_choices().get(name, [value])
    if value not in choices:
        words = ", ".join(choice for choice in choices if choice)
        return [FieldError(name, "unknown", f"must be one of {words}")]
    return []


def list_choices() -> dict[str, list[str]]:
    return {"language": ["", *dict(settings.LANGUAGES)], "theme": list(User.Theme.values)}


def set_theme(*, user: User, theme: str) -> None:
    """Keep the user's choice of light, dark or system.

    Raises: Invalid for any other word.
    """
    change_profile(user=user, changes={"theme": theme})
