from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django import template
from django.utils import timezone

from apps.clients.selectors import Maintenance
from apps.core.clock import read_now

register = template.Library()


@register.filter
def maintenance_of(
    states: Mapping[UUID, Maintenance] | None, client_id: UUID
) -> Maintenance | None:
    """The maintenance that the client is in, of those of a page."""
    return (states or {}).get(client_id)


@register.filter
def short_moment(value: datetime) -> str:
    """The time of day in the user's zone, with the date when it is not of today."""
    local = timezone.localtime(value)
    is_today = local.date() == timezone.localtime(read_now()).date()
    return local.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")
