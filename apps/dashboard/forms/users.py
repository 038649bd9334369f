from datetime import timedelta
from typing import Any

from django import forms
from django.forms import BaseFormSet, formset_factory
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Role
from apps.accounts.services import Grant
from apps.clients.models import Site, Tag
from apps.dashboard.forms.base import PageForm

HOUR = 3600
LIVES = (
    (HOUR, _("1 hour")),
    (24 * HOUR, _("1 day")),
    (3 * 24 * HOUR, _("3 days")),
    (7 * 24 * HOUR, _("7 days")),
    (30 * 24 * HOUR, _("30 days")),
)
ROLE_ROWS = 3


class RoleForm(PageForm):
    """One role: what, and where it holds."""

    name = forms.ChoiceField(
        label=_("Role"), choices=list(reversed(Role.Name.choices)), initial=Role.Name.VIEWER
    )
    effect = forms.ChoiceField(
        label=_("Effect"), choices=Role.Effect.choices, initial=Role.Effect.ALLOW
    )
    site = forms.ModelChoiceField(
        label=_("Site"),
        queryset=Site.objects.order_by("name"),
        to_field_name="slug",
        required=False,
        empty_label=_("Every site"),
    )
    tag = forms.ModelChoiceField(
        label=_("Tag"),
        queryset=Tag.objects.order_by("name"),
        to_field_name="slug",
        required=False,
        empty_label=_("Every tag"),
    )

    def read_grant(self) -> Grant:
        site, tag = self.cleaned_data["site"], self.cleaned_data["tag"]
        return Grant(
            name=self.cleaned_data["name"],
            effect=self.cleaned_data["effect"] or Role.Effect.ALLOW,
            site_slug=site.slug if site else "",
            tag_slug=tag.slug if tag else "",
        )


class OptionalRoleForm(RoleForm):
    """A role that is left out when no name is chosen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["name"]
        name.required = self.fields["effect"].required = False
        name.initial = ""
        name.choices = [("", _("No role")), *reversed(Role.Name.choices)]  # type: ignore[attr-defined]  # a choice field

    def is_wanted(self) -> bool:
        return bool(self.cleaned_data.get("name"))


RoleFormSet = formset_factory(OptionalRoleForm, extra=ROLE_ROWS, max_num=ROLE_ROWS)


def read_grants(forms_of_roles: "BaseFormSet[OptionalRoleForm]") -> list[Grant]:
    return [form.read_grant() for form in forms_of_roles if form.is_wanted()]


class UserForm(PageForm):
    """The names and the address of a user."""

    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    first_name = forms.CharField(label=_("First name"), max_length=150, required=False)
    last_name = forms.CharField(label=_("Last name"), max_length=150, required=False)
    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        help_text=_("Links to set a password are mailed there."),
    )


class InvitationForm(PageForm):
    """Whom to invite, for how long."""

    email = forms.EmailField(
        label=_("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    life = forms.TypedChoiceField(
        label=_("Valid for"), choices=LIVES, coerce=int, initial=7 * 24 * HOUR
    )

    def clean_life(self) -> timedelta:
        return timedelta(seconds=self.cleaned_data["life"])

    def field_name(self, name: str) -> str:
        return "life" if name == "life_hours" else name


class NewPasswordForm(PageForm):
    """A password twice; its rules are the service's."""

    password = forms.CharField(
        label=_("Password"),
        max_length=256,
        strip=False,
        help_text=_("12 characters or more. A sentence you remember is best."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=True),
    )
    password_again = forms.CharField(
        label=_("Password again"),
        max_length=256,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=True),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("password") != cleaned.get("password_again"):
            self.add_error("password_again", _("The two passwords differ."))
        return cleaned


class AcceptForm(NewPasswordForm):
    """The account that an invited person makes."""

    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        help_text=_("You sign in with it."),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    first_name = forms.CharField(
        label=_("First name"),
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    field_order = ["username", "first_name", "last_name", "password", "password_again"]
