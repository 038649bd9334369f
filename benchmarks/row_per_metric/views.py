import hashlib
from typing import Any, ClassVar

from django.db import transaction
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.row_per_metric.models import Sample, Sender


class SampleSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField(max_length=200)
    value = serializers.FloatField()


class FrameSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    samples = SampleSerializer(many=True)


class BatchSerializer(serializers.Serializer[Any]):
    frames = FrameSerializer(many=True)


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, None]:
        key = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Agent ")
        sender = Sender.objects.filter(digest=hashlib.sha256(key.encode()).hexdigest()).first()
        if sender is None:
            raise AuthenticationFailed
        return sender, None


class SamplesView(APIView):
    authentication_classes: ClassVar = [KeyAuthentication]
    permission_classes: ClassVar = []

    def post(self, request: Request) -> Response:
        serializer = BatchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        sender: Any = request.user
        rows = [
            Sample(sender=sender, metric=sample["metric"], at=frame["at"], value=sample["value"])
            for frame in serializer.validated_data["frames"]
            for sample in frame["samples"]
        ]
        with transaction.atomic():
            Sample.objects.bulk_create(rows, ignore_conflicts=True)
        return Response({"stored": len(rows)})
