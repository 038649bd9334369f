"""Whom somebody means by a selector: read, and refused where it names what is not there."""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.clients.algorithms.selector import Selector, read_selector
from apps.clients.models import Client, Site, Tag
from apps.core.errors import FieldError


def read_members(document: Mapping[str, Any]) -> tuple[Selector, list[FieldError]]:
    """The selector that somebody asks for, with an error for each kind of unknown member.

    Of a malformed one an empty selector comes with the error.
    """
    selector, faults = read_selector(document)
    return selector, faults or check_members(selector)


def check_members(selector: Selector) -> list[FieldError]:
    """An error for each kind of member of which some do not exist, naming those."""
    sites = Site.objects.filter(slug__in=selector.sites).values_list("slug", flat=True)
    tags = Tag.objects.filter(slug__in=selector.tags).values_list("slug", flat=True)
    clients = Client.objects.filter(id__in=selector.client_ids, deleted_at=None)
    return [
        *name_unknown("site", selector.sites, sites if selector.sites else ()),
        *name_unknown("tag", selector.tags, tags if selector.tags else ()),
        *name_unknown(
            "client",
            selector.client_ids,
            clients.values_list("id", flat=True) if selector.client_ids else (),
        ),
    ]


def name_unknown(kind: str, wanted: Iterable[Any], known: Iterable[Any]) -> list[FieldError]:
    unknown = sorted(str(one) for one in set(wanted) - set(known))
    if not unknown:
        return []
    detail = f"there is no {kind} called {', '.join(unknown)}"
    return [FieldError(f"selector.{kind}s", "unknown", detail)]
