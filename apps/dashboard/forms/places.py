from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser
from apps.clients.models import Site, Tag
from apps.clients.selectors import list_tags
from apps.dashboard.forms.base import PageForm

SLUG_HINT = _("Letters, digits, - and _; roles and tests name it, so it never changes.")


class SiteForm(PageForm):
    """A site; its short name is asked for only once."""

    name = forms.CharField(label=_("Name"), max_length=100)
    slug = forms.SlugField(label=_("Short name"), max_length=50, help_text=SLUG_HINT)
    latitude = forms.FloatField(
        label=_("Latitude"),
        required=False,
        min_value=-90,
        max_value=90,
        help_text=_("From -90 to 90 degrees, north is positive."),
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": "48.2082"}),
    )
    longitude = forms.FloatField(
        label=_("Longitude"),
        required=False,
        min_value=-180,
        max_value=180,
        help_text=_("From -180 to 180 degrees, east is positive."),
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": "16.3738"}),
    )

    def __init__(self, *args: Any, site: Site | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if site is not None:
            del self.fields["slug"]


class TagForm(PageForm):
    """A tag and its place in the tree; its short name is asked for only once."""

    name = forms.CharField(label=_("Name"), max_length=100)
    slug = forms.SlugField(label=_("Short name"), max_length=50, help_text=SLUG_HINT)
    parent = forms.ModelChoiceField(
        label=_("Below the tag"),
        queryset=Tag.objects.none(),
        required=False,
        empty_label=_("None: it stands at the root"),
        help_text=_("Who selects that tag then also selects the clients of this one."),
    )

    def __init__(self, *args: Any, user: AnyUser, tag: Tag | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["parent"].queryset = list_tags(user)  # type: ignore[attr-defined]  # a model field
        if tag is not None:
            del self.fields["slug"]


def describe_site_form(site: Site) -> dict[str, Any]:
    return {"name": site.name, "latitude": site.latitude, "longitude": site.longitude}


def describe_tag_form(tag: Tag) -> dict[str, Any]:
    return {"name": tag.name, "parent": tag.parent}
