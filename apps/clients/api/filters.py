from django.db.models import QuerySet
from django_filters import rest_framework as filters

from apps.clients.models import Client, Site, Tag
from apps.clients.selectors import build_tag_filter, keep_capable, match_text


class ClientFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    q = filters.CharFilter(
        method="keep_matching", label="Part of the name, host name, address or system"
    )
    name = filters.CharFilter(lookup_expr="icontains", label="Part of the name")
    presence = filters.MultipleChoiceFilter(
        choices=Client.Presence.choices, label="One of these presences", distinct=False
    )
    site = filters.CharFilter(field_name="site__slug", label="Short name of the site")
    tag = filters.CharFilter(
        method="keep_tagged", label="Short name of a tag; those below it count too"
    )
    capability = filters.CharFilter(
        method="keep_able", label="Something the agent can do, such as icmp_raw"
    )
    is_clone_suspected = filters.BooleanFilter(
        field_name="clone_suspected_at",
        lookup_expr="isnull",
        exclude=True,
        label="Whether two agents seem to use one key",
    )

    class Meta:
        model = Client
        fields = ["agent_version"]

    def keep_matching(self, rows: QuerySet[Client], _name: str, text: str) -> QuerySet[Client]:
        return rows.filter(match_text(text))

    def keep_tagged(self, rows: QuerySet[Client], _name: str, slug: str) -> QuerySet[Client]:
        return rows.filter(build_tag_filter(slug))

    def keep_able(self, rows: QuerySet[Client], _name: str, capability: str) -> QuerySet[Client]:
        return keep_capable(rows, capability)


class SiteFilter(filters.FilterSet):  # type: ignore[misc]  # as above
    name = filters.CharFilter(lookup_expr="icontains", label="Part of the name")
    has_position = filters.BooleanFilter(
        field_name="latitude", lookup_expr="isnull", exclude=True, label="Whether it is on the map"
    )

    class Meta:
        model = Site
        fields = ["slug"]


class TagFilter(filters.FilterSet):  # type: ignore[misc]  # as above
    name = filters.CharFilter(lookup_expr="icontains", label="Part of the name")
    parent = filters.CharFilter(field_name="parent__slug", label="The tag right above")
    below = filters.CharFilter(field_name="lineage__slug", label="A tag anywhere above")
    is_root = filters.BooleanFilter(
        field_name="parent", lookup_expr="isnull", label="Whether nothing stands above"
    )

    class Meta:
        model = Tag
        fields = ["slug"]
