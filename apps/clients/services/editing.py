"""Changes an operator makes to clients."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import F

from apps.accounts.services import audited, record_audit
from apps.clients.models import Client, Site, Tag
from apps.clients.published import ClientChanged
from apps.core.bus import publish
from apps.core.errors import Conflict, FieldError, Invalid

NAME_LENGTH = 100


@audited()
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


def wake_schedules(client_ids: Sequence[UUID]) -> None:
    """Let the clients' agents know by their next heartbeat that their schedule changed."""
    Client.objects.filter(id__in=client_ids).update(schedule_revision=F("schedule_revision") + 1)
