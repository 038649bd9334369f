"""Whether a scope holds all that a selection by place may mean, also clients still to come."""

from collections.abc import Collection, Mapping

from apps.accounts.policy import Scope
from apps.clients.algorithms.selector import Selector


def covers_selector(scope: Scope, selector: Selector, above: Mapping[str, Collection[str]]) -> bool:
    """Whether the scope holds every client that the selector may mean by its place.

    `above` has each of its tags with those that stand above it.
    """
    if not (selector.sites or selector.tags):
        return not selector.is_everything
    tags = {higher for slug in selector.tags for higher in above[slug]}
    return all(covers_place(scope, site, tags) for site in selector.sites or ("",))


def covers_place(scope: Scope, site_slug: str, tag_slugs: Collection[str]) -> bool:
    """Whether the scope holds all clients of a site, or of all for none, with all those tags.

    A client there may carry any other tag as well, so each denial that can meet it counts.
    """
    if any(site_slug in {"", place.site_slug} or not place.site_slug for place in scope.denied):
        return False
    return any(
        place.site_slug in {"", site_slug} and (not place.tag_slug or place.tag_slug in tag_slugs)
        for place in scope.allowed
    )
