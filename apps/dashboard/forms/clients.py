from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser
from apps.clients.models import Client, Site, Tag
from apps.clients.selectors import list_sites, list_tags, require_place
from apps.core.errors import Refused
from apps.dashboard.forms.base import PageForm

LIVES = (
    (15 * 60, _("15 minutes")),
    (60 * 60, _("1 hour")),
    (24 * 3600, _("1 day")),
    (7 * 24 * 3600, _("7 days")),
    (30 * 24 * 3600, _("30 days")),
)
HOUR_SECONDS = 3600
OVERLAPS = (
    (0, _("not at all: they end now")),
    (10 * 60, _("for 10 minutes")),
    (60 * 60, _("for 1 hour")),
    (24 * 3600, _("for 1 day")),
)
OVERLAP_SECONDS = 600

BULK_ACTIONS = (
    ("add_tags", _("Add tags")),
    ("remove_tags", _("Remove tags")),
    ("set_site", _("Set the site")),
    ("revoke_keys", _("Revoke all keys")),
    ("delete", _("Delete")),
)


class PlaceForm(PageForm):
    """A site and tags that lie where the user may operate."""

    site = forms.ModelChoiceField(
        label=_("Site"), queryset=Site.objects.none(), required=False, empty_label=_("No site")
    )
    tags = forms.ModelMultipleChoiceField(
        label=_("Tags"),
        queryset=Tag.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, user: AnyUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["site"].queryset = list_sites(user)  # type: ignore[attr-defined]  # a model field
        self.fields["tags"].queryset = list_tags(user)  # type: ignore[attr-defined]  # a model field

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            require_place(self.user, cleaned.get("site"), cleaned.get("tags") or ())
        except Refused as error:
            self.add_error("site", error.detail)
        return cleaned


class ClientForm(PlaceForm):
    """Name, site and tags of a client, and what tests between two agents need to know."""

    name = forms.CharField(label=_("Name"), max_length=100)
    peer_address = forms.CharField(
        label=_("Address for other agents"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
        help_text=_("Where agents find it that measure to it; empty: by its interfaces."),
    )
    link_group = forms.CharField(
        label=_("Shared uplink"),
        required=False,
        max_length=64,
        help_text=_("Clients with the same word here take turns with exclusive runs."),
    )
    field_order = ["name", "site", "tags", "peer_address", "link_group"]


class RotationForm(PageForm):
    """A new key for an agent."""

    overlap_seconds = forms.TypedChoiceField(
        label=_("The earlier keys go on working"),
        choices=OVERLAPS,
        coerce=int,
        initial=OVERLAP_SECONDS,
    )


class BulkForm(PageForm):
    """What is to be done to the chosen clients."""

    action = forms.ChoiceField(label=_("Action"), choices=BULK_ACTIONS)
    tags = forms.ModelMultipleChoiceField(queryset=Tag.objects.none(), required=False)
    site = forms.ModelChoiceField(queryset=Site.objects.none(), required=False)

    def __init__(self, *args: Any, user: AnyUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["site"].queryset = list_sites(user)  # type: ignore[attr-defined]  # a model field
        self.fields["tags"].queryset = list_tags(user)  # type: ignore[attr-defined]  # a model field


class EnrolmentForm(PlaceForm):
    """An enrolment token to be made."""

    name = forms.CharField(
        label=_("What it is for"),
        max_length=100,
        initial=_("new client"),
        help_text=_("Only for your own list of tokens."),
    )
    life = forms.TypedChoiceField(
        label=_("Valid for"), choices=LIVES, coerce=int, initial=HOUR_SECONDS
    )
    max_uses = forms.IntegerField(
        label=_("Number of hosts"),
        initial=1,
        min_value=1,
        max_value=10_000,
        help_text=_("How many agents may enrol with it, 1 to 10,000."),
    )
    allowed_network = forms.CharField(
        label=_("Only from the network"),
        required=False,
        max_length=64,
        help_text=_("In CIDR form, such as 192.168.1.0/24; empty allows any."),
        widget=forms.TextInput(attrs={"placeholder": "192.168.1.0/24", "spellcheck": "false"}),
    )
    field_order = ["name", "life", "max_uses", "allowed_network", "site", "tags"]

    def clean_life(self) -> timedelta:
        return timedelta(seconds=self.cleaned_data["life"])


def describe_client_form(client: Client) -> dict[str, Any]:
    return {"name": client.name, "site": client.site, "tags": client.tags.all()}
