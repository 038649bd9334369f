"""What is to come of a test on a client, and of one that is not made yet."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.policy import Permission
from apps.core.errors import FieldError, Invalid
from apps.ml.api.judgements import get_visible
from apps.ml.errors import NoModel
from apps.ml.selectors.expectations import expect_test
from apps.ml.selectors.predictions import predict_next
from apps.tests.algorithms.targets import normalise_target
from apps.tests.kinds import KINDS

MOST_CLIENTS = 200


class PredictionSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    horizon = serializers.IntegerField(help_text="So many runs after the newest.")
    expected_at = serializers.DateTimeField(help_text="By the usual pause between runs of late.")
    value = serializers.FloatField()
    low = serializers.FloatField(help_text="Of the interval that holds it with 80 %.")
    high = serializers.FloatField()
    ratio = serializers.FloatField(
        help_text="Mean error at past origins, in units of that of the last value: below 1."
    )


class PredictionsSerializer(serializers.Serializer[Any]):
    """What the model says better than the last value; without a model `reason` says why."""

    values = PredictionSerializer(many=True)
    last_at = serializers.DateTimeField(allow_null=True)
    model = serializers.UUIDField(allow_null=True)
    row_count = serializers.IntegerField(help_text="Results that were learned from.")
    reason = serializers.CharField()


class PredictionView(APIView):
    @extend_schema(
        tags=["ml"],
        summary="Show what is to come of a test on a client",
        description="Of its headlines, 1, 6 and 12 runs ahead, as far as a model was better than "
        "the last value in a rolling backtest.",
        operation_id="assignments_prediction",
        responses=PredictionsSerializer,
    )
    def get(self, request: Request, id: UUID) -> Response:
        assignment = get_visible(request, id)
        document: dict[str, Any] = {"values": [], "last_at": None, "model": None, "row_count": 0}
        try:
            said = predict_next(assignment)
        except NoModel as error:
            document |= {"reason": error.detail}
        else:
            document |= {
                "values": said.values,
                "last_at": said.last_at,
                "model": said.version.id,
                "row_count": said.version.row_count,
                "reason": "",
            }
        return Response(PredictionsSerializer(document).data)


class TypedTestSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=sorted(KINDS))
    target = serializers.CharField(default="", allow_blank=True, max_length=2000)
    clients = serializers.ListField(
        child=serializers.UUIDField(), default=list, max_length=MOST_CLIENTS
    )


class ExpectedSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    middle = serializers.FloatField()
    low = serializers.FloatField(help_text="Of the interval that holds the next with 80 %.")
    high = serializers.FloatField()
    count = serializers.IntegerField(help_text="Values that say so.")


class ExpectationSerializer(serializers.Serializer[Any]):
    basis = serializers.CharField(
        allow_null=True,
        help_text="Whose results it rests on: `same` (these clients to this target), `target` "
        "(others to it), `site` (clients of the same sites), `kind` (any); null: of too few.",
    )
    count = serializers.IntegerField(help_text="Results of that basis, or the most there were.")
    needed = serializers.IntegerField()
    client_count = serializers.IntegerField()
    figures = ExpectedSerializer(many=True)


class ExpectationView(APIView):
    write_permission = Permission.OPERATE

    @extend_schema(
        tags=["ml"],
        summary="Say what a test that is not made yet will probably measure",
        description="By results of the last 30 days that the user may see.",
        operation_id="tests_prediction",
        request=TypedTestSerializer,
        responses=ExpectationSerializer,
    )
    def post(self, request: Request) -> Response:
        form = TypedTestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        kind, target = form.validated_data["kind"], form.validated_data["target"]
        if target:
            try:
                target = normalise_target(KINDS[kind].target_form, target)
            except ValueError as error:
                raise Invalid([FieldError("target", "malformed", str(error))]) from error
        found = expect_test(
            request.user, kind=kind, target=target, client_ids=form.validated_data["clients"]
        )
        figures = [{"key": key, **asdict(one)} for key, one in found.figures.items()]
        document = {
            "basis": found.basis,
            "count": found.count,
            "needed": found.needed,
            "client_count": found.client_count,
            "figures": figures,
        }
        return Response(ExpectationSerializer(document).data)
