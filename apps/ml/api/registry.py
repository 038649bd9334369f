"""Models, trainings, and how far each kind of model is."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from apps.accounts.policy import Permission
from apps.core.errors import FieldError, Invalid
from apps.ml.algorithms.scopes import LONGEST_TEXT, parse_scope
from apps.ml.models import ModelVersion, Training
from apps.ml.selectors.registry import get_model, list_models, list_trainings, name_scope
from apps.ml.services.registry import promote_model, retire_model, roll_back_model
from apps.ml.services.standings import list_standings
from apps.ml.services.trainings import start_training


class ModelSerializer(serializers.ModelSerializer[ModelVersion]):
    scope_name = serializers.SerializerMethodField(help_text="What it is about, in words.")
    features = serializers.ListField(child=serializers.CharField(), read_only=True)
    metrics = serializers.DictField(
        read_only=True,
        help_text="Mean losses on the rows that judged it, with 95 % intervals, beside those of "
        "the dumb baseline and of the champion of that time; smaller is better.",
    )
    calibration = serializers.DictField(read_only=True)
    drift = serializers.DictField(
        read_only=True,
        help_text="Of the newest review: population stability index by feature, and the "
        "Kolmogorov-Smirnov distance of what the model says.",
    )
    trained_by = serializers.CharField(source="trained_by.username", default=None, read_only=True)

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "kind",
            "scope",
            "scope_name",
            "client",
            "test",
            "version",
            "parent",
            "state",
            "is_provisional",
            "data_from",
            "data_until",
            "held_from",
            "held_until",
            "row_count",
            "held_count",
            "incident_count",
            "agent_count",
            "features",
            "schema_hash",
            "code_version",
            "library_version",
            "seed",
            "metrics",
            "calibration",
            "digest",
            "size_bytes",
            "trained_by",
            "trained_at",
            "duration_seconds",
            "decision",
            "promoted_at",
            "defeats",
            "drift",
            "reviewed_at",
        ]

    def get_scope_name(self, version: ModelVersion) -> str:
        return name_scope(version)


class TrainingSerializer(serializers.ModelSerializer[Training]):
    scope_name = serializers.SerializerMethodField(help_text="What it is about, in words.")
    progress = serializers.FloatField(
        source="job.progress", default=None, read_only=True, help_text="From 0 to 1."
    )
    note = serializers.CharField(source="job.note", default="", read_only=True)
    model = serializers.UUIDField(source="result_id", read_only=True, allow_null=True)
    requested_by = serializers.CharField(
        source="requested_by.username", default=None, read_only=True
    )

    class Meta:
        model = Training
        fields = [
            "id",
            "kind",
            "scope",
            "scope_name",
            "client",
            "test",
            "state",
            "trigger",
            "reason",
            "progress",
            "note",
            "row_count",
            "attempts",
            "model",
            "decision",
            "requested_by",
            "created_at",
            "started_at",
            "finished_at",
        ]

    def get_scope_name(self, training: Training) -> str:
        return name_scope(training)


class TrainingRequestSerializer(serializers.Serializer[None]):
    kind = serializers.CharField(max_length=32)
    scope = serializers.CharField(
        max_length=LONGEST_TEXT,
        default="all",
        help_text="`all`, or `kind:`, `test:`, `client:` or `assignment:` with its name or id.",
    )


class LearnerSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(source="learner.kind")
    title = serializers.CharField(source="learner.title")
    scope = serializers.CharField(source="scope.text")
    row_count = serializers.IntegerField(help_text="Rows there are to learn from.")
    needed = serializers.IntegerField(help_text="Rows for the next stage.")
    is_learning = serializers.BooleanField(help_text="Whether it may not raise alarms yet.")
    may_train = serializers.BooleanField(help_text="Whether a training can begin.")


@extend_schema_view(
    list=extend_schema(
        tags=["ml"],
        summary="List the models",
        description="All versions; the champion of a kind and scope is the one that is used.",
    ),
    retrieve=extend_schema(tags=["ml"], summary="Show a model"),
)
class ModelViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[ModelVersion]):
    queryset = ModelVersion.objects.none()
    serializer_class = ModelSerializer
    read_permission = Permission.VIEW
    write_permission = Permission.ADMINISTER
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_fields = {"kind": ["exact"], "scope": ["exact"], "state": ["exact"]}
    ordering_fields = ["trained_at", "version"]

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return list_models(self.request.user)

    @extend_schema(
        tags=["ml"],
        summary="Promote a model",
        description="It becomes the champion of its kind and scope, whatever the gate decided.",
        request=None,
        responses=ModelSerializer,
    )
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, id: UUID) -> Response:
        version = promote_model(version=get_model(request.user, id), reason="Promoted by hand.")
        return Response(self.get_serializer(version).data)

    @extend_schema(
        tags=["ml"],
        summary="Roll a model back",
        description="The champion before this one is champion again; the answer is that one.",
        request=None,
        responses=ModelSerializer,
    )
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, id: UUID) -> Response:
        version = roll_back_model(champion=get_model(request.user, id), reason="Rolled back to.")
        return Response(self.get_serializer(version).data)

    @extend_schema(
        tags=["ml"],
        summary="Retire a model",
        description="It is used no more; without a champion the rules decide.",
        request=None,
        responses=ModelSerializer,
    )
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, id: UUID) -> Response:
        version = retire_model(version=get_model(request.user, id), reason="Retired by hand.")
        return Response(self.get_serializer(version).data)


@extend_schema_view(
    list=extend_schema(tags=["ml"], summary="List the trainings"),
    retrieve=extend_schema(
        tags=["ml"],
        summary="Show a training",
        description="Its progress while it runs, and afterwards why its model was promoted or not.",
    ),
)
class TrainingViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Training]):
    queryset = Training.objects.none()
    serializer_class = TrainingSerializer
    read_permission = Permission.VIEW
    write_permission = Permission.ADMINISTER
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_fields = {"kind": ["exact"], "scope": ["exact"], "state": ["exact"]}
    ordering_fields = ["created_at"]

    def get_queryset(self) -> QuerySet[Training]:
        return list_trainings(self.request.user)

    @extend_schema(
        tags=["ml"],
        summary="Train a model",
        description="One training runs at a time; one that is open already is given back.",
        request=TrainingRequestSerializer,
        responses={status.HTTP_201_CREATED: TrainingSerializer},
    )
    def create(self, request: Request) -> Response:
        form = TrainingRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            scope = parse_scope(form.validated_data["scope"])
        except ValueError as error:
            raise Invalid([FieldError("scope", "unknown_scope", str(error))]) from error
        training = start_training(kind=form.validated_data["kind"], scope=scope)
        return Response(self.get_serializer(training).data, status=status.HTTP_201_CREATED)


class LearnersView(APIView):
    read_permission = Permission.ADMINISTER

    @extend_schema(
        tags=["ml"],
        summary="List what can be learned",
        description="Every kind of model with every scope, and how many rows each has of those "
        "that it needs.",
        responses=LearnerSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(LearnerSerializer(list_standings(), many=True).data)
