"""Clients as somebody may see them."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Case, Count, Q, QuerySet, Value, When
from django.db.models.fields.json import KeyTransform

from apps.accounts.policy import (
    AnyUser,
    Permission,
    Place,
    Scope,
    find_scope,
    narrow,
    require,
)
from apps.clients.algorithms.recurrence import Occurrence, Recurrence, list_occurrences
from apps.clients.algorithms.selector import Selector, parse_selector
from apps.clients.models import Client, EnrolmentToken, Key, MaintenanceWindow, Site, Tag
from apps.clients.reach import covers_selector
from apps.core.errors import FieldError, Invalid, NotFound, Refused

CAPABILITY_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
# A query asks of so many windows at once: databases limit columns and parameters.
WINDOWS_PER_QUERY = 200

SelectorKey = TypeVar("SelectorKey", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ClientQuery:
    """What a list of clients is narrowed by; empty members narrow nothing."""

    text: str = ""
    presence: str = ""
    site: str = ""
    tag: str = ""
    version: str = ""
    capability: str = ""
    has_clone: bool = False

    @property
    def is_everything(self) -> bool:
        return self == ClientQuery()


def search_clients(
    user: AnyUser, query: ClientQuery, permission: Permission = Permission.VIEW
) -> QuerySet[Client]:
    """The clients on which `user` holds `permission` and that `query` means.

    The text is looked for in name, host name, address and system; a tag means those below it too.
    """
    rows = list_clients(user, permission)
    if query.text:
        rows = rows.filter(match_text(query.text))
    if query.presence:
        rows = rows.filter(presence=query.presence)
    if query.site:
        rows = rows.filter(site__slug=query.site)
    if query.tag:
        rows = rows.filter(build_tag_filter(query.tag))
    if query.version:
        rows = rows.filter(agent_version=query.version)
    if query.capability:
        rows = keep_capable(rows, query.capability)
    if query.has_clone:
        rows = rows.exclude(clone_suspected_at=None)
    return rows


def match_text(text: str) -> Q:
    fields = ("name", "hostname", "last_address", "operating_system")
    condition = Q()
    for field in fields:
        condition |= Q(**{f"{field}__icontains": text})
    return condition


def keep_capable(rows: QuerySet[Client], capability: str) -> QuerySet[Client]:
    """Those of the clients whose inventory says that they have the capability."""
    if not CAPABILITY_NAME.fullmatch(capability):
        return rows.none()
    named = KeyTransform(capability, KeyTransform("capabilities", "inventory"))
    marked = rows.alias(has_capability=KeyTransform("is_available", named))
    return marked.filter(has_capability=True)


def list_versions(user: AnyUser) -> list[str]:
    """The agent versions of the clients that `user` sees, each once."""
    rows = list_clients(user).order_by("agent_version").exclude(agent_version="")
    return list(rows.values_list("agent_version", flat=True).distinct())


def get_key(client: Client, prefix: str) -> Key:
    """The key of `client` with that prefix.

    Raises: NotFound when it has none.
    """
    key = client.keys.filter(prefix=prefix).first()
    if key is None:
        raise NotFound("key_unknown", "This client has no such key.")
    return key


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
    """The clients on which `user` holds `permission`, with site and tags; none being deleted."""
    rows = Client.objects.filter(deleted_at=None)
    rows = rows.select_related("site").prefetch_related("tags__lineage")
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


def count_clients(user: AnyUser, name: str) -> dict[int, int]:
    """How many clients of `user` each site has (`site_id`), or carry each tag (`tags`), by id."""
    rows = list_clients(user).order_by().values(name).annotate(n=Count("id"))
    return {row[name]: row["n"] for row in rows if row[name] is not None}


def get_site(user: AnyUser, site_id: int) -> Site:
    """One site.

    Raises: NotFound when there is none that `user` may see.
    """
    site = list_sites(user).filter(id=site_id).first()
    if site is None:
        raise NotFound("site_unknown", "There is no such site.")
    return site


def get_tag(user: AnyUser, tag_id: int) -> Tag:
    """One tag with its parent.

    Raises: NotFound when there is none that `user` may see.
    """
    tag = list_tags(user).select_related("parent").filter(id=tag_id).first()
    if tag is None:
        raise NotFound("tag_unknown", "There is no such tag.")
    return tag


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


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What a client is in the middle of: the window, its effect, and when this time is over."""

    window_id: UUID
    name: str
    effect: str
    until: datetime


