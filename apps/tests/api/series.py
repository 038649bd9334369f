import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from apps.accounts.policy import AnyUser
from apps.clients.selectors import get_client
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid, NotFound
from apps.core.http import LAST_MOMENT, LAST_YEAR
from apps.core.http import MomentField as IsoMomentField
from apps.metrics.catalogue import Key, parse_key
from apps.metrics.models import Source
from apps.metrics.selectors import (
    MAXIMUM_POINTS,
    Series,
    compare_readings,
    find_host_source,
    read_counter_rates,
    read_range,
)
from apps.tests.models import Assignment
from apps.tests.selectors import get_assignment, list_measured_keys, read_run_range

Reading = Callable[[datetime, datetime], Series]

DEFAULT_SPAN = timedelta(hours=1)
DEFAULT_POINTS = 500
SHIFT_PATTERN = re.compile(r"([1-9]\d{0,3})([hd])")
LONGEST_SHIFT = timedelta(days=3660)


@extend_schema_field({"type": "string", "examples": ["2026-01-31T12:00:00Z", "1769860800"]})
class MomentField(serializers.Field[datetime, str, str, Any]):
    """A moment as ISO 8601 (UTC when it names no zone) or as Unix seconds."""

    default_error_messages = {
        "invalid": f"must be ISO 8601 or Unix seconds from 0 to the year {LAST_YEAR}"
    }

    def to_internal_value(self, text: str) -> datetime:
        try:
            seconds = float(text)
        except ValueError:
            # A plus that was not quoted arrives as a space.
            iso = text.replace(" ", "+") if "T" in text else text
            return IsoMomentField(default_timezone=UTC).to_internal_value(iso)
        if not math.isfinite(seconds) or not 0 <= seconds < LAST_MOMENT.timestamp():
            self.fail("invalid")
        return datetime.fromtimestamp(seconds, UTC)

    def to_representation(self, moment: datetime) -> str:
        return moment.isoformat()


@extend_schema_field({"type": "string", "examples": ["1d", "7d", "30d"]})
class ShiftField(serializers.Field[timedelta, str, str, Any]):
    """A span as whole hours or days: 12h, 7d."""

    default_error_messages = {
        "invalid": f"must be whole hours or days up to {LONGEST_SHIFT.days}d, such as 1d, 7d or 12h"
    }

    def to_internal_value(self, text: str) -> timedelta:
        match = SHIFT_PATTERN.fullmatch(text)
        if match is None:
            self.fail("invalid")
        number = int(match[1])
        span = timedelta(days=number) if match[2] == "d" else timedelta(hours=number)
        if span > LONGEST_SHIFT:
            self.fail("invalid")
        return span

    def to_representation(self, span: timedelta) -> str:
        return f"{span // timedelta(hours=1)}h"


class SeriesQuery(serializers.Serializer[Any]):
    """Which numbers, of whom, from when to when."""

    client = serializers.UUIDField()
    test = serializers.UUIDField(
        required=False, help_text="Left out: what the client measured of its own host."
    )
    peer = serializers.UUIDField(
        required=False, help_text="The far end, where the client measures to several."
    )
    metric = serializers.CharField(
        max_length=255, help_text="With its attributes: system.network.io.rate{direction=receive}"
    )
    start = MomentField(required=False, help_text="ISO 8601 or Unix seconds; default end - 1 h.")
    end = MomentField(required=False, help_text="ISO 8601 or Unix seconds; default now.")
    points = serializers.IntegerField(
        min_value=1, max_value=MAXIMUM_POINTS, default=DEFAULT_POINTS, help_text="At most so many."
    )
    source_kind = serializers.CharField(required=False, max_length=16)
    subject = serializers.CharField(
        required=False, allow_blank=True, max_length=255, help_text="Such as eth0 or /home."
    )
    compare = ShiftField(
        required=False, help_text="Also the range that began so much earlier: 1d, 7d, 12h."
    )
    rate = serializers.BooleanField(
        default=False, help_text="Of a counter: its rate per second instead of its count."
    )

    def validate_metric(self, text: str) -> Key:
        key = parse_key(text)
        if key is None:
            detail = f"{text!r} is not in the catalogue (/api/v1/metrics/)"
            raise serializers.ValidationError(detail, code="unknown_metric")
        if not key.metric.is_number:
            detail = f"{key.metric.name} is a {key.metric.kind}; only numbers have a series"
            raise serializers.ValidationError(detail, code="no_number")
        return key

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        key: Key = asked["metric"]
        if asked["rate"] and key.metric.kind != "counter":
            detail = f"only a counter has a rate; {key.metric.name} is a {key.metric.kind}"
            raise serializers.ValidationError({"rate": detail}, code="not_a_counter")
        if asked["rate"] and "compare" in asked:
            detail = "cannot be asked for together with rate"
            raise serializers.ValidationError({"compare": detail}, code="with_rate")
        return asked


class SeriesSourceSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    subject = serializers.CharField()


class ColumnsSerializer(serializers.Serializer[Any]):
    """Columns of equal length, oldest first. With step 0 every point is one measured value."""

    step_seconds = serializers.IntegerField(help_text="Length of a bucket; 0 for single values.")
    tier = serializers.CharField(
        help_text="Where the numbers come from: raw, 5m, 1h or 1d (the kept buckets), or run: "
        "results, which have one value a run."
    )
    is_estimated = serializers.BooleanField(
        help_text="Some buckets were put together from kept ones: their p50 and p95 are estimates."
    )
    at = serializers.ListField(
        child=serializers.FloatField(), help_text="Unix seconds (of a bucket: its begin)."
    )
    count = serializers.ListField(child=serializers.IntegerField())
    minimum = serializers.ListField(child=serializers.FloatField())
    mean = serializers.ListField(child=serializers.FloatField())
    maximum = serializers.ListField(child=serializers.FloatField())
    p50 = serializers.ListField(child=serializers.FloatField())
    p95 = serializers.ListField(child=serializers.FloatField())


class ChangeSerializer(serializers.Serializer[Any]):
    """(now - earlier) / earlier; null when one is missing or the earlier is 0."""

    mean = serializers.FloatField(allow_null=True)
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)


class SeriesSerializer(ColumnsSerializer):
    """One metric over time, and on request the same range of an earlier time."""

    metric = serializers.CharField()
    unit = serializers.CharField()
    source = SeriesSourceSerializer()  # type: ignore[assignment]  # DRF takes fields off the class
    client = serializers.UUIDField()
    test = serializers.UUIDField(allow_null=True)
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    earlier = ColumnsSerializer(
        required=False, help_text="With compare: moved by the shift, so that both draw together."
    )
    change = ChangeSerializer(required=False, help_text="With compare: of the whole ranges.")


EXAMPLE = OpenApiExample(
    "median round-trip time in buckets of a minute",
    value={
        "metric": "net.rtt.median",
        "unit": "s",
        "source": {"kind": "assignment", "subject": "0b6f1c1e-9a52-4c55-8f0d-6f1f6d1c2a01"},
        "client": "7f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02",
        "test": "3a6a6f39-7a8f-46f5-9d6c-0a9dfb0f8a03",
        "start": "2026-01-31T12:00:00Z",
        "end": "2026-01-31T13:00:00Z",
        "step_seconds": 60,
        "tier": "raw",
        "is_estimated": False,
        "at": [1769860800.0, 1769860860.0],
        "count": [12, 11],
        "minimum": [0.0101, 0.0102],
        "mean": [0.0114, 0.0110],
        "maximum": [0.0190, 0.0131],
        "p50": [0.0112, 0.0109],
        "p95": [0.0168, 0.0127],
    },
    response_only=True,
)
RATE_EXAMPLE = OpenApiExample(
    "bytes per second out of a counter, over a quarter of a year",
    value={
        "metric": "system.network.io{direction=receive}",
        "unit": "By/s",
        "source": {"kind": "interface", "subject": "eth0"},
        "client": "7f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02",
        "test": None,
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-04-01T00:00:00Z",
        "step_seconds": 86400,
        "tier": "1d",
        "is_estimated": True,
        "at": [1767312000.0],
        "count": [1],
        "minimum": [12500.0],
        "mean": [12500.0],
        "maximum": [12500.0],
        "p50": [12500.0],
        "p95": [12500.0],
    },
    response_only=True,
)


