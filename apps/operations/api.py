"""What programs ask about the server itself."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.accounts.policy import Permission, require
from apps.core.negotiation import OneFormat
from apps.operations.exposition import CONTENT_TYPE_LATEST, expose_metrics


class ServerMetricsView(APIView):
    content_negotiation_class = OneFormat

    @extend_schema(
        tags=["operation"],
        summary="The server's own figures for Prometheus and its like",
        description="OpenMetrics text. Needs a token with the scope `read` of a user who sees "
        "every client. Request times are of the process that answers.",
        responses={
            (200, "application/openmetrics-text"): OpenApiResponse(
                OpenApiTypes.STR,
                examples=[
                    OpenApiExample(
                        "a few lines",
                        value="# TYPE streamswarm_clients gauge\n"
                        'streamswarm_clients{presence="online"} 12.0',
                    )
                ],
            )
        },
    )
    def get(self, request: Request) -> HttpResponse:
        require(request.user, Permission.VIEW, is_everywhere=True)
        return HttpResponse(expose_metrics(), content_type=CONTENT_TYPE_LATEST)
