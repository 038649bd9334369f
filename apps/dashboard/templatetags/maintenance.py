from collections.abc import Mapping
from uuid import UUID

from django import template

from apps.clients.selectors import Maintenance

register = template.Library()


@register.filter
def maintenance_of(
    states: Mapping[UUID, Maintenance] | None, client_id: UUID
) -> Maintenance | None:
    """The maintenance that the client is in, of those of a page."""
    return (states or {}).get(client_id)
