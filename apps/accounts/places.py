"""The names that a role's scope may use; the room that has the sites and tags says them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from apps.core.errors import FieldError


@dataclass(frozen=True, slots=True)
class KnownPlaces:
    """Those of the asked slugs that exist."""

    site_slugs: frozenset[str] = frozenset()
    tag_slugs: frozenset[str] = frozenset()


FindPlaces = Callable[[Collection[str], Collection[str]], KnownPlaces]

_finders: list[FindPlaces] = []


def register_places(find: FindPlaces) -> None:
    """From now on `find(site_slugs, tag_slugs)` says which of them exist."""
    _finders[:] = [find]


def find_unknown_places(
    site_slugs: Collection[str], tag_slugs: Collection[str], *, field: str
) -> list[FieldError]:
    """What is wrong with the slugs, as errors at `field`; empty slugs mean everywhere."""
    sites, tags = set(site_slugs) - {""}, set(tag_slugs) - {""}
    if not sites and not tags:
        return []
    known = _finders[0](sites, tags) if _finders else KnownPlaces()
    unknown = [("site", slug) for slug in sorted(sites - known.site_slugs)]
    unknown += [("tag", slug) for slug in sorted(tags - known.tag_slugs)]
    return [
        FieldError(field, f"unknown_{kind}", f"there is no {kind} {slug!r}")
        for kind, slug in unknown
    ]
