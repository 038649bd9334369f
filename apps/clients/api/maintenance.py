from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.policy import Permission, require
from apps.clients.algorithms.recurrence import (
    Occurrence,
    Recurrence,
    iterate_occurrences,
    take_occurrences,
)
from apps.clients.algorithms.recurrence_words import describe_recurrence
from apps.clients.algorithms.selector import Selector
from apps.clients.models import MaintenanceWindow
from apps.clients.selectors import (
    count_selected,
    get_window,
    list_windows,
    read_recurrence,
    require_selected,
)
from apps.clients.services import (
    WindowDefinition,
    change_window,
    check_window,
    create_window,
    delete_window,
    end_window,
)
from apps.core.clock import read_now

PREVIEW_LENGTH = 5
RULE = "FREQ=WEEKLY;BYDAY=TU"
WINDOW_EXAMPLE = {
    "name": "Router updates",
    "effect": "pause",
    "starts_at": "2026-03-24T21:00:00Z",
    "duration_seconds": 5400,
    "time_zone": "Europe/Berlin",
    "recurrence": RULE,
    "selector": {"sites": ["vienna"], "tags": [], "clients": []},
}


class SelectorSerializer(serializers.Serializer[Any]):
    """Clients of any of the sites with all of the tags, or any of the clients; empty means all."""

    sites = serializers.ListField(child=serializers.SlugField(), required=False, default=list)
    tags = serializers.ListField(child=serializers.SlugField(), required=False, default=list)
    clients = serializers.ListField(child=serializers.UUIDField(), required=False, default=list)


