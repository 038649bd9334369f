"""Clients as somebody may see them."""

from uuid import UUID

from django.db.models import Count, Q, QuerySet

from apps.accounts.policy import AnyUser, Permission, Place, Scope, find_scope, narrow
from apps.clients.models import Client, Site, Tag
from apps.core.errors import NotFound


def build_client_filter(place: Place, *, path: str = "") -> Q:
    """The condition that a client is in `place`; `path` leads to the client (`client__`).

    The tag is matched by a subquery, because a join would make a row of every tag.
    """
    condition = Q()
    if place.site_slug:
        condition &= Q(**{f"{path}site__slug": place.site_slug})
    if place.tag_slug:
        tagged = Client.tags.through.objects.filter(tag__slug=place.tag_slug).values("client_id")
        condition &= Q(**{f"{path}id__in" if not path else f"{path.rstrip('_')}_id__in": tagged})
    return condition


def list_clients(user: AnyUser, permission: Permission = Permission.VIEW) -> QuerySet[Client]:
    """The clients on which `user` holds `permission`, with site and tags."""
    rows = Client.objects.select_related("site").prefetch_related("tags")
    return narrow(rows, find_scope(user, permission), build_filter=build_client_filter)


def get_client(
    user: AnyUser, client_id: UUID | str, permission: Permission = Permission.VIEW
) -> Client:
    """One client.

    Raises: NotFound when there is none, or none that `user` may see so.
    """
    client = list_clients(user, permission).filter(id=client_id).first()
    if client is None:
        raise NotFound("client_unknown", "There is no such client.")
    return client


def covers_client(scope: Scope, client: Client) -> bool:
    site_slug = client.site.slug if client.site else ""
    return scope.covers(site_slug, [tag.slug for tag in client.tags.all()])


def count_presence(user: AnyUser) -> dict[str, int]:
    """How many clients `user` sees in each presence; every presence is a key."""
    rows = list_clients(user).order_by().values("presence").annotate(n=Count("id"))
    counts = {row["presence"]: row["n"] for row in rows}
    return {presence: counts.get(presence, 0) for presence in Client.Presence.values}


def list_sites() -> QuerySet[Site]:
    return Site.objects.all()


def list_tags() -> QuerySet[Tag]:
    return Tag.objects.all()
