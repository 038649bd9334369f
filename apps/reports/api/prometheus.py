"""The part of Prometheus' HTTP API that reads: for Grafana, promtool and their like.

Its shapes are Prometheus' own (https://prometheus.io/docs/prometheus/latest/querying/api/), also
those of its refusals.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.permissions import NumbersPermission
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid
from apps.core.http import FIRST_MOMENT, LAST_MOMENT, MOMENT_DETAIL, handle_exception
from apps.metrics.catalogue import Metric
from apps.reports.algorithms.exposed_names import name_metric
from apps.reports.algorithms.plain_selectors import (
    LABEL,
    Selector,
    parse_query,
    parse_selectors,
)
from apps.reports.selectors.exposed import list_exposed_metrics
from apps.reports.selectors.queries import (
    Answer,
    count_steps,
    list_series,
    read_instant,
    read_label_values,
    read_labels,
    read_steps,
)

ERROR_TYPES = {
    400: "bad_data",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "bad_data",
    415: "bad_data",
}
MOST_SELECTORS = 20
DURATION = re.compile(
    "".join(rf"(?:(\d{{1,9}}){unit})?" for unit in ("w", "d", "h", "m", "s", "ms"))
)
DURATION_UNITS = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds")
LONGEST_STEP_SECONDS = 366 * 86_400.0
# Grafana asks for it to know what it may ask; this one has what is answered here.
LIKE_VERSION = "2.24.0"

Door = TypeVar("Door", bound=Callable[..., Response])

QUERY = OpenApiParameter(
    "query", OpenApiTypes.STR, required=True, description="A plain selector, or a number."
)
TIME = OpenApiParameter("time", OpenApiTypes.STR, description="Unix seconds or RFC 3339; now.")
START = OpenApiParameter("start", OpenApiTypes.STR, description="Unix seconds or RFC 3339.")
END = OpenApiParameter("end", OpenApiTypes.STR, description="Unix seconds or RFC 3339.")
STEP = OpenApiParameter("step", OpenApiTypes.STR, required=True, description="Seconds, or 1m30s.")
MATCH = OpenApiParameter("match[]", OpenApiTypes.STR, many=True, description="A plain selector.")
LIMIT = OpenApiParameter("limit", OpenApiTypes.INT, description="At most so many; 0 for all.")
TRUNCATED = "results truncated due to limit"


class FailureSerializer(serializers.Serializer[Any]):
    """A refusal in Prometheus' shape."""

    status = serializers.ChoiceField(["error"])
    errorType = serializers.CharField()  # noqa: N815 - Prometheus' own name
    error = serializers.CharField()


class SuccessSerializer(serializers.Serializer[Any]):
    """An answer in Prometheus' shape."""

    status = serializers.ChoiceField(["success"])
    data = serializers.JSONField()  # type: ignore[assignment]  # DRF takes fields off the class


RESPONSES = {
    200: SuccessSerializer,
    400: FailureSerializer,
    401: FailureSerializer,
    403: FailureSerializer,
}


def describe(
    *, summary: str, name: str, parameters: Sequence[OpenApiParameter], method: str = "read"
) -> Callable[[Door], Door]:
    decorator: Callable[[Door], Door] = extend_schema(
        tags=["reports"],
        summary=summary,
        operation_id=f"prometheus_{name}_{method}",
        parameters=list(parameters),
        request=None,
        responses=RESPONSES,
    )
    return decorator


