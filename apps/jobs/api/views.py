"""Jobs, for those who administer everything."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.policy import Permission
from apps.jobs import services
from apps.jobs.models import Job
from apps.jobs.registry import name_kind
from apps.jobs.selectors import get_job, list_jobs


class JobSerializer(serializers.ModelSerializer[Job]):
    title = serializers.SerializerMethodField(help_text="What the kind is called.")
    arguments = serializers.DictField(read_only=True)
    requested_by = serializers.CharField(
        source="requested_by.username", default=None, read_only=True
    )

    class Meta:
        model = Job
        fields = [
            "id",
            "kind",
            "title",
            "key",
            "queue",
            "arguments",
            "state",
            "attempts",
            "run_after",
            "claimed_by",
            "claimed_until",
            "progress",
            "note",
            "error",
            "requested_by",
            "created_at",
            "started_at",
            "finished_at",
        ]

    def get_title(self, job: Job) -> str:
        return name_kind(job.kind)


@extend_schema_view(
    list=extend_schema(
        tags=["jobs"],
        summary="List the jobs",
        description="Done and discarded ones are forgotten after seven days; those that were "
        "given up (`dead`) stay until somebody retries or discards them.",
    ),
    retrieve=extend_schema(tags=["jobs"], summary="Show a job"),
)
class JobViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Job]):
    queryset = Job.objects.none()
    serializer_class = JobSerializer
    read_permission = Permission.ADMINISTER
    write_permission = Permission.ADMINISTER
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_fields = {"state": ["exact"], "kind": ["exact"], "queue": ["exact"], "key": ["exact"]}
    ordering_fields = ["created_at", "run_after", "finished_at"]

    def get_queryset(self) -> QuerySet[Job]:
        return list_jobs(self.request.user)

    @extend_schema(
        tags=["jobs"],
        summary="Try a job again",
        description="One that was given up or discarded waits again, with all its attempts.",
        request=None,
        responses=JobSerializer,
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, id: UUID) -> Response:
        job = services.retry_job(job=get_job(request.user, id))
        return Response(self.get_serializer(job).data)

    @extend_schema(
        tags=["jobs"],
        summary="Discard a job",
        description="Nobody will do it. One that runs is stopped when it next says how far it is.",
        request=None,
        responses=JobSerializer,
    )
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, id: UUID) -> Response:
        job = services.discard_job(job=get_job(request.user, id))
        return Response(self.get_serializer(job).data)
