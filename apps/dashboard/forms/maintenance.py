from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser, Permission, find_scope
from apps.clients.algorithms.recurrence import list_time_zones
from apps.clients.algorithms.recurrence_words import (
    ORDINALS,
    WEEKDAYS,
    build_preset_rule,
    recognise_preset,
)
from apps.clients.models import MaintenanceWindow
from apps.clients.services import WindowDefinition
from apps.core.clock import read_now
from apps.dashboard.forms.selecting import SelectingForm
from apps.dashboard.forms.tests import list_choosable

MINUTE_SECONDS = 60
LOCAL_MOMENT = "%Y-%m-%dT%H:%M"
PRESETS = (
    ("once", _("Once")),
    ("daily", _("Every day")),
    ("weekly", _("Every week")),
    ("monthly", _("Every month")),
    ("custom", _("By an RRULE of my own")),
)
ORDINAL_WORDS = (
    ("1", _("First")),
    ("2", _("Second")),
    ("3", _("Third")),
    ("4", _("Fourth")),
    ("-1", _("Last")),
)
WEEKDAY_WORDS = (
    ("MO", _("Monday")),
    ("TU", _("Tuesday")),
    ("WE", _("Wednesday")),
    ("TH", _("Thursday")),
    ("FR", _("Friday")),
    ("SA", _("Saturday")),
    ("SU", _("Sunday")),
)
FIELD_NAMES = {
    "duration_seconds": "duration_minutes",
    "selector.sites": "sites",
    "selector.tags": "tags",
    "selector.clients": "clients",
}


class MaintenanceForm(SelectingForm):
    """A maintenance window; its times are those of the chosen zone."""

    name = forms.CharField(label=_("Name"), max_length=100)
    effect = forms.ChoiceField(
        label=_("Effect"),
        choices=MaintenanceWindow.Effect.choices,
        initial=MaintenanceWindow.Effect.PAUSE,
    )
    starts_at = forms.CharField(
        label=_("First start"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_MOMENT),
    )
    duration_minutes = forms.IntegerField(
        label=_("Lasts"), initial=120, help_text=_("1 minute to 31 days.")
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=lambda: [(zone, zone) for zone in sorted(list_time_zones())],
        help_text=_("22:00 stays 22:00 there when the clocks change."),
    )
    preset = forms.ChoiceField(label=_("Repeats"), choices=PRESETS, initial="once")
    weekdays = forms.MultipleChoiceField(
        label=_("On"),
        choices=WEEKDAY_WORDS,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    ordinal = forms.ChoiceField(label=_("On the"), choices=ORDINAL_WORDS, required=False)
    weekday = forms.ChoiceField(label=_("Day"), choices=WEEKDAY_WORDS, required=False)
    recurrence = forms.CharField(
        label=_("Recurrence rule"),
        required=False,
        help_text=_("RFC 5545 without DTSTART, as FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH"),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )

    def __init__(self, *args: Any, user: AnyUser, **kwargs: Any) -> None:
        super().__init__(*args, user=user, choosable=list_choosable(user), **kwargs)
        self.may_select_all = find_scope(user, Permission.OPERATE).is_everything

    def field_name(self, name: str) -> str:
        if name == "recurrence" and self.cleaned_data.get("preset") != "custom":
            return "preset"
        return FIELD_NAMES.get(name, name)

    def clean_starts_at(self) -> datetime:
        try:
            return datetime.strptime(self.cleaned_data["starts_at"], LOCAL_MOMENT)  # noqa: DTZ007 - its zone is another field
        except ValueError as error:
            raise ValidationError(_("Give a date and a time.")) from error

    def clean_weekdays(self) -> list[str]:
        chosen = self.cleaned_data["weekdays"]
        return [day for day in WEEKDAYS if day in chosen]

    def build_definition(self) -> WindowDefinition:
        """The window that a valid form asks for."""
        cleaned = self.cleaned_data
        rule = cleaned["recurrence"].strip().removeprefix("RRULE:")
        if cleaned["preset"] != "custom":
            rule = build_preset_rule(
                cleaned["preset"],
                weekdays=cleaned["weekdays"],
                ordinal=cleaned["ordinal"] or "1",
                weekday=cleaned["weekday"] or "MO",
            )
        return WindowDefinition(
            name=cleaned["name"],
            effect=cleaned["effect"],
            starts_at=cleaned["starts_at"].replace(tzinfo=ZoneInfo(cleaned["time_zone"])),
            duration_seconds=cleaned["duration_minutes"] * MINUTE_SECONDS,
            time_zone=cleaned["time_zone"],
            recurrence=rule,
            selector=self.build_selector(),
        )


def describe_window_form(window: MaintenanceWindow) -> dict[str, Any]:
    """The form's first values for a stored window."""
    local = window.starts_at.astimezone(ZoneInfo(window.time_zone))
    pattern = recognise_preset(window.recurrence)
    return {
        "name": window.name,
        "effect": window.effect,
        "starts_at": local.strftime(LOCAL_MOMENT),
        "duration_minutes": -(-window.duration_seconds // MINUTE_SECONDS),
        "time_zone": window.time_zone,
        "preset": pattern.preset,
        "weekdays": list(pattern.weekdays),
        "weekday": pattern.weekdays[0] if pattern.weekdays else "MO",
        "ordinal": pattern.ordinal or next(iter(ORDINALS)),
        "recurrence": window.recurrence,
        **{name: list(window.selector.get(name, ())) for name in ("sites", "tags", "clients")},
    }


def propose_window(asked: Mapping[str, list[str]]) -> dict[str, Any]:
    """The form's first values for a new window: the next full hour of the user's zone."""
    now = timezone.localtime(read_now())
    begin = now.replace(minute=0, second=0) + timedelta(hours=1)
    return {
        "starts_at": begin.strftime(LOCAL_MOMENT),
        "time_zone": timezone.get_current_timezone_name(),
        **{name: asked.get(name, []) for name in ("sites", "tags", "clients")},
    }
