"""Report plans, and the reports that were made of them."""

from dataclasses import fields as list_fields
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.models import User
from apps.accounts.policy import Permission, require
from apps.core.errors import NotAuthenticated
from apps.reports.languages import CODES
from apps.reports.models import Delivery, Report, ReportPlan
from apps.reports.selectors.reports import (
    get_delivery,
    get_plan,
    get_report,
    list_plans,
    list_reports,
    read_file,
    read_logo,
)
from apps.reports.services.reports import (
    LARGEST_LOGO_BYTES,
    PlanDefinition,
    ask_report,
    change_logo,
    change_plan,
    create_plan,
    delete_plan,
    delete_report,
    remake_report,
    resend,
)

PLAN_EXAMPLE = {
    "name": "Network of Vienna",
    "template": "executive",
    "selector": {"sites": ["vienna"], "tags": [], "clients": []},
    "period": "month",
    "time_zone": "Europe/Vienna",
    "cadence": "monthly",
    "month_day": 1,
    "hour": 6,
    "recipients": ["manager@example.org"],
}


class ReportSelectorSerializer(serializers.Serializer[Any]):
    """Clients of any of the sites with all of the tags, or any of the clients; empty means all."""

    sites = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    tags = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    clients = serializers.ListField(child=serializers.UUIDField(), required=False, default=list)


@extend_schema_field({"type": "string", "enum": list(CODES)})
class LanguageField(serializers.CharField):
    """Of what is none of them the service says so."""


class ReportPlanSerializer(serializers.ModelSerializer[ReportPlan]):
    owner = serializers.CharField(source="owner.username", read_only=True)
    selector = ReportSelectorSerializer(required=False)
    tests = serializers.ListField(
        child=serializers.UUIDField(), required=False, help_text="None means every test."
    )
    sections = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Names in their order; none takes those of the template.",
    )
    recipients = serializers.ListField(child=serializers.CharField(), required=False)
    language = LanguageField(required=False)
    has_logo = serializers.BooleanField(
        read_only=True, help_text="The picture itself is at `logo/`."
    )

    class Meta:
        model = ReportPlan
        fields: ClassVar = [
            "id",
            "name",
            "owner",
            "template",
            "selector",
            "tests",
            "period",
            "time_zone",
            "language",
            "sections",
            "accent",
            "has_logo",
            "cadence",
            "hour",
            "weekday",
            "month_day",
            "recipients",
            "next_at",
            "created_at",
        ]
        read_only_fields: ClassVar = ["next_at", "created_at"]
        # The service says what is wrong, with the limit.
        extra_kwargs: ClassVar = {
            **{name: {"max_length": None} for name in ("name", "time_zone", "accent")},
            **{
                name: {"min_value": None, "max_value": None}
                for name in ("hour", "weekday", "month_day")
            },
        }


class LogoSerializer(serializers.Serializer[Any]):
    """The service says what is wrong with the picture, with the limit."""

    logo = serializers.FileField(
        help_text="A PNG or JPEG picture, whatever its name says: at most 256 KiB and 2000 by 2000"
        " pixels."
    )


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    class Meta:
        model = Delivery
        fields: ClassVar = ["id", "recipient", "state", "attempts", "error", "sent_at"]


class ReportSerializer(serializers.ModelSerializer[Report]):
    plan_name = serializers.CharField(source="plan.name", read_only=True)
    deliveries = DeliverySerializer(many=True, read_only=True)
    digest = serializers.CharField(read_only=True, help_text="SHA-256 of the file, in hex.")

    class Meta:
        model = Report
        fields: ClassVar = [
            "id",
            "plan",
            "plan_name",
            "reason",
            "start_at",
            "end_at",
            "state",
            "error",
            "created_at",
            "made_at",
            "verdict",
            "size_bytes",
            "digest",
            "pages",
            "coverage",
            "deliveries",
        ]
        read_only_fields = fields


