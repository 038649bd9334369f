"""What Prometheus and its like scrape of the clients."""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.accounts.api.permissions import NumbersPermission
from apps.core.negotiation import OneFormat
from apps.reports.selectors.scraping import ClientCollector, Wanted

LONGEST_AGE_SECONDS = 86_400
MOST_NAMES = 200
EXAMPLE = (
    "# HELP net_rtt_median_seconds Median round-trip time of the answered probes.\n"
    "# TYPE net_rtt_median_seconds gauge\n"
    "# UNIT net_rtt_median_seconds seconds\n"
    'net_rtt_median_seconds{client="probe-1",source="assignment",test="Gateway"} 0.0104 '
    "1769860800.5\n"
    "# EOF\n"
)


def list_names(help_text: str) -> "serializers.ListField":
    return serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        default=list,
        max_length=MOST_NAMES,
        help_text=help_text,
    )


class ScrapeQuery(serializers.Serializer[Any]):
    """Which values; each may be given several times."""

    client = list_names("Only of clients of this name.")
    site = list_names("Only of clients at the site of this short name.")
    group = list_names("Only metrics of this group of the catalogue (/api/v1/metrics/).")
    metric = list_names("Only this metric, named as in the catalogue: net.rtt.median.")
    max_age_seconds = serializers.IntegerField(
        min_value=1,
        max_value=LONGEST_AGE_SECONDS,
        default=300,
        help_text="What was measured longer ago is left out.",
    )

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "wanted": Wanted(
                clients=frozenset(asked["client"]),
                sites=frozenset(asked["site"]),
                groups=frozenset(asked["group"]),
                metrics=frozenset(asked["metric"]),
                longest_age=timedelta(seconds=asked["max_age_seconds"]),
            )
        }


class ClientMetricsView(APIView):
    permission_classes = (NumbersPermission,)
    # A scraper's wish is read by its own library, which knows both formats.
    content_negotiation_class = OneFormat

    @extend_schema(
        tags=["operation"],
        summary="The newest values of all clients for Prometheus and its like",
        description="OpenMetrics for who accepts it, else the older text format. Every value has "
        "the time it was measured at. A token needs the scope `metrics`; the clients are those its "
        "user may see. Names are the catalogue's with underscores, and the unit at the end.",
        operation_id="client_metrics_read",
        parameters=[ScrapeQuery],
        responses={
            (200, "application/openmetrics-text"): OpenApiResponse(
                OpenApiTypes.STR,
                examples=[OpenApiExample("one value", value=EXAMPLE)],
            )
        },
    )
    def get(self, request: Request) -> HttpResponse:
        query = ScrapeQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(ClientCollector(request.user, query.validated_data["wanted"]))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # What the registry is made of is typed wider than what the encoder takes.
        return HttpResponse(encode(registry), content_type=content_type)