class SeriesViewSet(ViewSet):
    @extend_schema(
        tags=["metrics"],
        summary="Read the values of one metric over time",
        description="Of a test on a client, or of the client's own host. Single values where they "
        "fit into `points`, else buckets with count, minimum, mean, maximum, median and 95th "
        "percentile. Long ranges come from buckets that are kept (`tier`); a bucket that was kept "
        "is whole, also where the range begins or ends inside it. A figure of a test that sums up "
        "whole runs, such as `net.rtt.p99` of a ping, comes from their results, at the moments "
        "their runs began (`tier` is then `run`).",
        operation_id="series_read",
        parameters=[SeriesQuery],
        responses=SeriesSerializer,
        examples=[EXAMPLE, RATE_EXAMPLE],
    )
    def list(self, request: Request) -> Response:
        query = SeriesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        end = asked.get("end") or read_now()
        start = asked.get("start") or end - DEFAULT_SPAN
        text = request.query_params["metric"].strip()
        assignment = find_assignment(request.user, asked)
        source = find_series_source(request.user, asked, text, assignment)
        unit = asked["metric"].metric.unit
        answer = {
            "metric": text,
            "unit": f"{unit}/s" if asked["rate"] else unit,
            "source": {"kind": source.kind, "subject": source.subject},
            "client": asked["client"],
            "test": asked.get("test"),
            "start": start,
            "end": end,
            **read_columns(asked, choose_reading(asked, text, source, assignment), start, end),
        }
        return Response(answer)


def read_columns(
    asked: Mapping[str, Any], read: Reading, start: datetime, end: datetime
) -> dict[str, Any]:
    """The numbers of the answer: of the range, or of it beside the earlier."""
    if "compare" not in asked:
        return asdict(read(start, end))
    comparison = compare_readings(read, start=start, end=end, shift=asked["compare"])
    return {
        **asdict(comparison.current),
        "earlier": asdict(comparison.earlier),
        "change": comparison.change,
    }


def choose_reading(
    asked: Mapping[str, Any], key: str, source: Source, assignment: Assignment | None
) -> Reading:
    """How the numbers are read: from the source, as its counter's rates, or out of results.

    Raises: Invalid for the rate of what results alone have: each run counts anew.
    """
    points: int = asked["points"]
    if assignment is not None and key in list_measured_keys(assignment).of_runs:
        if asked["rate"]:
            detail = f"{key} is counted anew in each run; only what goes on counting has a rate"
            raise Invalid([FieldError("rate", "not_a_counter", detail)])
        runs_of = assignment.id
        return lambda start, end: read_run_range(
            assignment_id=runs_of, key=key, start=start, end=end, points=points
        )
    read = read_counter_rates if asked["rate"] else read_range
    return lambda start, end: read(
        source_id=source.id, key=key, start=start, end=end, points=points
    )


def find_assignment(user: AnyUser, asked: Mapping[str, Any]) -> Assignment | None:
    """The assignment of the test that the query names, if it names one and `user` may see it."""
    if "test" not in asked:
        return None
    return get_assignment(
        user, test_id=asked["test"], client_id=asked["client"], peer_id=asked.get("peer")
    )


def find_series_source(
    user: AnyUser, asked: Mapping[str, Any], key: str, assignment: Assignment | None
) -> Source:
    """The source that the query means: of the assignment, or of a client that `user` may see."""
    if assignment is not None:
        if assignment.source is None:
            raise NotFound("source_unknown", "What this test measured there was deleted.")
        return assignment.source
    client = get_client(user, asked["client"])
    return find_host_source(
        client_id=client.id,
        key=key,
        kind=asked.get("source_kind", ""),
        subject=asked.get("subject"),
    )
