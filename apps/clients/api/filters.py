from django_filters import rest_framework as filters

from apps.clients.models import Client


class ClientFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    name = filters.CharFilter(lookup_expr="icontains", label="Part of the name")
    site = filters.CharFilter(field_name="site__slug", label="Short name of the site")
    tag = filters.CharFilter(field_name="tags__slug", label="Short name of a tag")

    class Meta:
        model = Client
        fields = ["presence", "agent_version"]