def read_recurrence(window: MaintenanceWindow) -> Recurrence:
    """When the window comes, as the algorithms take it."""
    return Recurrence(
        starts_at=window.starts_at,
        duration_seconds=window.duration_seconds,
        time_zone=window.time_zone,
        rule=window.recurrence,
        ended_at=window.ended_at,
    )


def list_windows(
    user: AnyUser, permission: Permission = Permission.VIEW
) -> QuerySet[MaintenanceWindow]:
    """The windows that touch a client on which `user` holds `permission`, and those `user` made."""
    rows = MaintenanceWindow.objects.select_related("created_by")
    scope = find_scope(user, permission)
    if scope.is_everything:
        return rows
    if scope.is_empty:
        return rows.none()
    selectors = dict(MaintenanceWindow.objects.values_list("id", "selector"))
    counts = count_selected(user, selectors, permission)
    touching = [window_id for window_id, count in counts.items() if count]
    return rows.filter(Q(id__in=touching) | Q(created_by=user))


def get_window(
    user: AnyUser, window_id: UUID | str, permission: Permission = Permission.VIEW
) -> MaintenanceWindow:
    """One maintenance window; to operate it, all of its clients must be in the user's hands.

    Raises: NotFound when `user` cannot see it, Refused when it touches others' clients.
    """
    window = list_windows(user).filter(id=window_id).first()
    if window is None:
        raise NotFound("window_unknown", "There is no such maintenance window.")
    if permission != Permission.VIEW:
        require_selected(user, parse_selector(window.selector))
    return window


def require_selected(user: AnyUser, selector: Selector) -> None:
    """Raises: Refused unless `user` operates every client that it means, today or later."""
    scope = require(user, Permission.OPERATE)
    if selector.is_everything and not scope.is_everything:
        raise Refused("refused", "Only who operates every client may select all of them.")
    if not may_select(user, selector):
        raise Refused(
            "refused", "This selection reaches clients that your role does not let you operate."
        )


def may_select(user: AnyUser, selector: Selector) -> bool:
    """Whether `user` operates every client that the selector means, today or later."""
    return bool(find_reached(user, {0: selector}))


def find_reached(user: AnyUser, selectors: Mapping[SelectorKey, Selector]) -> set[SelectorKey]:
    """The keys of those selectors all of whose clients, today or later, `user` operates.

    Two queries at most. A client that was deleted never comes back, so it does not count.
    """
    scope = find_scope(user, Permission.OPERATE)
    if scope.is_everything or scope.is_empty:
        return set() if scope.is_empty else set(selectors)
    named = {client_id for one in selectors.values() for client_id in one.client_ids}
    mine = list_clients(user, Permission.OPERATE).order_by().values("id")
    others = Client.objects.filter(id__in=named, deleted_at=None).exclude(id__in=mine)
    strange = set(others.values_list("id", flat=True)) if named else set()
    above: dict[str, set[str]] = {slug: {slug} for one in selectors.values() for slug in one.tags}
    if above:
        lineages = Tag.objects.filter(slug__in=above, lineage__isnull=False)
        for slug, higher in lineages.values_list("slug", "lineage__slug"):
            above[slug].add(higher)
    return {
        key
        for key, one in selectors.items()
        if not strange.intersection(one.client_ids) and covers_selector(scope, one, above)
    }


