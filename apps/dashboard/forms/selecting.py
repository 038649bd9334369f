"""What forms share in which clients are chosen by sites, tags and names."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser
from apps.clients.models import Client, Site, Tag
from apps.clients.selectors import list_sites, list_tags
from apps.dashboard.forms.base import PageForm


class SelectingForm(PageForm):
    """A form with a selector of clients, from what its user may choose."""

    sites = forms.ModelMultipleChoiceField(
        label=_("Sites (any of them)"),
        queryset=Site.objects.none(),
        to_field_name="slug",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    tags = forms.ModelMultipleChoiceField(
        label=_("Tags (all of them)"),
        queryset=Tag.objects.none(),
        to_field_name="slug",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    clients = forms.ModelMultipleChoiceField(
        label=_("Clients"), queryset=Client.objects.none(), required=False
    )

    def __init__(
        self, *args: Any, user: AnyUser, choosable: QuerySet[Client], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.choosable = choosable
        self.offer(clients=choosable, sites=list_sites(user), tags=list_tags(user))

    def offer(self, **choices: QuerySet[Any]) -> None:
        for name, rows in choices.items():
            self.fields[name].queryset = rows  # type: ignore[attr-defined]  # a model field

    @property
    def client_choices(self) -> list[tuple[Client, bool]]:
        return mark_chosen(self, "clients", self.choosable)

    def build_selector(self) -> dict[str, list[str]]:
        """The selector that a valid form asks for."""
        cleaned = self.cleaned_data
        return {
            "sites": [site.slug for site in cleaned["sites"]],
            "tags": [tag.slug for tag in cleaned["tags"]],
            "clients": [str(client.id) for client in cleaned["clients"]],
        }


def mark_chosen(form: forms.Form, name: str, rows: QuerySet[Any]) -> list[tuple[Any, bool]]:
    """Each row with whether the field has chosen it."""
    chosen = {str(value) for value in form[name].value() or ()}
    return [(row, str(row.id) in chosen) for row in rows]
