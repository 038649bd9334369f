from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.accounts.models import User

LONGEST_PASSWORD = 128


class MaximumLengthValidator:
    """Bounds the work of hashing; in the protocol of Django's password validators."""

    def validate(self, password: str, user: User | None = None) -> None:  # noqa: ARG002 - Django's
        if len(password) > LONGEST_PASSWORD:
            raise ValidationError(
                _("This password is too long. It may have at most %(maximum)d characters."),
                code="password_too_long",
                params={"maximum": LONGEST_PASSWORD},
            )

    def get_help_text(self) -> str:
        return _("At most %(maximum)d characters.") % {"maximum": LONGEST_PASSWORD}
