"""What sites and tags are checked for before they are stored or removed."""

from django.core.exceptions import ValidationError

from apps.accounts.models import Role
from apps.clients.models import Site, Tag
from apps.core.errors import Conflict, FieldError, Invalid


def refuse_named_by_role(**place: str) -> None:
    # A denial that names nothing any more would let its user in again.
    if Role.objects.filter(**place).exists():
        raise Conflict("named_by_role", "A role names it; change that role first.")


def save_checked(row: Site | Tag) -> None:
    """Store the row.

    Raises: Invalid naming each field that breaks a rule of its model.
    """
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(
            [
                FieldError(field, "invalid", message)
                for field, messages in error.message_dict.items()
                for message in messages
            ]
        ) from error
    row.save()
