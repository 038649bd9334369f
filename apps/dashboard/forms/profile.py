"""What users fill in about themselves; the rules are the services'."""

from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.choices import CallableChoiceIterator
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Token, User
from apps.dashboard.forms.base import PageForm

LIVES = (
    (7, _("7 days")),
    (30, _("30 days")),
    (90, _("90 days")),
    (365, _("1 year")),
    (730, _("2 years")),
)


def list_zones() -> list[tuple[str, Any]]:
    """The time zones by region; the empty choice is the server's own."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(available_timezones()):
        region, _slash, place = name.partition("/")
        group, label = (region, place) if place else ("Other", region)
        regions.setdefault(group, []).append((name, label.replace("_", " ")))
    server = _("As the server (%(zone)s)") % {"zone": settings.TIME_ZONE}
    return [("", server), *regions.items()]


def list_languages() -> list[tuple[str, Any]]:
    return [("", _("As the browser")), *settings.LANGUAGES]


class ProfileForm(PageForm):
    first_name = forms.CharField(
        label=_("First name"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    email = forms.CharField(
        label=_("E-mail address"),
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    time_zone = forms.CharField(
        label=_("Time zone"),
        required=False,
        help_text=_("All times on all pages are shown in it."),
        widget=forms.Select(choices=CallableChoiceIterator(list_zones)),
    )
    language = forms.CharField(
        label=_("Language"),
        required=False,
        widget=forms.Select(choices=CallableChoiceIterator(list_languages)),
    )
    theme = forms.CharField(label=_("Theme"), widget=forms.Select(choices=User.Theme.choices))


def describe_profile(user: User) -> dict[str, str]:
    return {name: getattr(user, name) for name in ProfileForm.base_fields}


def make_password_field(label: Any, autocomplete: str, help_text: Any = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(
        label=label, max_length=256, strip=False, help_text=help_text, widget=widget
    )


class PasswordForm(PageForm):
    current_password = make_password_field(_("Present password"), "current-password")
    new_password = make_password_field(
        _("New password"),
        "new-password",
        _("12 to 128 characters. A sentence you remember is best."),
    )
    new_password_again = make_password_field(_("New password again"), "new-password")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("new_password") != cleaned.get("new_password_again"):
            self.add_error("new_password_again", _("The two new passwords differ."))
        return cleaned


class ConfirmForm(PageForm):
    """The password once more, before something that weakens the account."""

    current_password = make_password_field(_("Your password"), "current-password")


class CodeForm(PageForm):
    code = forms.CharField(
        label=_("Code of the app"),
        max_length=32,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
        ),
    )


class TokenForm(PageForm):
    name = forms.CharField(
        label=_("What it is for"), max_length=100, help_text=_("Such as Grafana or backup script.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do, of what you may do"),
        choices=Token.Scope.choices,
        initial=[Token.Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(label=_("Valid for"), choices=LIVES, coerce=int, initial=90)

    def read_life(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])
