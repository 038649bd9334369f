"""How pages write a score of health."""

from collections.abc import Mapping
from uuid import UUID

from django import template
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from apps.dashboard.selectors.health import explain_reason
from apps.dashboard.templatetags.swarm import icon
from apps.ml.algorithms.health import Band, find_band
from apps.ml.models import HealthScore

register = template.Library()
BANDS: dict[Band, tuple[str, str, str | Promise]] = {
    Band.HEALTHY: ("good", "circle-check", gettext_lazy("healthy")),
    Band.WARNING: ("warning", "alert-circle", gettext_lazy("warning")),
    Band.CRITICAL: ("bad", "circle-x", gettext_lazy("critical")),
    Band.UNKNOWN: ("idle", "circle-dashed", gettext_lazy("unknown")),
}


@register.simple_tag
def health(score: float | None, reason: str = "") -> SafeString:
    """A badge: the score with colour, mark and word; of an unknown one the reason on hovering."""
    tone, icon_name, word = BANDS[find_band(score)]
    figure = "" if score is None else format_html("<b>{}</b> ", round(score))
    return format_html(
        '<span class="state state-{}" title="{}">{}{}{}</span>',
        tone,
        reason,
        icon(icon_name),
        figure,
        word,
    )


@register.simple_tag
def health_band(score: float | None) -> SafeString:
    """The badge beside a score that is written out."""
    tone, icon_name, word = BANDS[find_band(score)]
    return format_html('<span class="state state-{}">{}{}</span>', tone, icon(icon_name), word)


@register.simple_tag
def health_of(scores: Mapping[UUID, HealthScore], owner: UUID) -> SafeString:
    """The badge of one of the scores, by the id of what it is of."""
    row = scores.get(owner)
    if row is None or row.score is None:
        return health(None, explain_reason(row.reason if row else ""))
    return health(row.score)


@register.filter
def health_tone(score: float | None) -> str:
    return BANDS[find_band(score)][0]


@register.filter
def points(value: float) -> str:
    """So many points off, to a tenth."""
    return f"\N{MINUS SIGN}{value:.1f}"