class OccurrenceSerializer(serializers.Serializer[Occurrence]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class MaintenanceWindowSerializer(serializers.ModelSerializer[MaintenanceWindow]):
    selector = SelectorSerializer(required=False)
    description = serializers.SerializerMethodField()
    is_active = serializers.SerializerMethodField()
    next_occurrence = serializers.SerializerMethodField()
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = MaintenanceWindow
        fields: ClassVar = [
            "id",
            "name",
            "effect",
            "starts_at",
            "duration_seconds",
            "time_zone",
            "recurrence",
            "selector",
            "description",
            "is_active",
            "next_occurrence",
            "ended_at",
            "created_at",
            "created_by",
        ]
        read_only_fields: ClassVar = ["ended_at", "created_at"]
        # The service says what is wrong, with the limit.
        extra_kwargs: ClassVar = {
            "name": {"max_length": None},
            "recurrence": {"max_length": None},
            "time_zone": {"max_length": None},
            "duration_seconds": {"min_value": None, "max_value": None},
        }

    def get_description(self, window: MaintenanceWindow) -> str:
        return describe_recurrence(read_recurrence(window))

    def get_is_active(self, window: MaintenanceWindow) -> bool:
        now = read_now()
        current = next(iterate_occurrences(read_recurrence(window), start=now), None)
        return current is not None and current.start <= now

    @extend_schema_field(OccurrenceSerializer(allow_null=True))
    def get_next_occurrence(self, window: MaintenanceWindow) -> dict[str, Any] | None:
        """The one that is going on, or the next; null when there is none any more."""
        first = next(iterate_occurrences(read_recurrence(window), start=read_now()), None)
        return dict(OccurrenceSerializer(first).data) if first is not None else None


class PreviewAskedSerializer(serializers.Serializer[Any]):
    starts_at = serializers.DateTimeField()
    duration_seconds = serializers.IntegerField()
    time_zone = serializers.CharField()
    recurrence = serializers.CharField(required=False, default="", allow_blank=True)
    sites = serializers.ListField(child=serializers.SlugField(), required=False, default=list)
    tags = serializers.ListField(child=serializers.SlugField(), required=False, default=list)
    clients = serializers.ListField(child=serializers.UUIDField(), required=False, default=list)


class PreviewSerializer(serializers.Serializer[Any]):
    description = serializers.CharField()
    occurrences = OccurrenceSerializer(many=True)
    clients = serializers.IntegerField(help_text="How many of your clients it means.")


@extend_schema_view(
    list=extend_schema(tags=["maintenance"], summary="List the maintenance windows"),
    retrieve=extend_schema(tags=["maintenance"], summary="Show a maintenance window"),
    create=extend_schema(
        tags=["maintenance"],
        summary="Make a maintenance window",
        description="You must operate every client it selects; only who operates all of them may "
        "leave the selector empty. `recurrence` is an RFC 5545 RRULE without DTSTART, repeated on "
        "the wall clock of `time_zone`; empty means once.",
        examples=[OpenApiExample("Tuesdays", value=WINDOW_EXAMPLE, request_only=True)],
        responses={201: MaintenanceWindowSerializer},
    ),
    partial_update=extend_schema(
        tags=["maintenance"],
        summary="Change a maintenance window",
        examples=[
            OpenApiExample("an hour longer", value={"duration_seconds": 9000}, request_only=True)
        ],
    ),
    destroy=extend_schema(tags=["maintenance"], summary="Delete a maintenance window"),
)
class MaintenanceWindowViewSet(
    ListModelMixin, RetrieveModelMixin, GenericViewSet[MaintenanceWindow]
):
    """Times in which clients are worked on: no alerts, or no runs either."""

    queryset = MaintenanceWindow.objects.none()
    serializer_class = MaintenanceWindowSerializer
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_fields: ClassVar = {"effect": ["exact"], "name": ["exact", "icontains"]}
    ordering_fields: ClassVar = ["name", "starts_at", "created_at"]

    def get_queryset(self) -> QuerySet[MaintenanceWindow]:
        return list_windows(self.request.user)

    def create(self, request: Request) -> Response:
        require(request.user, Permission.OPERATE)
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        definition = build_definition(asked.validated_data)
        require_selected(request.user, check_window(definition))
        return Response(self.get_serializer(create_window(definition)).data, status=201)

    def partial_update(self, request: Request, id: UUID) -> Response:
        window = get_window(request.user, id, Permission.OPERATE)
        asked = self.get_serializer(window, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        kept = {name: getattr(window, name) for name in KEPT}
        definition = build_definition({**kept, **asked.validated_data})
        require_selected(request.user, check_window(definition))
        changed = change_window(window=window, definition=definition)
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, id: UUID) -> Response:
        delete_window(window=get_window(request.user, id, Permission.OPERATE))
        return Response(status=204)

    @extend_schema(
        tags=["maintenance"],
        summary="End what is going on now",
        description="A repeated window comes again as planned.",
        request=None,
        responses=MaintenanceWindowSerializer,
    )
    @action(detail=True, methods=["post"], url_path="end-now")
    def end_now(self, request: Request, id: UUID) -> Response:
        window = end_window(window=get_window(request.user, id, Permission.OPERATE))
        return Response(self.get_serializer(window).data)

    @extend_schema(
        tags=["maintenance"],
        summary="Preview a maintenance window",
        description="The next five occurrences of what you would make, and how many of your "
        "clients it means. Nothing is stored.",
        parameters=[PreviewAskedSerializer],
        responses=PreviewSerializer,
        examples=[
            OpenApiExample(
                "Tuesdays",
                value={
                    "description": "every Tuesday 22:00\N{EN DASH}23:30 Europe/Berlin",
                    "occurrences": [
                        {"start": "2026-03-24T21:00:00Z", "end": "2026-03-24T22:30:00Z"}
                    ],
                    "clients": 12,
                },
                response_only=True,
            )
        ],
    )
    @action(detail=False, pagination_class=None, filter_backends=[])
    def preview(self, request: Request) -> Response:
        require(request.user, Permission.OPERATE)
        asked = PreviewAskedSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = dict(asked.validated_data)
        names = ("sites", "tags", "clients")
        wanted["selector"] = {name: wanted.pop(name) for name in names}
        definition = build_definition({"name": "preview", **wanted})
        selector = check_window(definition)
        return Response(PreviewSerializer(preview_window(request, definition, selector)).data)


KEPT = (
    "name", "effect", "starts_at", "duration_seconds", "time_zone", "recurrence", "selector",
)  # fmt: skip


def build_definition(wanted: dict[str, Any]) -> WindowDefinition:
    selector = wanted.get("selector") or {}
    texts = {name: [str(value) for value in values] for name, values in selector.items()}
    return WindowDefinition(**{**wanted, "selector": texts})


def preview_window(
    request: Request, definition: WindowDefinition, selector: Selector
) -> dict[str, Any]:
    recurrence = Recurrence(
        starts_at=definition.starts_at,
        duration_seconds=definition.duration_seconds,
        time_zone=definition.time_zone,
        rule=definition.recurrence,
    )
    now: datetime = read_now()
    key = UUID(int=0)
    counts = count_selected(request.user, {key: selector.as_document()})
    return {
        "description": describe_recurrence(recurrence),
        "occurrences": take_occurrences(recurrence, start=now, count=PREVIEW_LENGTH),
        "clients": counts[key],
    }
