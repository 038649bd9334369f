"""What is said of a result, how far learning is, and what the learned class says."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.policy import Permission, find_scope
from apps.clients.selectors import covers_client, get_client
from apps.core.errors import NotFound
from apps.ml.learners.outlook import find_series_outlook, list_client_outlooks, list_outlooks
from apps.ml.selectors.health import find_test_scores
from apps.ml.selectors.health_class import find_class_beside
from apps.ml.selectors.joint import judge_run
from apps.ml.selectors.joint_sentences import describe_contribution
from apps.ml.selectors.stages import describe_stage
from apps.tests.models import Assignment, Result
from apps.tests.selectors import get_run, list_assignments

STAGES = "learning, provisional, early or full."
EXAMPLE = {
    "stage": "full",
    "stage_words": "learned from 812 results",
    "score": 1.64,
    "is_unusual": True,
    "is_provisional": False,
    "is_learned": False,
    "reason": "",
    "contributions": [
        {
            "subject": "net.packet.loss.ratio",
            "points": 61.0,
            "value": 0.031,
            "low": 0.0,
            "high": 0.002,
            "text": "packet loss 3.1 % (usual 0 to 0.2 %) +61 points",
        }
    ],
    "version": 4,
    "model": "0c1f5a3e-7c0b-4d1e-9d6a-1f2e3d4c5b6a",
    "finding": "2f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02",
}


class ContributionSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField(help_text="A metric key, or `context:` and a circumstance.")
    points = serializers.FloatField(help_text="So much of a hundred less with it as usual.")
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="What is usual at that hour: from.")
    high = serializers.FloatField(allow_null=True, help_text="What is usual at that hour: to.")
    text = serializers.SerializerMethodField()

    def get_text(self, row: Mapping[str, Any]) -> str:
        return describe_contribution(row)


class ResultJudgementSerializer(serializers.Serializer[Any]):
    """How unusual a result is as a whole; without a score `reason` says why there is none."""

    stage = serializers.CharField(source="stage.stage", help_text=STAGES)
    stage_words = serializers.SerializerMethodField()
    score = serializers.FloatField(
        allow_null=True, help_text="1 is the edge of what is usual; above it is unusual."
    )
    is_unusual = serializers.BooleanField()
    is_provisional = serializers.BooleanField(help_text="Of too few results to raise an alert.")
    is_learned = serializers.BooleanField(
        help_text="The model learned from this very result, and takes it for more usual than it is."
    )
    reason = serializers.CharField()
    contributions = ContributionSerializer(many=True)
    version = serializers.IntegerField(allow_null=True)
    model = serializers.UUIDField(source="version_id", allow_null=True)
    finding = serializers.UUIDField(
        source="finding_id", allow_null=True, help_text="The finding it became when it came in."
    )

    def get_stage_words(self, row: Any) -> str:
        return describe_stage(row.stage)


class RunJudgementView(APIView):
    @extend_schema(
        tags=["ml"],
        summary="Show how unusual the result of a run is as a whole, and why",
        description="As it was judged when it came in if it became a finding, otherwise by the "
        "model in use.",
        operation_id="runs_judgement",
        responses=ResultJudgementSerializer,
        examples=[OpenApiExample("a lossy path", value=EXAMPLE, response_only=True)],
    )
    def get(self, request: Request, id: UUID) -> Response:
        run = get_run(request.user, id)
        result = Result.objects.filter(run=run).first()
        if result is None:
            raise NotFound("result_unknown", "This run has no result.")
        judged = judge_run(run, result, shows_host=sees_client(request, run.assignment))
        return Response(ResultJudgementSerializer(judged).data)


class OutlookSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    title = serializers.CharField()
    stage = serializers.CharField(help_text=STAGES)
    count = serializers.IntegerField(help_text="Results there are; of the model in use, its own.")
    needed = serializers.IntegerField(help_text="Results for the next stage.")
    words = serializers.CharField()
    model = serializers.UUIDField(source="version.id", default=None, allow_null=True)


class SeriesOutlookSerializer(serializers.Serializer[Any]):
    judged = serializers.IntegerField(help_text="Series that are judged by their own past.")
    learning = serializers.IntegerField(help_text="Series with too few values yet.")
    least_values = serializers.IntegerField(help_text="The fewest that one of those has.")
    needed = serializers.IntegerField(help_text="Five-minute means until a series is judged.")


class LearningSerializer(serializers.Serializer[Any]):
    models = OutlookSerializer(many=True)
    series = SeriesOutlookSerializer()


class AssignmentLearningView(APIView):
    @extend_schema(
        tags=["ml"],
        summary="Show how far learning about a test on a client is",
        description="Every kind of model, the results it has and needs, and what comes next.",
        operation_id="assignments_learning",
        responses=LearningSerializer,
    )
    def get(self, request: Request, id: UUID) -> Response:
        assignment = get_visible(request, id)
        series = find_series_outlook(assignment.client_id, source_id=assignment.source_id or 0)
        document = {"models": list_outlooks(assignment), "series": series}
        return Response(LearningSerializer(document).data)


class ClientOutlookSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    title = serializers.CharField()
    test_count = serializers.IntegerField(help_text="Tests of the client that measure numbers.")
    stages = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many of them are at each stage."
    )


class ClientLearningSerializer(serializers.Serializer[Any]):
    models = ClientOutlookSerializer(many=True)
    series = SeriesOutlookSerializer()


class ClientLearningView(APIView):
    @extend_schema(
        tags=["ml"],
        summary="Show how far learning about a client and its tests is",
        operation_id="clients_learning",
        responses=ClientLearningSerializer,
    )
    def get(self, request: Request, id: UUID) -> Response:
        client = get_client(request.user, id)
        document = {
            "models": list_client_outlooks(client.id),
            "series": find_series_outlook(client.id),
        }
        return Response(ClientLearningSerializer(document).data)


class ClassSerializer(serializers.Serializer[Any]):
    """The learned class beside the score of health; without one `reason` says why."""

    probability = serializers.FloatField(
        source="found.probability",
        default=None,
        allow_null=True,
        help_text="That the goal is missed between five minutes and an hour ahead, 0 to 1.",
    )
    is_at_risk = serializers.BooleanField(
        source="found.is_at_risk", default=None, allow_null=True, help_text="From 0.5 on."
    )
    usual = serializers.FloatField(
        source="found.usual",
        default=None,
        allow_null=True,
        help_text="How often it was missed in what was learned from.",
    )
    incidents = serializers.IntegerField(
        source="found.incidents", default=None, allow_null=True, help_text="Outages learned from."
    )
    contributions = serializers.DictField(
        source="found.contributions",
        child=serializers.FloatField(),
        default=dict,
        help_text="Percentage points that each metric or circumstance added, largest first.",
    )
    model = serializers.UUIDField(source="found.version_id", default=None, allow_null=True)
    reason = serializers.CharField()
    agreement = serializers.CharField(help_text="How it compares to the score, in words.")
    is_agreed = serializers.BooleanField()


class HealthClassView(APIView):
    @extend_schema(
        tags=["ml"],
        summary="Show how probably a test on a client misses its goal within the hour",
        operation_id="assignments_health_class",
        responses=ClassSerializer,
    )
    def get(self, request: Request, id: UUID) -> Response:
        assignment = get_visible(request, id)
        row = find_test_scores([assignment.id]).get(assignment.id)
        shows_host = sees_client(request, assignment)
        score = row.score if row else None
        beside = find_class_beside(assignment, score, shows_host=shows_host)
        return Response(ClassSerializer(beside).data)


def get_visible(request: Request, assignment_id: UUID) -> Assignment:
    """Raises: NotFound."""
    assignment = list_assignments(request.user).filter(id=assignment_id).first()
    if assignment is None:
        raise NotFound("assignment_unknown", "There is no such assignment.")
    return assignment


def sees_client(request: Request, assignment: Assignment) -> bool:
    """Whether the client itself, not only the far end of a pair, is the user's to see."""
    return covers_client(find_scope(request.user, Permission.VIEW), assignment.client)
