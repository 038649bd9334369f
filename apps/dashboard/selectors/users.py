"""Users beside the sites and tags that their roles name."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import Role, User
from apps.accounts.places import KnownPlaces
from apps.accounts.policy import Permission, Place, find_scope
from apps.clients.models import Client, Site, Tag
from apps.clients.selectors import list_clients

PERMISSION_WORDS: Mapping[Permission, str | Promise] = {
    Permission.VIEW: gettext_lazy("See"),
    Permission.OPERATE: gettext_lazy("Operate"),
    Permission.ADMINISTER: gettext_lazy("Administer"),
}


def find_places(site_slugs: Collection[str], tag_slugs: Collection[str]) -> KnownPlaces:
    """Those of the slugs that exist."""
    sites = Site.objects.filter(slug__in=site_slugs).values_list("slug", flat=True)
    tags = Tag.objects.filter(slug__in=tag_slugs).values_list("slug", flat=True)
    return KnownPlaces(site_slugs=frozenset(sites), tag_slugs=frozenset(tags))


@dataclass(frozen=True, slots=True)
class PlaceNames:
    """The names of sites and tags by their slugs."""

    sites: Mapping[str, str]
    tags: Mapping[str, str]

    def describe(self, site_slug: str, tag_slug: str) -> str:
        """Where that is, in words; a slug that nothing has any more stands for itself."""
        site, tag = self.sites.get(site_slug, site_slug), self.tags.get(tag_slug, tag_slug)
        if site and tag:
            return _("site %(site)s with the tag %(tag)s") % {"site": site, "tag": tag}
        if site:
            return _("site %(site)s") % {"site": site}
        return _("tag %(tag)s") % {"tag": tag} if tag else _("everywhere")


def load_place_names() -> PlaceNames:
    """The names of all sites and tags, in two queries."""
    return PlaceNames(
        sites=dict(Site.objects.values_list("slug", "name")),
        tags=dict(Tag.objects.values_list("slug", "name")),
    )


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role in words: `id` is 0 for one that is not stored yet."""

    id: int
    label: str
    place: str
    is_denial: bool


def describe_roles(roles: Iterable[Role], names: PlaceNames) -> list[RoleRow]:
    return [
        RoleRow(
            id=role.pk,
            label=role.get_name_display(),
            place=names.describe(role.site_slug, role.tag_slug),
            is_denial=role.effect == Role.Effect.DENY,
        )
        for role in roles
    ]


def describe_waiting_roles(
    documents: Iterable[Mapping[str, str]], names: PlaceNames
) -> list[RoleRow]:
    """The roles of an invitation in words."""
    roles = [Role(**document) for document in documents]
    return [RoleRow(0, row.label, row.place, row.is_denial) for row in describe_roles(roles, names)]


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What all roles together come to for one permission, over `client_total` clients."""

    permission: str
    client_count: int
    client_total: int
    allowed: tuple[str, ...]
    denied: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SiteRow:
    """How many of a site's clients each permission reaches, in the order of the permissions."""

    name: str
    client_total: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    rows: tuple[EffectRow, ...]
    sites: tuple[SiteRow, ...]


def describe_effect(user: User, names: PlaceNames) -> Effect:
    """What the user may do where, counted by asking the policy for the clients; four queries."""
    totals = count_by_site(Client.objects.all())
    reached = {item: count_by_site(list_clients(user, item)) for item in Permission}
    rows = tuple(
        EffectRow(
            permission=str(PERMISSION_WORDS[item]),
            client_count=sum(reached[item].values()),
            client_total=sum(totals.values()),
            allowed=describe_places(find_scope(user, item).allowed, names),
            denied=describe_places(find_scope(user, item).denied, names),
        )
        for item in Permission
    )
    sites = tuple(
        SiteRow(
            name=names.sites.get(slug, "") or _("Without a site"),
            client_total=total,
            counts=tuple(reached[item].get(slug, 0) for item in Permission),
        )
        for slug, total in sorted(totals.items())
    )
    return Effect(rows, sites)


def count_by_site(clients: QuerySet[Client]) -> dict[str, int]:
    rows = clients.order_by().values("site__slug").annotate(total=Count("id", distinct=True))
    return {row["site__slug"] or "": row["total"] for row in rows}


def describe_places(places: Iterable[Place], names: PlaceNames) -> tuple[str, ...]:
    found = (names.describe(place.site_slug, place.tag_slug) for place in places)
    return tuple(dict.fromkeys(found))
