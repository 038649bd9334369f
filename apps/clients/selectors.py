"""Clients as somebody may see them."""

from collections.abc import Iterable
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from apps.accounts.policy import (
    AnyUser,
    Permission,
    Place,
    Scope,
    find_scope,
    narrow,
    require,
)
from apps.clients.algorithms.selector import Selector
from apps.clients.models import Client, EnrolmentToken, Site, Tag
from apps.core.errors import FieldError, Invalid, NotFound, Refused


def build_client_filter(place: Place, *, path: str = "") -> Q:
    """The condition that a client is in `place`; `path` leads to the client (`client__`).

    The tag, or one below it, is matched by a subquery: a join would make a row of every tag.
    """
    condition = Q()
    if place.site_slug:
        condition &= Q(**{f"{path}site__slug": place.site_slug})
    if place.tag_slug:
        condition &= build_tag_filter(place.tag_slug, path=path)
    return condition


def build_tag_filter(tag_slug: str, *, path: str = "") -> Q:
    """The condition that a client carries the tag or one below it in the tree."""
    carried = Client.tags.through.objects.filter(tag__in=list_below(tag_slug)).values("client_id")
    return Q(**{f"{path.rstrip('_')}_id__in" if path else "id__in": carried})


def list_below(tag_slug: str) -> QuerySet[Tag, Any]:
    """The ids of the tag and of all below it."""
    return Tag.objects.filter(Q(slug=tag_slug) | Q(lineage__slug=tag_slug)).values("id")


def build_selector_filter(selector: Selector, *, path: str = "") -> Q:
    """The condition that a client is one of the selector's; `path` leads to the client."""
    if selector.is_everything:
        return Q()
    by_place = Q()
    if selector.sites:
        by_place &= Q(**{f"{path}site__slug__in": selector.sites})
    for tag_slug in selector.tags:
        by_place &= build_tag_filter(tag_slug, path=path)
    if not selector.client_ids:
        return by_place
    by_name = Q(**{f"{path.rstrip('_')}_id__in" if path else "id__in": selector.client_ids})
    return by_name | by_place if by_place else by_name


def list_selected(user: AnyUser, selector: Selector, permission: Permission) -> QuerySet[Client]:
    """The clients of the selector on which `user` holds `permission`."""
    return list_clients(user, permission).filter(build_selector_filter(selector))


def list_clients(user: AnyUser, permission: Permission = Permission.VIEW) -> QuerySet[Client]:
    """The clients on which `user` holds `permission`, with site and tags."""
    rows = Client.objects.select_related("site").prefetch_related("tags__lineage")
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


def pick_clients(
    user: AnyUser, client_ids: Iterable[UUID], permission: Permission = Permission.OPERATE
) -> list[Client]:
    """The clients of those ids, on which `user` holds `permission`.

    Raises: Invalid naming the ids that there are none for.
    """
    wanted = set(client_ids)
    found = list(list_clients(user, permission).filter(id__in=wanted))
    missing = sorted(str(client_id) for client_id in wanted - {client.id for client in found})
    if missing:
        detail = f"there is no such client in your hands: {', '.join(missing)}"
        raise Invalid([FieldError("clients", "unknown", detail)])
    return found


def covers_client(scope: Scope, client: Client) -> bool:
    site_slug = client.site.slug if client.site else ""
    return scope.covers(site_slug, list_tag_slugs(client.tags.all()))


def list_tag_slugs(tags: Iterable[Tag]) -> list[str]:
    """The slugs of the tags and of everything above them."""
    return sorted({one.slug for tag in tags for one in (tag, *tag.lineage.all())})


def count_presence(user: AnyUser) -> dict[str, int]:
    """How many clients `user` sees in each presence; every presence is a key."""
    rows = list_clients(user).order_by().values("presence").annotate(n=Count("id"))
    counts = {row["presence"]: row["n"] for row in rows}
    return {presence: counts.get(presence, 0) for presence in Client.Presence.values}


def require_place(user: AnyUser, site: Site | None, tags: Iterable[Tag]) -> None:
    """Raises: Refused when `user` may not operate a client with that site and those tags.

    Otherwise somebody could push a client out of the hands of those it belongs to.
    """
    scope = require(user, Permission.OPERATE)
    if not scope.covers(site.slug if site else "", list_tag_slugs(tags)):
        raise Refused("refused", "Your role does not reach clients with that site and those tags.")


def list_sites(user: AnyUser) -> QuerySet[Site]:
    """The sites that `user` has a client or a role at."""
    seen = list_clients(user).order_by().values("site_id")
    return narrow_places(Site.objects.all(), user, "site_slug", seen)


def list_tags(user: AnyUser) -> QuerySet[Tag]:
    """The tags that a client of `user` has, or a role names."""
    clients = list_clients(user).order_by().values("id")
    seen = Client.tags.through.objects.filter(client_id__in=clients).values("tag_id")
    return narrow_places(Tag.objects.all(), user, "tag_slug", seen)


PlaceRow = TypeVar("PlaceRow", Site, Tag)


def narrow_places(
    rows: QuerySet[PlaceRow], user: AnyUser, name: str, seen_ids: QuerySet[Any, Any]
) -> QuerySet[PlaceRow]:
    """The rows of `seen_ids`, or that the scope's `name` (site_slug or tag_slug) means."""
    scope = find_scope(user, Permission.VIEW)
    if scope.is_everything:
        return rows
    if scope.is_empty:
        return rows.none()
    hidden = [
        slug
        for slug in (getattr(place, name) for place in scope.denied)
        if Place(**{name: slug}) in scope.denied
    ]
    kept = rows.exclude(slug__in=hidden)
    if any(place.is_everywhere for place in scope.allowed):
        return kept
    named = [getattr(place, name) for place in scope.allowed]
    return kept.filter(Q(slug__in=named) | Q(id__in=seen_ids))


def list_enrolment_tokens(user: AnyUser) -> QuerySet[EnrolmentToken]:
    """The enrolment tokens that make clients which `user` may operate."""
    rows = EnrolmentToken.objects.select_related("site", "created_by").prefetch_related("tags")
    scope = find_scope(user, Permission.OPERATE)
    return narrow(rows, scope, build_filter=build_token_filter)


def build_token_filter(place: Place) -> Q:
    condition = Q()
    if place.site_slug:
        condition &= Q(site__slug=place.site_slug)
    if place.tag_slug:
        through = EnrolmentToken.tags.through
        below = list_below(place.tag_slug)
        tagged = through.objects.filter(tag__in=below).values("enrolmenttoken_id")
        condition &= Q(id__in=tagged)
    return condition


def get_enrolment_token(user: AnyUser, token_id: int) -> EnrolmentToken:
    """One enrolment token.

    Raises: NotFound when there is none that `user` may operate.
    """
    token = list_enrolment_tokens(user).filter(id=token_id).first()
    if token is None:
        raise NotFound("token_unknown", "There is no such enrolment token.")
    return token
