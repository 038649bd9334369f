"""How pages write numbers, times, states and icons."""

from datetime import datetime
from functools import cache

from django import template
from django.apps import apps
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.clock import read_now
from apps.dashboard.formats import (
    Style,
    describe_key,
    find_style,
    format_age,
    format_period,
    format_quantity,
)
from apps.dashboard.kind_charts import LABELS
from apps.dashboard.selectors.clients import name_standing
from apps.dashboard.selectors.tests import Headline
from apps.dashboard.selectors.unusual import write_word
from apps.metrics.catalogue import ABSENT_CODES
from apps.ml.models import Feedback
from apps.tests.algorithms.cron import describe_cron
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Test

BREAK = "\N{ZERO WIDTH SPACE}"

register = template.Library()


@cache
def list_object_kinds() -> dict[str, str | Promise]:
    """What people call the rows of each model, by the word that stands in the audit."""
    return {
        model._meta.model_name or "": model._meta.verbose_name or ""  # noqa: SLF001 - documented API
        for model in apps.get_models()
    }


@register.filter
def object_kind(word: str) -> str:
    """The name of a kind of object; one that is gone keeps the word of its time."""
    return str(list_object_kinds().get(word, word))


# Colour, icon and word together: none of the three carries the meaning alone.
STATES: dict[str, tuple[str, str, str | Promise]] = {
    "online": ("good", "circle-check", gettext_lazy("Online")),
    "late": ("warning", "clock", gettext_lazy("Late")),
    "offline": ("bad", "circle-x", gettext_lazy("Offline")),
    "never": ("idle", "circle-dashed", gettext_lazy("Never seen")),
    "passing": ("good", "circle-check", gettext_lazy("Passing")),
    "failing": ("bad", "circle-x", gettext_lazy("Failing")),
    "waiting": ("idle", "circle-dashed", gettext_lazy("No result yet")),
    "unassigned": ("idle", "circle-dashed", gettext_lazy("No client")),
    "paused": ("idle", "player-pause", gettext_lazy("Paused")),
    "scheduled": ("idle", "clock", gettext_lazy("Scheduled")),
    "leased": ("idle", "clock", gettext_lazy("Handed to the agent")),
    "running": ("busy", "player-play", gettext_lazy("Running")),
    "finished": ("good", "circle-check", gettext_lazy("Finished")),
    "unsuccessful": ("bad", "circle-x", gettext_lazy("No success")),
    "failed": ("bad", "alert-triangle", gettext_lazy("Failed")),
    "missed": ("warning", "alert-circle", gettext_lazy("Missed")),
    "nonstart": ("warning", "ban", gettext_lazy("Not started")),
    "cancelled": ("idle", "x", gettext_lazy("Cancelled")),
    "up": ("good", "circle-check", gettext_lazy("Up")),
    "down": ("idle", "circle-x", gettext_lazy("Down")),
    "valid": ("good", "circle-check", gettext_lazy("Valid")),
    "used": ("idle", "check", gettext_lazy("Used up")),
    "expired": ("idle", "clock", gettext_lazy("Expired")),
    "info": ("idle", "info-circle", gettext_lazy("Information")),
    "warning": ("warning", "alert-triangle", gettext_lazy("Warning")),
    "critical": ("bad", "circle-x", gettext_lazy("Critical")),
    "queued": ("idle", "clock", gettext_lazy("Waiting")),
    "making": ("busy", "loader", gettext_lazy("Being made")),
    "ready": ("good", "circle-check", gettext_lazy("Ready")),
    "sent": ("good", "circle-check", gettext_lazy("Sent")),
    "unsent": ("idle", "clock", gettext_lazy("Waiting")),
    "retrying": ("warning", "refresh", gettext_lazy("Tried again")),
    "revoked": ("warning", "ban", gettext_lazy("Revoked")),
}


@register.simple_tag
def icon(name: str, css_class: str = "") -> SafeString:
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>',
        css_class,
        static("vendor/icons.svg"),
        name,
    )


