"""Changes an operator makes to clients, sites and tags."""

from collections.abc import Sequence
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from apps.accounts.services import record_audit
from apps.clients.models import Client, Site, Tag
from apps.clients.published import ClientChanged
from apps.core.bus import publish
from apps.core.errors import Conflict, FieldError, Invalid

NAME_LENGTH = 100


@transaction.atomic
def change_client(*, client: Client, name: str, site: Site | None, tags: Sequence[Tag]) -> Client:
    """The client with its new name, site and tags.

    Raises: Invalid for an empty or overlong name, Conflict for one that another client has.
    """
    wanted = name.strip()
    if not 1 <= len(wanted) <= NAME_LENGTH:
        raise Invalid([FieldError("name", "length", f"must have 1 to {NAME_LENGTH} characters")])
    if Client.objects.filter(name=wanted).exclude(id=client.id).exists():
        raise Conflict("name_taken", f"Another client is called {wanted!r}.", field="name")
    before = describe_client(client)
    client.name = wanted
    client.site = site
    client.save(update_fields=["name", "site"])
    client.tags.set(tags)
    record_audit(action="change", target=client, before=before, after=describe_client(client))
    publish(ClientChanged(client.id))
    return client


def describe_client(client: Client) -> dict[str, object]:
    return {
        "name": client.name,
        "site": client.site.slug if client.site else None,
        "tags": sorted(tag.slug for tag in client.tags.all()),
    }


@transaction.atomic
def delete_client(*, client: Client) -> None:
    """Remove the client with its keys, inventory and everything measured by it."""
    record_audit(action="delete", target=client, before=describe_client(client))
    publish(ClientChanged(client.id))
    client.delete()


@transaction.atomic
def create_site(
    *, slug: str, name: str, latitude: float | None = None, longitude: float | None = None
) -> Site:
    site = Site(slug=slug, name=name, latitude=latitude, longitude=longitude)
    save_checked(site)
    record_audit(action="create", target=site, after={"slug": slug, "name": name})
    return site


@transaction.atomic
def create_tag(*, slug: str, name: str) -> Tag:
    tag = Tag(slug=slug, name=name)
    save_checked(tag)
    record_audit(action="create", target=tag, after={"slug": slug, "name": name})
    return tag


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


def wake_schedules(client_ids: Sequence[UUID]) -> None:
    """Let the clients' agents know by their next heartbeat that their schedule changed."""
    Client.objects.filter(id__in=client_ids).update(schedule_revision=F("schedule_revision") + 1)