class RedeliverySerializer(serializers.Serializer[Any]):
    delivery = serializers.IntegerField(help_text="Id of a delivery of this report.")


@extend_schema_view(
    list=extend_schema(
        tags=["reports"],
        summary="List the report plans",
        description="Your own; who administers everything sees all.",
    ),
    retrieve=extend_schema(tags=["reports"], summary="Show a report plan"),
    create=extend_schema(
        tags=["reports"],
        summary="Make a report plan",
        description="It shows what you may see, whoever gets it. To send it elsewhere than to your "
        "own address, as an administrator set it, you must operate clients. At most 100 of one "
        "owner.",
        examples=[OpenApiExample("monthly", value=PLAN_EXAMPLE, request_only=True)],
        responses={201: ReportPlanSerializer},
    ),
    partial_update=extend_schema(
        tags=["reports"],
        summary="Change a report plan",
        examples=[OpenApiExample("an hour later", value={"hour": 7}, request_only=True)],
    ),
    destroy=extend_schema(
        tags=["reports"], summary="Delete a report plan", description="Its reports go with it."
    ),
)
class ReportPlanViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[ReportPlan]):
    """What reports hold, and when and to whom they are sent."""

    queryset = ReportPlan.objects.none()
    serializer_class = ReportPlanSerializer
    # They are one's own, as a profile is.
    write_permission = Permission.VIEW
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_fields: ClassVar = {"template": ["exact"], "cadence": ["exact"]}
    ordering_fields: ClassVar = ["name", "next_at", "created_at"]

    def get_queryset(self) -> QuerySet[ReportPlan]:
        return list_plans(self.request.user)

    def create(self, request: Request) -> Response:
        user = require_user(request)
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        plan = create_plan(build_definition(asked.validated_data), owner=user)
        return Response(self.get_serializer(get_plan(user, plan.id)).data, status=201)

    def partial_update(self, request: Request, id: UUID) -> Response:
        user = require_user(request)
        plan = get_plan(user, id)
        asked = self.get_serializer(plan, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        kept = {name: getattr(plan, name) for name in KEPT}
        definition = build_definition({**kept, **asked.validated_data})
        change_plan(plan=plan, definition=definition)
        return Response(self.get_serializer(get_plan(user, id)).data)

    def destroy(self, request: Request, id: UUID) -> Response:
        delete_plan(get_plan(require_user(request), id))
        return Response(status=204)

    @extend_schema(
        tags=["reports"],
        summary="Show the logo of a report plan",
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/jpeg"): OpenApiTypes.BINARY,
        },
    )
    @action(detail=True, parser_classes=[MultiPartParser])
    def logo(self, request: Request, id: UUID) -> HttpResponse:
        content, kind = read_logo(get_plan(request.user, id))
        return HttpResponse(content, content_type=kind)

    @extend_schema(
        tags=["reports"],
        summary="Give a report plan a logo",
        request={"multipart/form-data": LogoSerializer},
        responses=ReportPlanSerializer,
    )
    @logo.mapping.put
    def put_logo(self, request: Request, id: UUID) -> Response:
        user = require_user(request)
        plan = get_plan(user, id)
        asked = LogoSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        # One byte more than may be is enough to know that it is too large.
        content = asked.validated_data["logo"].read(LARGEST_LOGO_BYTES + 1)
        change_logo(plan=plan, logo=content)
        return Response(self.get_serializer(get_plan(user, id)).data)

    @extend_schema(
        tags=["reports"], summary="Take the logo off a report plan", responses={204: None}
    )
    @logo.mapping.delete
    def delete_logo(self, request: Request, id: UUID) -> Response:
        change_logo(plan=get_plan(require_user(request), id), logo=b"")
        return Response(status=204)

    @extend_schema(
        tags=["reports"],
        summary="Make a report now",
        description="A worker makes it; its state says when it is ready. 409 while five that were "
        "asked for are not finished.",
        request=None,
        responses={202: ReportSerializer},
    )
    @action(detail=True, methods=["post"])
    def make(self, request: Request, id: UUID) -> Response:
        user = require_user(request)
        report = ask_report(get_plan(user, id), by=user)
        return Response(ReportSerializer(report).data, status=202)

    @extend_schema(
        tags=["reports"],
        summary="Make a report now and mail it to yourself",
        description="409 as for making one; 429 once ten were sent to your address within an hour, "
        "sending again included.",
        request=None,
        responses={202: ReportSerializer},
    )
    @action(detail=True, methods=["post"], url_path="send-test")
    def send_test(self, request: Request, id: UUID) -> Response:
        user = require_user(request)
        report = ask_report(get_plan(user, id), by=user, is_trial=True)
        return Response(ReportSerializer(report).data, status=202)


class ReportFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    # Plans of others are answered as those that there are not: with nothing.
    plan = filters.UUIDFilter(field_name="plan_id", label="Of this plan")

    class Meta:
        model = Report
        fields = ["state", "reason"]


@extend_schema_view(
    list=extend_schema(
        tags=["reports"], summary="List the reports", description="Newest first, with deliveries."
    ),
    retrieve=extend_schema(tags=["reports"], summary="Show a report"),
    destroy=extend_schema(tags=["reports"], summary="Delete a report and its file"),
)
class ReportViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Report]):
    """Made reports: their files, and what became of each message."""

    queryset = Report.objects.none()
    serializer_class = ReportSerializer
    # They are one's own, as a profile is.
    write_permission = Permission.VIEW
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_class = ReportFilter
    ordering_fields: ClassVar = ["created_at"]

    def get_queryset(self) -> QuerySet[Report]:
        return list_reports(self.request.user)

    def destroy(self, request: Request, id: UUID) -> Response:
        delete_report(get_report(require_user(request), id))
        return Response(status=204)

    @extend_schema(
        tags=["reports"],
        summary="Download a report",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    @action(detail=True)
    def file(self, request: Request, id: UUID) -> HttpResponse:
        report = get_report(request.user, id)
        answer = HttpResponse(read_file(report), content_type="application/pdf")
        answer["Content-Disposition"] = f'attachment; filename="{report.file_name}"'
        return answer

    @extend_schema(
        tags=["reports"],
        summary="Make a failed report again",
        description="Of the same period; it is then sent to whom it was for. 409 unless it failed.",
        request=None,
        responses={202: ReportSerializer},
    )
    @action(detail=True, methods=["post"], url_path="make-again")
    def make_again(self, request: Request, id: UUID) -> Response:
        user = require_user(request)
        report = remake_report(get_report(user, id))
        return Response(ReportSerializer(report).data, status=202)

    @extend_schema(
        tags=["reports"],
        summary="Send a report again",
        description="429 once you sent ten to that address within an hour.",
        request=RedeliverySerializer,
        responses=DeliverySerializer,
    )
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, id: UUID) -> Response:
        user = require_user(request)
        report = get_report(user, id)
        asked = RedeliverySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        delivery = get_delivery(user, asked.validated_data["delivery"], report_id=report.id)
        return Response(DeliverySerializer(resend(delivery, by=user)).data)


KEPT = tuple(one.name for one in list_fields(PlanDefinition) if one.name != "logo")


def require_user(request: Request) -> User:
    """Who asks, and may view something at least."""
    require(request.user, Permission.VIEW)
    if not isinstance(request.user, User):
        raise NotAuthenticated("not_authenticated", "Sign in first.")
    return request.user


def build_definition(wanted: dict[str, Any]) -> PlanDefinition:
    selector = wanted.get("selector") or {}
    texts = {name: [str(value) for value in values] for name, values in selector.items()}
    tests = [str(one) for one in wanted.get("tests", ())]
    return PlanDefinition(**{**wanted, "selector": texts, "tests": tests})