def build_stored_filter(document: Mapping[str, Any]) -> Q:
    """As `build_selector_filter`, of a stored selector; never empty."""
    return build_selector_filter(parse_selector(document)) or Q(pk__isnull=False)


def count_selected(
    user: AnyUser,
    selectors: Mapping[UUID, Mapping[str, Any]],
    permission: Permission = Permission.VIEW,
) -> dict[UUID, int]:
    """How many clients of `user` each stored selector means, by its key; a query for each 200."""
    rows = list_clients(user, permission).order_by()
    counts: dict[UUID, int] = {}
    keys = list(selectors)
    for start in range(0, len(keys), WINDOWS_PER_QUERY):
        asked = {f"n{place}": key for place, key in enumerate(keys[start:][:WINDOWS_PER_QUERY])}
        found = rows.aggregate(
            **{
                name: Count("id", filter=build_stored_filter(selectors[key]))
                for name, key in asked.items()
            }
        )
        counts |= {key: found[name] for name, key in asked.items()}
    return counts


def describe_maintenance(client_ids: Sequence[UUID], at: datetime) -> dict[UUID, Maintenance]:
    """The maintenance that those of the clients are in which are in any; two queries at most.

    A pause counts before a mute, then the one that lasts longest.
    """
    moment = at + timedelta(microseconds=1)
    current: list[tuple[MaintenanceWindow, Maintenance]] = []
    for window in MaintenanceWindow.objects.order_by("starts_at", "id"):
        times = list_occurrences(read_recurrence(window), start=at, end=moment)
        if times:
            until = max(one.end for one in times)
            current.append((window, Maintenance(window.id, window.name, window.effect, until)))
    # The weightiest last, so that it is what stays.
    current.sort(key=lambda pair: (pair[1].effect == "pause", pair[1].until))
    matched = match_windows(client_ids, [window for window, _state in current])
    return {client_id: current[numbers[-1]][1] for client_id, numbers in matched.items() if numbers}


def match_windows(
    client_ids: Sequence[UUID], windows: Sequence[MaintenanceWindow]
) -> dict[UUID, list[int]]:
    """The places in `windows` of those that mean each client; a query for each 200 windows."""
    matched: dict[UUID, list[int]] = {}
    rows = Client.objects.filter(id__in=client_ids).values_list("id")
    for start in range(0, len(windows) if client_ids else 0, WINDOWS_PER_QUERY):
        marks = {
            f"is_in_{place}": Case(
                When(build_stored_filter(window.selector), then=Value(value=True)),
                default=Value(value=False),
            )
            for place, window in enumerate(windows[start:][:WINDOWS_PER_QUERY])
        }
        for client_id, *marked in rows.annotate(**marks):
            mine = matched.setdefault(client_id, [])
            mine += [place for place, is_in in enumerate(marked, start) if is_in]
    return matched


def list_pauses(client: Client, *, start: datetime, end: datetime) -> list[Occurrence]:
    """The times in [start, end) in which the client starts no runs, merged and in order."""
    coming: list[tuple[MaintenanceWindow, list[Occurrence]]] = []
    for window in MaintenanceWindow.objects.filter(effect=MaintenanceWindow.Effect.PAUSE):
        found = list_occurrences(read_recurrence(window), start=start, end=end)
        if found:
            coming.append((window, found))
    matched = match_windows([client.id], [window for window, _found in coming])
    times = [time for number in matched.get(client.id, ()) for time in coming[number][1]]
    merged: list[Occurrence] = []
    for time in sorted(times, key=lambda one: one.start):
        if merged and time.start <= merged[-1].end:
            merged[-1] = Occurrence(merged[-1].start, max(merged[-1].end, time.end))
        else:
            merged.append(time)
    return merged


def list_operable(user: AnyUser, windows: Sequence[MaintenanceWindow]) -> set[UUID]:
    """The ids of the windows all of whose clients, today or later, are in the user's hands."""
    return find_reached(user, {one.id: parse_selector(one.selector) for one in windows})
