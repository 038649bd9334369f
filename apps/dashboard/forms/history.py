from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.core.clock import read_now
from apps.core.http import FIRST_YEAR, LAST_YEAR, is_plausible
from apps.dashboard.forms.base import PageForm

SHORTEST = timedelta(seconds=10)
LONGEST = timedelta(days=3660)
LOCAL_SECOND = "%Y-%m-%dT%H:%M:%S"


class MomentField(forms.DateTimeField):
    """A date and time of day: in the user's zone unless it names another."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format=LOCAL_SECOND)
    default_error_messages = {
        "required": _("must be given together with the other end"),
        "invalid": _("must be a date with a time of day, such as 2026-01-31 12:00"),
    }

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        if moment is not None and not is_plausible(moment):
            years = {"first": FIRST_YEAR, "last": LAST_YEAR}
            detail = _("must lie between %(first)s and %(last)s") % years
            raise ValidationError(detail, code="out_of_range")
        return moment


class RangeForm(PageForm):
    """From when to when charts show; whole seconds."""

    start = MomentField(label=_("From"))
    end = MomentField(label=_("Until"))

    def clean_start(self) -> datetime:
        start: datetime = self.cleaned_data["start"].replace(microsecond=0)
        if start >= read_now():
            raise ValidationError(_("lies in the future, where nothing is measured yet"))
        return start

    def clean_end(self) -> datetime:
        end: datetime = self.cleaned_data["end"].replace(microsecond=0)
        start = self.cleaned_data.get("start")
        if start is None:
            return end
        if end - start < SHORTEST:
            raise ValidationError(_("must be at least 10 seconds later than the start"))
        if end - start > LONGEST:
            raise ValidationError(_("must be at most 3,660 days later than the start"))
        return end
