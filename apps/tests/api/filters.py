from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from apps.tests.models import Assignment, Quota, Result, Run, Test
from apps.tests.selectors import keep_tests_at, list_assignments


class TestFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    name = filters.CharFilter(lookup_expr="icontains", label="Part of the name")
    kind = filters.CharFilter(label="Type of test")
    target = filters.CharFilter(
        field_name="target__address", lookup_expr="icontains", label="Part of the target"
    )
    client = filters.UUIDFilter(method="keep_tests_of", label="A client that runs it")
    site = filters.CharFilter(method="keep_tests_at_site", label="Site of a client that runs it")
    tag = filters.CharFilter(method="keep_tests_at_tag", label="Tag of a client that runs it")

    class Meta:
        model = Test
        fields = ["schedule_kind", "selection_kind", "is_paused"]

    def keep_tests_at_site(self, rows: QuerySet[Test], _name: str, slug: str) -> QuerySet[Test]:
        return keep_tests_at(self.request.user, rows, site_slug=slug)

    def keep_tests_at_tag(self, rows: QuerySet[Test], _name: str, slug: str) -> QuerySet[Test]:
        return keep_tests_at(self.request.user, rows, tag_slug=slug)

    def keep_tests_of(self, rows: QuerySet[Test], _name: str, client_id: UUID) -> QuerySet[Test]:
        mine = list_assignments(self.request.user).filter(client_id=client_id, removed_at=None)
        return rows.filter(id__in=mine.order_by().values("test_id"))


class AssignmentFilter(filters.FilterSet):  # type: ignore[misc]  # as above
    test = filters.UUIDFilter(field_name="test_id")
    client = filters.UUIDFilter(field_name="client_id")
    peer = filters.UUIDFilter(field_name="peer_id", label="The far end")
    is_removed = filters.BooleanFilter(
        field_name="removed_at", lookup_expr="isnull", exclude=True, label="Taken away again"
    )

    class Meta:
        model = Assignment
        fields = ["last_run_state", "last_is_success"]


class RunFilter(filters.FilterSet):  # type: ignore[misc]  # as above
    test = filters.UUIDFilter(field_name="assignment__test_id")
    client = filters.UUIDFilter(field_name="assignment__client_id")
    assignment = filters.UUIDFilter(field_name="assignment_id")
    # No join is behind it, so no row comes twice, and none need be sorted to find that out.
    state = filters.MultipleChoiceFilter(
        choices=Run.State.choices, label="One of these states", distinct=False
    )
    after = filters.IsoDateTimeFilter(field_name="start_at", lookup_expr="gte", label="Not before")
    before = filters.IsoDateTimeFilter(field_name="start_at", lookup_expr="lt", label="Before")

    class Meta:
        model = Run
        fields = ["is_on_demand", "is_overlapped"]


class ResultFilter(filters.FilterSet):  # type: ignore[misc]  # as above
    test = filters.UUIDFilter(field_name="run__assignment__test_id")
    client = filters.UUIDFilter(field_name="run__assignment__client_id")
    assignment = filters.UUIDFilter(field_name="run__assignment_id")
    after = filters.IsoDateTimeFilter(
        field_name="started_at", lookup_expr="gte", label="Not before"
    )
    before = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="lt", label="Before")

    class Meta:
        model = Result
        fields = ["outcome", "is_success"]


class QuotaFilter(filters.FilterSet):  # type: ignore[misc]  # as above
    user = filters.CharFilter(field_name="user__username", label="User name")
    client = filters.UUIDFilter(field_name="client_id")

    class Meta:
        model = Quota
        fields = ["scope"]
