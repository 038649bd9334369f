from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.dashboard.formats import find_style, format_quantity
from apps.dashboard.templatetags.swarm import icon
from apps.dashboard.thresholds import read_thresholds_once

register = template.Library()


@register.simple_tag(takes_context=True)
def high(context: dict[str, Any], values: dict[str, float] | None, key: str) -> SafeString | str:
    """A mark in words on a value above its threshold; nothing on any other."""
    value = (values or {}).get(key)
    limit = read_thresholds_once(context["request"]).get(key)
    if value is None or limit is None or value <= limit:
        return ""
    above = _("above %(limit)s") % {"limit": format_quantity(limit, find_style(key))}
    return format_html(
        '<span class="state state-warning" title="{}">{}{}</span>',
        above,
        icon("alert-triangle"),
        _("High"),
    )
