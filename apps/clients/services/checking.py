"""What sites and tags are checked for before they are stored or removed."""

from django.core.exceptions import ValidationError

from apps.accounts.models import Invitation, Role
from apps.clients.models import MaintenanceWindow, Site, Tag
from apps.clients.naming import list_registered_naming
from apps.core.errors import Conflict, FieldError, Invalid

NAMED_AT_MOST = 5


def refuse_named(place: Site | Tag) -> None:
    """Raises: Conflict while a role, an open invitation or a selection names the site or tag.

    Somebody could make another of that name later, and what names it would mean that one.
    """
    kind = "site" if isinstance(place, Site) else "tag"
    role_member, member = f"{kind}_slug", f"{kind}s"
    # A denial that names nothing any more would let its user in again.
    if Role.objects.filter(**{role_member: place.slug}).exists():
        raise Conflict("named_by_role", "A role names it; change that role first.")
    # An expired one can still be renewed.
    waiting = Invitation.objects.filter(accepted_at=None, revoked_at=None)
    for roles in waiting.values_list("roles", flat=True):
        if any(role.get(role_member) == place.slug for role in roles):
            detail = "An open invitation names it; revoke that invitation first."
            raise Conflict("named_by_invitation", detail)
    naming = [*list_windows_naming(member, place.slug), *list_registered_naming(member, place.slug)]
    if naming:
        shown = ", ".join(naming[:NAMED_AT_MOST])
        more = len(naming) - NAMED_AT_MOST
        also = f" and {more} more" if more > 0 else ""
        raise Conflict("named_by_selection", f"It is selected by {shown}{also}; change that first.")


def list_windows_naming(member: str, slug: str) -> list[str]:
    rows = MaintenanceWindow.objects.order_by("name").values_list("name", "selector")
    return [
        f"the maintenance window {name!r}"
        for name, selector in rows
        if slug in selector.get(member, ())
    ]


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