def answer_failure(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The refusal of any view, in Prometheus' shape."""
    response = handle_exception(error, context)
    if response is not None and isinstance(response.data, dict):
        kind = ERROR_TYPES.get(response.status_code, "unavailable")
        detail = response.data.get("detail", "")
        response.data = {"status": "error", "errorType": kind, "error": detail}
    return response


class PrometheusView(APIView):
    permission_classes = (NumbersPermission,)
    parser_classes = (FormParser, JSONParser)
    is_whole = True

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return answer_failure


def succeed(content: Any) -> Response:
    return Response({"status": "success", "data": content})


def succeed_with_some(found: Sequence[Any], asked: QueryDict) -> Response:
    """As many as were asked for, with Prometheus' own warning when that is not all."""
    limit = read_limit(asked)
    if not limit or limit < 0 or len(found) <= limit:
        return succeed(found)
    return Response({"status": "success", "data": found[:limit], "warnings": [TRUNCATED]})


def read_limit(asked: QueryDict) -> int | None:
    text = asked.get("limit", "")
    if text and not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Invalid([FieldError("limit", "malformed", "must be a whole number")])
    return int(text) if text else None


def read_asked(request: Request) -> QueryDict:
    """What the address and a sent form ask for together."""
    asked = request.query_params.copy()
    if isinstance(request.data, QueryDict):
        for name, values in request.data.lists():
            asked.setlist(name, [*asked.getlist(name), *values])
    return asked


def read_moment(asked: QueryDict, name: str, otherwise: datetime) -> datetime:
    text = asked.get(name, "")
    if not text:
        return otherwise
    try:
        moment = parse_moment(text)
    except (ValueError, OverflowError):
        detail = "must be Unix seconds or RFC 3339 with its zone"
        raise Invalid([FieldError(name, "malformed", detail)]) from None
    if not FIRST_MOMENT <= moment < LAST_MOMENT:
        raise Invalid([FieldError(name, "out_of_range", MOMENT_DETAIL)])
    return moment


def parse_moment(text: str) -> datetime:
    """Raises: ValueError or OverflowError."""
    if "T" not in text:
        return FIRST_MOMENT + timedelta(seconds=float(text))
    moment = datetime.fromisoformat(text.replace(" ", "+"))
    if moment.tzinfo is None:
        raise ValueError("has no zone")
    return moment


def require_moment(asked: QueryDict, name: str) -> datetime:
    if not asked.get(name):
        raise Invalid([FieldError(name, "required", "must be given")])
    return read_moment(asked, name, FIRST_MOMENT)


def read_step(text: str) -> timedelta:
    try:
        seconds = float(text)
    except ValueError:
        found = DURATION.fullmatch(text)
        parts = zip(DURATION_UNITS, found.groups() if text and found else (), strict=False)
        given = {name: float(value) for name, value in parts if value}
        seconds = timedelta(**given).total_seconds() if given else math.nan
    if not 0 < seconds <= LONGEST_STEP_SECONDS:
        detail = "must be seconds, or a duration such as 15s or 1h30m, up to a year"
        raise Invalid([FieldError("step", "malformed", detail)])
    return max(timedelta(seconds=seconds), timedelta(milliseconds=1))


def read_selectors(asked: QueryDict) -> list[Selector]:
    texts = asked.getlist("match[]")
    if len(texts) > MOST_SELECTORS:
        raise Invalid([FieldError("match[]", "too_many", f"must be at most {MOST_SELECTORS}")])
    try:
        return parse_selectors(texts)
    except ValueError as error:
        raise Invalid([FieldError("match[]", "malformed", str(error))]) from None


def read_query(asked: QueryDict) -> Selector | float:
    try:
        return parse_query(asked.get("query", ""))
    except ValueError as error:
        raise Invalid([FieldError("query", "malformed", str(error))]) from None


def read_since(asked: QueryDict) -> datetime | None:
    """Only what has measured since then is listed; everything when it is not given."""
    return read_moment(asked, "start", FIRST_MOMENT) if asked.get("start") else None


def describe_metric(metric: Metric) -> dict[str, str]:
    unit = name_metric(metric.name, metric.unit).unit
    return {"type": metric.kind, "help": metric.description, "unit": unit}


def write_number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def write_pairs(answer: Answer) -> list[list[Any]]:
    pairs = zip(answer.at.tolist(), answer.values.tolist(), strict=True)
    return [[at, write_number(value)] for at, value in pairs]


class QueryView(PrometheusView):
    @describe(summary="Ask for the values at one moment", name="query", parameters=[QUERY, TIME])
    def get(self, request: Request) -> Response:
        asked = read_asked(request)
        at = read_moment(asked, "time", read_now())
        query = read_query(asked)
        if not isinstance(query, Selector):
            pair = [at.timestamp(), write_number(query)]
            return succeed({"resultType": "scalar", "result": pair})
        result = [
            {"metric": answer.labels, "value": write_pairs(answer)[0]}
            for answer in read_instant(request.user, query, at)
        ]
        return succeed({"resultType": "vector", "result": result})

    @describe(
        summary="Ask for the values at one moment by a form",
        name="query",
        parameters=[],
        method="ask",
    )
    def post(self, request: Request) -> Response:
        return self.get(request)


class QueryRangeView(PrometheusView):
    @describe(
        summary="Ask for the values over a range, step by step",
        name="query_range",
        parameters=[QUERY, START, END, STEP],
    )
    def get(self, request: Request) -> Response:
        asked = read_asked(request)
        start, end = require_moment(asked, "start"), require_moment(asked, "end")
        step = read_step(asked.get("step", ""))
        query = read_query(asked)
        if not isinstance(query, Selector):
            at = [
                start.timestamp() + number * step.total_seconds()
                for number in range(count_steps(start, end, step))
            ]
            pairs = [[moment, write_number(query)] for moment in at]
            alone = {"metric": {}, "values": pairs}
            return succeed({"resultType": "matrix", "result": [alone]})
        answers = read_steps(request.user, query, start=start, end=end, step=step)
        result = [{"metric": one.labels, "values": write_pairs(one)} for one in answers]
        return succeed({"resultType": "matrix", "result": result})

    @describe(
        summary="Ask for the values over a range by a form",
        name="query_range",
        parameters=[],
        method="ask",
    )
    def post(self, request: Request) -> Response:
        return self.get(request)


class SeriesView(PrometheusView):
    @describe(
        summary="List the series of selectors",
        name="series",
        parameters=[MATCH, START, END, LIMIT],
    )
    def get(self, request: Request) -> Response:
        asked = read_asked(request)
        selectors = read_selectors(asked)
        if not selectors:
            raise Invalid([FieldError("match[]", "required", "must be given")])
        found = list_series(request.user, selectors, since=read_since(asked))
        return succeed_with_some(found, asked)

    @describe(
        summary="List the series of selectors by a form",
        name="series",
        parameters=[],
        method="ask",
    )
    def post(self, request: Request) -> Response:
        return self.get(request)


class LabelsView(PrometheusView):
    @describe(
        summary="List the labels there are", name="labels", parameters=[MATCH, START, END, LIMIT]
    )
    def get(self, request: Request) -> Response:
        asked = read_asked(request)
        selectors = read_selectors(asked)
        found = read_labels(request.user, selectors, since=read_since(asked))
        return succeed_with_some(found, asked)

    @describe(
        summary="List the labels there are by a form",
        name="labels",
        parameters=[],
        method="ask",
    )
    def post(self, request: Request) -> Response:
        return self.get(request)


class LabelValuesView(PrometheusView):
    @describe(
        summary="List the values of a label",
        name="label_values",
        parameters=[MATCH, START, END, LIMIT],
    )
    def get(self, request: Request, label: str) -> Response:
        if not LABEL.fullmatch(label):
            raise Invalid([FieldError("label", "malformed", f"{label!r} is no name of a label")])
        asked = read_asked(request)
        selectors = read_selectors(asked)
        found = read_label_values(request.user, selectors, label, since=read_since(asked))
        return succeed_with_some(found, asked)


class MetadataView(PrometheusView):
    @describe(
        summary="Tell type, unit and meaning of metrics",
        name="metadata",
        parameters=[
            OpenApiParameter("metric", OpenApiTypes.STR, description="Only that one."),
            OpenApiParameter("limit", OpenApiTypes.INT, description="At most so many."),
        ],
    )
    def get(self, request: Request) -> Response:
        asked = read_asked(request)
        limit = read_limit(asked)
        found = {
            name: [describe_metric(one)]
            for name, one in list_exposed_metrics().items()
            if asked.get("metric", "") in {"", name}
        }
        most = limit if limit is not None and limit >= 0 else len(found)
        return succeed(dict(list(found.items())[:most]))


class BuildInfoView(PrometheusView):
    @describe(
        summary="Tell which version of Prometheus this answers like",
        name="buildinfo",
        parameters=[],
    )
    def get(self, _request: Request) -> Response:
        empty = dict.fromkeys(("revision", "branch", "buildUser", "buildDate", "goVersion"), "")
        return succeed({"application": "StreamSwarm", "version": LIKE_VERSION, **empty})


class RulesView(PrometheusView):
    @describe(
        summary="List the rules of Prometheus, of which there are none here",
        name="rules",
        parameters=[],
    )
    def get(self, _request: Request) -> Response:
        # Grafana looks for recording rules whenever it opens the data source.
        return succeed({"groups": []})
