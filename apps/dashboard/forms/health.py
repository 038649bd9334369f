from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.dashboard.forms.base import PageForm
from apps.ml.selectors.goals import GoalChange

# The service's fields as people type them: field of the form, and what one of its unit is.
FIELDS: Mapping[str, tuple[str, float]] = {
    "availability_goal_ratio": ("availability", 0.01),
    "latency_good_seconds": ("latency_good", 0.001),
    "latency_bad_seconds": ("latency_bad", 0.001),
    "jitter_good_seconds": ("jitter_good", 0.001),
    "jitter_bad_seconds": ("jitter_bad", 0.001),
    "throughput_bits_per_second": ("throughput", 1e6),
}
DIGITS = 12


class GoalForm(PageForm):
    """What the paths of a test are asked for."""

    availability = forms.FloatField(
        label=_("Goal of availability"),
        help_text=_("Full marks from here on, none at 90 %. Failures beyond it burn reliability."),
    )
    latency_good = forms.FloatField(label=_("Good latency"), help_text=_("Full marks up to it."))
    latency_bad = forms.FloatField(label=_("Useless latency"), help_text=_("No marks from it on."))
    jitter_good = forms.FloatField(label=_("Good jitter"), help_text=_("Full marks up to it."))
    jitter_bad = forms.FloatField(label=_("Useless jitter"), help_text=_("No marks from it on."))
    throughput = forms.FloatField(
        label=_("Expected throughput"),
        required=False,
        help_text=_("Empty: what the client itself measured in two weeks, the median."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.update({"step": "any", "min": "0"})

    def field_name(self, name: str) -> str:
        return FIELDS[name][0] if name in FIELDS else name

    def build_change(self) -> GoalChange:
        return GoalChange(**{name: self.read(name) for name in FIELDS})

    def read(self, name: str) -> Any:
        """What was typed, in the service's unit; None for nothing."""
        own, unit = FIELDS[name]
        value = self.cleaned_data[own]
        return None if value is None else float(f"{value * unit:.{DIGITS}g}")


def describe_goal_form(values: GoalChange) -> dict[str, float | None]:
    """The form's first values."""
    described = {}
    for name, (own, unit) in FIELDS.items():
        value = getattr(values, name)
        described[own] = None if value is None else float(f"{value / unit:.{DIGITS}g}")
    return described
