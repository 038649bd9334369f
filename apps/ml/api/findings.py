"""Findings, and what people say of them and of diagnoses."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.clients.selectors import build_tag_filter
from apps.core.errors import FieldError, Invalid, Refused
from apps.ml.diagnosis.judges import JUDGES
from apps.ml.models import Feedback, Finding
from apps.ml.selectors.feedback import list_false_rates
from apps.ml.selectors.finding_sentences import describe_finding
from apps.ml.selectors.findings import (
    FEEDBACK_STATES,
    FindingQuery,
    get_finding,
    keep_findings,
    keep_spoken,
    list_findings,
)
from apps.ml.services.feedback import (
    LONGEST_NOTE,
    MOST_AT_ONCE,
    Word,
    give_feedback,
    withdraw_feedback,
)

WORD_HELP = (
    "`confirmed` (right), `not_a_problem`, or `other_cause` (it was `cause`). That something "
    "unusual was a certain cause confirms it, and is kept as such."
)


class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    said_by = serializers.CharField(source="said_by.username", default=None, read_only=True)

    class Meta:
        model = Feedback
        fields = ["finding", "diagnosis", "verdict", "cause", "note", "said_by", "said_at"]
        read_only_fields = fields


class WordSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=Feedback.Verdict.choices, help_text=WORD_HELP)
    cause = serializers.ChoiceField(
        choices=list(JUDGES), default="", allow_blank=True, help_text="The class of problems."
    )
    note = serializers.CharField(max_length=LONGEST_NOTE, default="", allow_blank=True)

    def make_word(self) -> Word:
        return Word(**{name: self.validated_data[name] for name in ("verdict", "cause", "note")})


class BulkWordSerializer(WordSerializer):
    ids = serializers.ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=MOST_AT_ONCE,
        help_text="The findings that it is said of.",
    )


class FindingSerializer(serializers.ModelSerializer[Finding]):
    sentence = serializers.SerializerMethodField(help_text="What was found, in one sentence.")
    group = serializers.UUIDField(
        source="group_id",
        read_only=True,
        allow_null=True,
        help_text="That of findings about the same client at the same time.",
    )
    score = serializers.FloatField(
        read_only=True, allow_null=True, help_text="1 is the edge of what is usual."
    )
    evidence = serializers.DictField(read_only=True, help_text="The figures of the sentence.")
    feedback = FeedbackSerializer(many=True, read_only=True, help_text="Each user's newest word.")

    class Meta:
        model = Finding
        fields = [
            "id",
            "kind",
            "severity",
            "sentence",
            "client",
            "test",
            "source",
            "run",
            "group",
            "metric",
            "cause",
            "started_at",
            "ended_at",
            "score",
            "confidence",
            "is_provisional",
            "evidence",
            "feedback",
            "created_at",
        ]

    @extend_schema_field(serializers.CharField())
    def get_sentence(self, finding: Finding) -> str:
        return describe_finding(finding)


class FindingFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    # An id that there is not is answered as one that somebody may not see: with nothing.
    client = filters.UUIDFilter(field_name="client_id", label="Of this client")
    test = filters.UUIDFilter(field_name="test_id", label="Of this test")
    run = filters.UUIDFilter(field_name="run_id", label="Of this run")
    severity = filters.MultipleChoiceFilter(choices=Finding.Severity.choices, label="One of these")
    site = filters.CharFilter(field_name="client__site__slug", label="Short name of the site")
    tag = filters.CharFilter(
        method="keep_tagged", label="Short name of a tag of the client; those below it count too"
    )
    since = filters.IsoDateTimeFilter(
        field_name="started_at", lookup_expr="gte", label="Began not before"
    )
    until = filters.IsoDateTimeFilter(
        field_name="started_at", lookup_expr="lt", label="Began before"
    )
    feedback = filters.ChoiceFilter(
        choices=[(state, state) for state in FEEDBACK_STATES],
        method="keep_told",
        label="What somebody said of it; `none` where nobody has",
    )
    provisional = filters.BooleanFilter(
        field_name="is_provisional", label="Of a model with too few results to raise an alert"
    )
    group = filters.UUIDFilter(method="keep_group", label="Those of one group")

    class Meta:
        model = Finding
        fields = ["kind", "metric", "cause"]

    def keep_tagged(self, rows: QuerySet[Finding], _name: str, slug: str) -> QuerySet[Finding]:
        return rows.filter(build_tag_filter(slug, path="client__"))

    def keep_told(self, rows: QuerySet[Finding], _name: str, state: str) -> QuerySet[Finding]:
        return keep_spoken(rows, state)

    def keep_group(self, rows: QuerySet[Finding], _name: str, group: UUID) -> QuerySet[Finding]:
        return keep_findings(rows, FindingQuery(group=group))


class FalseRateSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    cause = serializers.CharField(help_text="The channel of a series, the cause of a diagnosis.")
    said = serializers.IntegerField(source="share.count", help_text="Words that people said.")
    false = serializers.IntegerField(source="share.hits", help_text="Of these: it was wrong.")
    share = serializers.FloatField(source="share.value")
    low = serializers.FloatField(source="share.low", help_text="Of the interval of 95 %.")
    high = serializers.FloatField(source="share.high")


@extend_schema_view(
    list=extend_schema(
        tags=["ml"],
        summary="List the findings",
        description="What was unusual, or wrong, newest first, as far as you may see.",
    ),
    retrieve=extend_schema(tags=["ml"], summary="Show a finding"),
)
class FindingViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Finding]):
    queryset = Finding.objects.none()
    serializer_class = FindingSerializer
    filterset_class = FindingFilter
    ordering_fields = ["started_at", "score"]
    lookup_field = "id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Finding]:
        return list_findings(self.request.user).prefetch_related("feedback__said_by")

    @extend_schema(
        tags=["ml"],
        methods=["POST"],
        summary="Say what a finding really was",
        description="Your newest word replaces the one before. It is counted, and models learn "
        "from it.",
        request=WordSerializer,
        responses=FeedbackSerializer,
    )
    @extend_schema(
        tags=["ml"],
        methods=["DELETE"],
        summary="Take back what you said of a finding",
        request=None,
        responses={status.HTTP_204_NO_CONTENT: None},
    )
    @action(detail=True, methods=["post", "delete"], filter_backends=[], pagination_class=None)
    def feedback(self, request: Request, id: UUID) -> Response:
        finding = get_finding(request.user, id, Permission.OPERATE)
        return answer_feedback(request, finding)

    @extend_schema(
        tags=["ml"],
        summary="Say the same of several findings",
        description="All of them, or none when one of them is not there for you.",
        request=BulkWordSerializer,
        responses=FeedbackSerializer(many=True),
    )
    @action(detail=False, methods=["post"], filter_backends=[], pagination_class=None)
    def bulk(self, request: Request) -> Response:
        form = BulkWordSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        ids = set(form.validated_data["ids"])
        rows = list(list_findings(request.user, Permission.OPERATE).filter(id__in=ids))
        if len(rows) < len(ids):
            unknown = min(ids - {row.id for row in rows}, key=str)
            raise Invalid([FieldError("ids", "unknown", f"there is no finding {unknown}")])
        words = give_feedback(rows, form.make_word(), user=require_person(request))
        return Response(FeedbackSerializer(words, many=True).data)

    @extend_schema(
        tags=["ml"],
        summary="Show how often findings were wrong",
        description="Of what people said, by kind and channel, among the findings that the same "
        "filters as in the list leave.",
        responses=FalseRateSerializer(many=True),
    )
    @action(detail=False, methods=["get"], url_path="false-rates", pagination_class=None)
    def false_rates(self, _request: Request) -> Response:
        rates = list_false_rates(self.filter_queryset(list_findings(self.request.user)))
        return Response(FalseRateSerializer(rates, many=True).data)


def answer_feedback(request: Request, judged: Any) -> Response:
    """Give or take back the word of who asks about a finding or a diagnosis."""
    user = require_person(request)
    if request.method == "DELETE":
        withdraw_feedback(judged, user=user)
        return Response(status=status.HTTP_204_NO_CONTENT)
    form = WordSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    (row,) = give_feedback([judged], form.make_word(), user=user)
    return Response(FeedbackSerializer(row).data)


def require_person(request: Request) -> User:
    if isinstance(request.user, User):
        return request.user
    raise Refused("refused", "Only somebody who is signed in may say what a finding was.")
