"""Sites and tags with what is there, and what names them."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.accounts.policy import AnyUser
from apps.clients.models import MaintenanceWindow, Site, Tag
from apps.clients.selectors import count_clients, list_clients, list_sites, list_tags
from apps.tests.models import Test

NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site and how many clients its reader sees there."""

    site: Site
    client_count: int


@dataclass(frozen=True, slots=True)
class TagRow:
    """A tag in its tree: how deep it stands, the clients it has itself and with all below it."""

    tag: Tag
    depth: int
    client_count: int
    total_count: int


def describe_sites(user: AnyUser) -> list[SiteRow]:
    """The sites that `user` sees, by name; two queries."""
    counts = count_clients(user, "site_id")
    return [SiteRow(site, counts.get(site.id, 0)) for site in list_sites(user)]


def describe_tags(user: AnyUser) -> list[TagRow]:
    """The tags that `user` sees as a tree, each before those below it; two queries.

    A tag whose parent is not for this user stands at the root.
    """
    tags = list(list_tags(user).order_by("name", "id"))
    below = group_by_parent(tags)
    pairs = list_clients(user).order_by().values_list("id", "tags")
    carriers: dict[int, set[object]] = {}
    for client_id, tag_id in pairs:
        carriers.setdefault(tag_id, set()).add(client_id)
    rows: list[TagRow] = []
    for tag in below.get(None, []):
        add_branch(tag, 0, below, carriers, rows)
    return rows


def group_by_parent(tags: Sequence[Tag]) -> dict[int | None, list[Tag]]:
    ids = {tag.id for tag in tags}
    below: dict[int | None, list[Tag]] = {}
    for tag in tags:
        below.setdefault(tag.parent_id if tag.parent_id in ids else None, []).append(tag)
    return below


def add_branch(
    tag: Tag,
    depth: int,
    below: dict[int | None, list[Tag]],
    carriers: dict[int, set[object]],
    rows: list[TagRow],
) -> set[object]:
    """The clients of the tag and of all below it, whose rows are added behind its own."""
    place = len(rows)
    own = carriers.get(tag.id, set())
    everyone = set(own)
    for child in below.get(tag.id, []):
        everyone |= add_branch(child, depth + 1, below, carriers, rows)
    rows.insert(place, TagRow(tag, depth, len(own), len(everyone)))
    return everyone


def list_naming(slug: str, member: str) -> list[str]:
    """Names of the tests and maintenance windows that select by that site or tag, at most five.

    `member` is `sites` or `tags`. Whoever may delete a place operates everything.
    """
    tests = Test.objects.exclude(selection_kind=Test.SelectionKind.CLIENTS)
    rows = [
        *tests.values_list("name", "selector"),
        *MaintenanceWindow.objects.values_list("name", "selector"),
    ]
    return [name for name, selector in rows if slug in selector.get(member, [])][:NAMED_AT_MOST]
