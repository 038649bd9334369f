"""Changes an operator makes to clients."""

import ipaddress
from collections.abc import Callable, Sequence
from enum import Enum
from uuid import UUID

from django.db.models import F

from apps.accounts.services import audited, record_audit
from apps.clients.models import Client, Site, Tag
from apps.clients.published import ClientChanged
from apps.core.bus import publish
from apps.core.errors import Conflict, FieldError, Invalid, NotFound

NAME_LENGTH = 100
LINK_GROUP_LENGTH = 64


class Kept(Enum):
    """Stands for what a change leaves as it is, where None means "none"."""

    KEPT = "kept"


KEPT = Kept.KEPT
# Raises a StreamSwarmError when the user may not leave a client with that site and those tags.
PlaceCheck = Callable[[Site | None, Sequence[Tag]], None]


@audited()
def change_client(
    *,
    client: Client,
    name: str | Kept = KEPT,
    site: Site | Kept | None = KEPT,
    tags: Sequence[Tag] | Kept = KEPT,
    peer_address: str | Kept = KEPT,
    link_group: str | Kept = KEPT,
    check_place: PlaceCheck | None = None,
) -> Client:
    """The client as it is now stored, with what of it was asked for.

    `check_place` is asked about the site and tags that the client has by now and will have.
    Raises: Invalid for an empty or overlong name, an address that is none or an overlong uplink,
    Conflict for a name that another client has, NotFound when it was deleted meanwhile.
    """
    locked = lock_client(client)
    before = describe_client(locked)
    old_tags = list(locked.tags.all())
    new_site = locked.site if isinstance(site, Kept) else site
    new_tags = old_tags if isinstance(tags, Kept) else list(tags)
    if check_place is not None:
        check_place(locked.site, old_tags)
        check_place(new_site, new_tags)
    if not isinstance(name, Kept):
        locked.name = check_name(locked, name)
    locked.site = new_site
    if not isinstance(peer_address, Kept):
        locked.peer_address = check_peer_address(peer_address)
    if not isinstance(link_group, Kept):
        locked.link_group = check_link_group(link_group)
    locked.save(update_fields=["name", "site", "peer_address", "link_group"])
    locked.tags.set(new_tags)
    record_audit(action="change", target=locked, before=before, after=describe_client(locked))
    publish(ClientChanged(locked.id))
    return locked


def lock_client(client: Client) -> Client:
    """The client as it is stored by now, nobody else's to change until the transaction ends.

    Raises: NotFound when it was deleted meanwhile.
    """
    rows = Client.objects.select_related("site").prefetch_related("tags__lineage")
    locked = rows.select_for_update(of=("self",), no_key=True)
    found = locked.filter(id=client.id, deleted_at=None).first()
    if found is None:
        raise NotFound("client_unknown", "There is no such client any more.")
    return found


def check_name(client: Client, name: str) -> str:
    """The name as `client` may have it.

    Raises: as `change_client`.
    """
    wanted = name.strip()
    if not 1 <= len(wanted) <= NAME_LENGTH:
        raise Invalid([FieldError("name", "length", f"must have 1 to {NAME_LENGTH} characters")])
    if Client.objects.filter(name=wanted).exclude(id=client.id).exists():
        raise Conflict("name_taken", f"Another client is called {wanted!r}.", field="name")
    return wanted


def check_peer_address(text: str) -> str:
    """The address, in its usual form, at which other agents find a client; empty for any.

    Raises: Invalid when it is no IP address.
    """
    try:
        return str(ipaddress.ip_address(text.strip())) if text.strip() else ""
    except ValueError:
        detail = "must be an IPv4 or IPv6 address, or empty"
        raise Invalid([FieldError("peer_address", "malformed", detail)]) from None


def check_link_group(text: str) -> str:
    """The name of the uplink that a client shares with others; empty for one of its own.

    Raises: Invalid for an overlong one.
    """
    wanted = text.strip()
    if len(wanted) > LINK_GROUP_LENGTH or not wanted.isprintable():
        detail = f"must have at most {LINK_GROUP_LENGTH} printable characters"
        raise Invalid([FieldError("link_group", "length", detail)])
    return wanted


def describe_client(client: Client) -> dict[str, object]:
    return {
        "name": client.name,
        "site": client.site.slug if client.site else None,
        "tags": sorted(tag.slug for tag in client.tags.all()),
        "peer_address": client.peer_address,
        "link_group": client.link_group,
    }


def wake_schedules(client_ids: Sequence[UUID]) -> None:
    """Let the clients' agents know by their next heartbeat that their schedule changed."""
    Client.objects.filter(id__in=client_ids).update(schedule_revision=F("schedule_revision") + 1)
