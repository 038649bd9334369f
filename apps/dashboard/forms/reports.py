from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser
from apps.clients.algorithms.recurrence import list_time_zones
from apps.clients.selectors import list_clients
from apps.dashboard.forms.maintenance import WEEKDAY_WORDS
from apps.dashboard.forms.selecting import SelectingForm, mark_chosen
from apps.reports.languages import LANGUAGES
from apps.reports.models import ReportPlan
from apps.reports.sections import SECTIONS, TEMPLATES
from apps.reports.services.reports import LARGEST_LOGO_BYTES, PlanDefinition
from apps.tests.models import Test
from apps.tests.selectors import list_tests

FIELD_NAMES = {"selector": "clients"}


def list_templates(section: str) -> str:
    return " ".join(name for name, sections in TEMPLATES.items() if section in sections)


class ReportForm(SelectingForm):
    """A report plan; its times are those of the chosen zone."""

    name = forms.CharField(label=_("Title"), max_length=100)
    template = forms.ChoiceField(label=_("Template"), choices=ReportPlan.Template.choices)
    period = forms.ChoiceField(label=_("Period"), choices=ReportPlan.Period.choices)
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=lambda: [(zone, zone) for zone in sorted(list_time_zones())]
    )
    language = forms.ChoiceField(label=_("Language"), choices=LANGUAGES)
    accent = forms.CharField(
        label=_("Colour"), widget=forms.TextInput(attrs={"type": "color"}), initial="#0f5fb8"
    )
    logo = forms.FileField(
        label=_("Logo"), required=False, help_text=_("PNG or JPEG, at most 256 KiB.")
    )
    is_without_logo = forms.BooleanField(label=_("Without a logo"), required=False)
    tests = forms.ModelMultipleChoiceField(
        label=_("Tests"), queryset=Test.objects.none(), required=False
    )
    sections = forms.MultipleChoiceField(
        label=_("Sections, in their order"),
        choices=[(name, section.title) for name, section in SECTIONS.items()],
        required=False,
    )
    cadence = forms.ChoiceField(label=_("Sent"), choices=ReportPlan.Cadence.choices)
    hour = forms.IntegerField(label=_("At"), initial=6)
    weekday = forms.TypedChoiceField(
        label=_("On"),
        choices=[(place, words) for place, (_day, words) in enumerate(WEEKDAY_WORDS)],
        coerce=int,
        initial=0,
    )
    month_day = forms.IntegerField(
        label=_("On day"), required=False, initial=1, help_text=_("1 to 28, which every month has.")
    )
    recipients = forms.CharField(
        label=_("Recipients"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_("E-mail addresses, one a line."),
    )

    def __init__(self, *args: Any, user: AnyUser, **kwargs: Any) -> None:
        choosable = list_clients(user).prefetch_related(None).order_by("name")
        super().__init__(*args, user=user, choosable=choosable, **kwargs)
        self.choosable_tests = list_tests(user).order_by("name")
        self.offer(tests=self.choosable_tests)

    @property
    def test_choices(self) -> list[tuple[Test, bool]]:
        return mark_chosen(self, "tests", self.choosable_tests)

    @property
    def section_choices(self) -> list[tuple[str, str, bool, str]]:
        """Name, title, whether it is chosen, and the templates that have it.

        The chosen ones come first, in their order.
        """
        template = str(self["template"].value() or ReportPlan.Template.EXECUTIVE)
        known = TEMPLATES.get(template, TEMPLATES[ReportPlan.Template.EXECUTIVE])
        chosen = [name for name in self["sections"].value() or known if name in SECTIONS]
        names = [*chosen, *(name for name in SECTIONS if name not in chosen)]
        return [
            (name, str(SECTIONS[name].title), name in chosen, list_templates(name))
            for name in names
        ]

    def field_name(self, name: str) -> str:
        return FIELD_NAMES.get(name, name)

    def clean_recipients(self) -> list[str]:
        text: str = self.cleaned_data["recipients"]
        return [word for word in text.replace(",", " ").replace(";", " ").split() if word]

    def clean_logo(self) -> Any:
        logo = self.cleaned_data["logo"]
        if logo and logo.size > LARGEST_LOGO_BYTES:
            raise ValidationError(_("It must have at most 256 KiB."))
        return logo

    def build_definition(self) -> PlanDefinition:
        """The plan that a valid form asks for."""
        cleaned = self.cleaned_data
        sections = tuple(cleaned["sections"])
        logo = cleaned["logo"].read() if cleaned["logo"] else None
        same = ("name", "template", "period", "time_zone", "language", "accent", "cadence", "hour")
        return PlanDefinition(
            **{name: cleaned[name] for name in same},
            weekday=cleaned["weekday"],
            month_day=cleaned["month_day"] or 1,
            recipients=tuple(cleaned["recipients"]),
            # What the template has anyway is not kept: the template may grow.
            sections=() if sections == TEMPLATES[cleaned["template"]] else sections,
            selector=self.build_selector(),
            tests=tuple(str(test.id) for test in cleaned["tests"]),
            logo=b"" if cleaned["is_without_logo"] else logo,
        )


def describe_report_form(plan: ReportPlan) -> dict[str, Any]:
    """The form's first values for a stored plan."""
    same = (
        "name", "template", "period", "time_zone", "language", "accent", "cadence", "hour",
        "weekday", "month_day", "sections", "tests",
    )  # fmt: skip
    return {
        **{name: getattr(plan, name) for name in same},
        "recipients": "\n".join(plan.recipients),
        **{name: list(plan.selector.get(name, ())) for name in ("sites", "tags", "clients")},
    }


def propose_report(asked: Mapping[str, list[str]]) -> dict[str, Any]:
    """The form's first values for a new plan."""
    return {
        "time_zone": timezone.get_current_timezone_name(),
        "period": ReportPlan.Period.LAST_30_DAYS,
        **{name: asked.get(name, []) for name in ("sites", "tags", "clients", "tests")},
    }
