from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.clients.models import Client
from apps.dashboard.forms.base import PageForm
from apps.tests.algorithms.quotas import Limits
from apps.tests.models import Quota

EMPTY_HELP = _("Empty: no limit.")


class QuotaForm(PageForm):
    """The limits of a user, a client, or of all others; an earlier limit of theirs is replaced."""

    scope = forms.ChoiceField(label=_("Limit of a"), choices=Quota.Scope.choices)
    owner = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=150,
        help_text=_("Of the user or client. Empty: of everybody without an own limit."),
    )
    tests = forms.IntegerField(label=_("Tests"), required=False, help_text=EMPTY_HELP)
    packets_per_second = forms.FloatField(label=_("Packets"), required=False, help_text=EMPTY_HELP)
    megabits_per_second = forms.FloatField(
        label=_("Throughput"), required=False, help_text=EMPTY_HELP
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("packets_per_second", "megabits_per_second"):
            self.fields[name].widget.attrs.update({"step": "any", "min": "0"})
        self.fields["tests"].widget.attrs["min"] = "0"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        name = cleaned.get("owner", "").strip()
        is_user = cleaned.get("scope") == Quota.Scope.USER
        cleaned["user"] = cleaned["client"] = None
        if name and is_user:
            cleaned["user"] = User.objects.filter(username=name).first()
        elif name:
            cleaned["client"] = Client.objects.filter(name=name).first()
        if name and not (cleaned["user"] or cleaned["client"]):
            kind = _("user") if is_user else _("client")
            text = _("There is no %(kind)s called %(name)s.") % {"kind": kind, "name": name}
            self.add_error("owner", text)
        return cleaned

    def read_owner(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("scope", "user", "client")}

    def read_limits(self) -> Limits:
        names = ("tests", "packets_per_second", "megabits_per_second")
        return Limits(**{name: self.cleaned_data[name] for name in names})