@register.simple_tag
def state(name: str) -> SafeString:
    """A badge of a state: colour, icon and word."""
    tone, icon_name, word = STATES.get(name, ("idle", "circle-dashed", name))
    return format_html('<span class="state state-{}">{}{}</span>', tone, icon(icon_name), word)


@register.filter
def state_word(name: str) -> str:
    return str(STATES[name][2]) if name in STATES else name


@register.filter
def schedule(test: Test) -> str:
    """When a test runs, in words."""
    duration = format_period(test.duration_seconds)
    if test.schedule_kind == Test.ScheduleKind.EVERY:
        every = format_period(test.every_seconds or 0)
        return _("every %(every)s for %(duration)s") % {"every": every, "duration": duration}
    if test.schedule_kind == Test.ScheduleKind.CRON:
        words = {"when": describe_cron(test.cron_expression), "zone": test.time_zone}
        return _("%(when)s (%(zone)s) for %(duration)s") % {**words, "duration": duration}
    if test.schedule_kind == Test.ScheduleKind.CONTINUOUS:
        return _("continuously, %(duration)s a run") % {"duration": duration}
    return _("once, for %(duration)s") % {"duration": duration}


@register.filter
def period(seconds: float) -> str:
    return format_period(seconds)


@register.filter
def quantity(value: float | None, style: str) -> str:
    return format_quantity(value, Style(style))


@register.filter
def quantity_of(value: float | None, key: str) -> str:
    """The value of a metric key with the unit the catalogue gives it."""
    return format_quantity(value, find_style(key))


@register.filter
def meaning(key: str) -> str:
    return describe_key(key)


@register.filter
def absence(code: str) -> str:
    """Why a value is missing, in words."""
    return _(ABSENT_CODES.get(code, "not measured"))


@register.filter
def bytes_of(value: object) -> str:
    """A size out of a document that an agent wrote, which may hold anything."""
    return format_quantity(value if isinstance(value, int | float) else None, Style.BYTES)


@register.filter
def short_name(key: str) -> str:
    """What a figure is called in little room; a key without a name may break after its dots."""
    return str(LABELS.get(key, key.replace(".", f".{BREAK}")))


@register.filter
def written(word: Feedback) -> str:
    """What somebody said of a finding."""
    return write_word(word)


@register.filter
def unit_of(field: BoundField) -> str:
    return str(field.field.widget.attrs.get("data-unit", ""))


@register.filter
def aim(test: Test) -> str:
    """What a test aims at, in short: its target, its topology, or the client's own host."""
    if KINDS[test.kind].target_form == "agent":
        return _("own host")
    return test.get_topology_display() or (test.target.address if test.target else "")


@register.filter
def standing(assignment: Assignment) -> str:
    """How an assignment stands by its newest result."""
    return name_standing(assignment)


@register.filter
def headlines(assignment: Assignment) -> tuple[Headline, ...]:
    keys = KINDS[assignment.test.kind].headline
    return tuple(Headline(key, assignment.last_values.get(key)) for key in keys)


@register.simple_tag
def measured(
    values: dict[str, float] | None, absent: dict[str, str] | None, key: str
) -> SafeString:
    """The value of a key, or a dash that says on hovering why there is none."""
    value = (values or {}).get(key)
    if value is not None:
        text = format_quantity(value, find_style(key))
        return format_html('<span title="{}">{}</span>', describe_key(key), text)
    reason = absence((absent or {}).get(key, ""))
    return format_html(
        '<span class="absent" title="{0}">—<span class="visually-hidden"> {0}</span></span>', reason
    )


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A time in the user's zone, with the zone."""
    if value is None:
        return "—"
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}">{} <span class="zone">{}</span></time>',
        value.isoformat(),
        local.strftime("%Y-%m-%d %H:%M:%S"),
        local.tzname(),
    )


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """How long ago, kept going by the page; the full time on hovering."""
    if value is None:
        return "—"
    age = format_age((read_now() - value).total_seconds())
    local = timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S %Z")
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        value.isoformat(),
        local,
        _("{age} ago").format(age=age),
    )
