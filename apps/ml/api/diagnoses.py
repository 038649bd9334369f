"""Asking what is wrong, and reading the answers."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.core.errors import FieldError, Invalid
from apps.ml.api.findings import FeedbackSerializer, WordSerializer, answer_feedback
from apps.ml.models import Diagnosis
from apps.ml.selectors.diagnoses import (
    get_assignment_to_diagnose,
    get_client_to_diagnose,
    get_diagnosis,
    get_run_to_diagnose,
    list_diagnoses,
)
from apps.ml.services.diagnosing import diagnose_client, diagnose_run, diagnose_test


class DiagnosisSerializer(serializers.ModelSerializer[Diagnosis]):
    asked_by = serializers.CharField(source="asked_by.username", default=None, read_only=True)
    verdicts = serializers.ListField(
        child=serializers.DictField(),
        read_only=True,
        help_text="What is wrong, first cause first; `explained_by` names the cause before it.",
    )
    cleared = serializers.ListField(
        child=serializers.DictField(), read_only=True, help_text="What was looked at and is well."
    )
    not_judged = serializers.ListField(
        child=serializers.DictField(), read_only=True, help_text="What lacks a measurement, which."
    )
    moved = serializers.ListField(
        child=serializers.DictField(),
        read_only=True,
        help_text="Metrics of the host that moved with it; a positive lead moved before.",
    )
    siblings = serializers.DictField(
        read_only=True, help_text="How many fail, of how many, by how they are related."
    )

    class Meta:
        model = Diagnosis
        fields = [
            "id",
            "client",
            "test",
            "run",
            "asked_by",
            "asked_at",
            "about_at",
            "symptoms",
            "cause",
            "confidence",
            "verdicts",
            "cleared",
            "not_judged",
            "moved",
            "siblings",
            "duration_seconds",
            "finding",
        ]
        read_only_fields = fields


class DiagnosisFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    # An id that there is not is answered as one that somebody may not see: with nothing.
    client = filters.UUIDFilter(field_name="client_id", label="Of this client")
    test = filters.UUIDFilter(field_name="test_id", label="Of this test")

    class Meta:
        model = Diagnosis
        fields = ["cause"]


class QuestionSerializer(serializers.Serializer[Any]):
    run = serializers.UUIDField(required=False, help_text="What was wrong with this run.")
    client = serializers.UUIDField(
        required=False, help_text="What is wrong with this client, or with `test` from it, now."
    )
    test = serializers.UUIDField(required=False, help_text="A test that the client runs.")


@extend_schema_view(
    list=extend_schema(
        tags=["ml"],
        summary="List the diagnoses",
        description="Newest first, as far as you may see.",
    ),
    retrieve=extend_schema(tags=["ml"], summary="Show a diagnosis"),
)
class DiagnosisViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Diagnosis]):
    serializer_class = DiagnosisSerializer
    queryset = Diagnosis.objects.none()
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_class = DiagnosisFilter
    ordering_fields = ["asked_at"]

    def get_queryset(self) -> QuerySet[Diagnosis]:
        return list_diagnoses(self.request.user)

    def get_object(self) -> Diagnosis:
        return get_diagnosis(self.request.user, self.kwargs["id"])

    @extend_schema(
        tags=["ml"],
        summary="Diagnose a run, a test or a client",
        description="Judges what was measured around that moment: 17 classes of problems, each "
        "with its evidence, in the order in which a packet meets them.",
        request=QuestionSerializer,
        responses={201: DiagnosisSerializer},
    )
    def create(self, request: Request) -> Response:
        question = QuestionSerializer(data=request.data)
        question.is_valid(raise_exception=True)
        diagnosis = ask(request.user, **question.validated_data)
        return Response(DiagnosisSerializer(diagnosis).data, status=201)

    @extend_schema(
        tags=["ml"],
        methods=["POST"],
        summary="Say what a diagnosis got right",
        description="Your newest word replaces the one before. With a first cause it is said of "
        "the diagnosis' finding.",
        request=WordSerializer,
        responses=FeedbackSerializer,
    )
    @extend_schema(
        tags=["ml"],
        methods=["DELETE"],
        summary="Take back what you said of a diagnosis",
        request=None,
        responses={204: None},
    )
    @action(detail=True, methods=["post", "delete"], filter_backends=[], pagination_class=None)
    def feedback(self, request: Request, id: UUID) -> Response:
        return answer_feedback(request, get_diagnosis(request.user, id, Permission.OPERATE))


def ask(
    user: Any, *, run: UUID | None = None, client: UUID | None = None, test: UUID | None = None
) -> Diagnosis:
    """Raises: Invalid for a question about nothing, NotFound for what `user` may not operate."""
    asked_by = user if isinstance(user, User) else None
    if run is not None:
        return diagnose_run(get_run_to_diagnose(user, run), asked_by=asked_by)
    if client is None:
        raise Invalid([FieldError("client", "required", "must be named, unless a run is")])
    if test is not None:
        assignment = get_assignment_to_diagnose(user, test_id=test, client_id=client)
        return diagnose_test(assignment, asked_by=asked_by)
    return diagnose_client(get_client_to_diagnose(user, client), asked_by=asked_by)
