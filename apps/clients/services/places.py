"""Sites and tags: by them clients are grouped, and by them roles say where they hold."""

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import Role
from apps.accounts.services import record_audit
from apps.clients.models import Site, Tag
from apps.core.errors import Conflict, FieldError, Invalid


@transaction.atomic
def create_site(
    *, slug: str, name: str, latitude: float | None = None, longitude: float | None = None
) -> Site:
    """The stored site.

    Raises: Invalid naming each wrong field.
    """
    site = Site(slug=slug, name=name, latitude=latitude, longitude=longitude)
    save_checked(site)
    record_audit(action="create", target=site, after=describe_site(site))
    return site


@transaction.atomic
def change_site(*, site: Site, name: str, latitude: float | None, longitude: float | None) -> Site:
    """The site with its new name and position; its slug never changes.

    Raises: Invalid naming each wrong field.
    """
    before = describe_site(site)
    site.name, site.latitude, site.longitude = name, latitude, longitude
    save_checked(site)
    record_audit(action="change", target=site, before=before, after=describe_site(site))
    return site


@transaction.atomic
def delete_site(*, site: Site) -> None:
    """Remove a site.

    Raises: Conflict while clients are there, or a role names it.
    """
    if site.clients.exists():
        raise Conflict("site_in_use", f"There are clients at the site {site.name!r}.")
    refuse_named_by_role(site_slug=site.slug)
    record_audit(action="delete", target=site, before=describe_site(site))
    site.delete()


def describe_site(site: Site) -> dict[str, object]:
    return {
        "slug": site.slug,
        "name": site.name,
        "latitude": site.latitude,
        "longitude": site.longitude,
    }


@transaction.atomic
def create_tag(*, slug: str, name: str) -> Tag:
    """The stored tag.

    Raises: Invalid naming each wrong field.
    """
    tag = Tag(slug=slug, name=name)
    save_checked(tag)
    record_audit(action="create", target=tag, after=describe_tag(tag))
    return tag


@transaction.atomic
def change_tag(*, tag: Tag, name: str) -> Tag:
    """The tag with its new name; its slug never changes.

    Raises: Invalid for an empty or overlong name.
    """
    before = describe_tag(tag)
    tag.name = name
    save_checked(tag)
    record_audit(action="change", target=tag, before=before, after=describe_tag(tag))
    return tag


@transaction.atomic
def delete_tag(*, tag: Tag) -> None:
    """Remove a tag, also from its clients.

    Raises: Conflict while a role names it.
    """
    refuse_named_by_role(tag_slug=tag.slug)
    record_audit(action="delete", target=tag, before=describe_tag(tag))
    tag.delete()


def describe_tag(tag: Tag) -> dict[str, object]:
    return {"slug": tag.slug, "name": tag.name}


def refuse_named_by_role(**place: str) -> None:
    # A denial that names nothing any more would let its user in again.
    if Role.objects.filter(**place).exists():
        raise Conflict("named_by_role", "A role names it; change that role first.")


def save_checked(row: Site | Tag) -> None:
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
