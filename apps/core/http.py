"""How errors, pages of lists and field problems look over HTTP, for every API."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseServerError, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework import exceptions, serializers
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from apps.core.database import explain_fault, is_disk_full, report_full
from apps.core.errors import FieldError, Invalid, StreamSwarmError, Unavailable
from apps.core.request_ids import read_request_id

logger = structlog.get_logger(__name__)

FIRST_YEAR = 1970
LAST_YEAR = 2200
FIRST_MOMENT = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(LAST_YEAR, 1, 1, tzinfo=UTC)
MOMENT_DETAIL = f"must lie between {FIRST_YEAR} and {LAST_YEAR}"


class Pagination(PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 1000


class StableOrdering(OrderingFilter):
    """`?ordering=` by the view's whitelist; the primary key decides between equals.

    Without that a row could stand on two pages, or on none.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        ordering = self.get_ordering(request, queryset, view) or queryset.query.order_by
        return queryset.order_by(*(ordering or queryset.model._meta.ordering), "pk")  # noqa: SLF001 - documented API

    def remove_invalid_fields(
        self, queryset: QuerySet[Any], fields: Iterable[str], view: APIView, request: Request
    ) -> list[str]:
        """All of them.

        Raises: Invalid naming those by which the list is not ordered, and those by which it is.
        """
        choices = self.get_valid_fields(queryset, view, {"request": request})
        allowed = [str(name) for name, _label in choices]
        wanted = list(fields)
        unknown = [name for name in wanted if name.removeprefix("-") not in allowed]
        if unknown:
            detail = f"there is no {', '.join(unknown)}; it may be {', '.join(allowed)}"
            raise Invalid([FieldError("ordering", "unknown", detail)])
        return wanted


def is_plausible(moment: datetime) -> bool:
    """Whether every database can store the moment and every zone write it."""
    return FIRST_MOMENT <= moment < LAST_MOMENT


class MomentField(serializers.DateTimeField):
    """A moment in what somebody sends; one that no clock will ever show is refused."""

    def to_internal_value(self, value: Any) -> datetime:
        moment: datetime = super().to_internal_value(value)
        if not is_plausible(moment):
            raise serializers.ValidationError(MOMENT_DETAIL, code="out_of_range")
        return moment


class CheckedFilters(DjangoFilterBackend):  # type: ignore[misc]  # django-filter ships no types
    """The filters of every list; moments that no clock will ever show are refused."""

    def get_filterset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> FilterSet | None:
        filterset = super().get_filterset(request, queryset, view)
        if filterset is not None and filterset.is_valid():
            errors = [
                FieldError(name, "out_of_range", MOMENT_DETAIL)
                for name, value in filterset.form.cleaned_data.items()
                if isinstance(value, datetime) and not is_plausible(value)
            ]
            if errors:
                raise Invalid(errors)
        return filterset


class FieldSelection:
    """`?fields=name,site` on whatever the API reads: each row keeps only those members.

    It works on the finished answer of any view, so no view needs to know of it; one whose answers
    have a shape that other programs expect says `is_whole = True`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_template_response(
        self, request: HttpRequest, response: HttpResponse
    ) -> HttpResponse:
        wanted = request.GET.get("fields")
        is_read = request.method == "GET" and response.status_code == HTTPStatus.OK
        if wanted is None or not is_read or not isinstance(response, Response):
            return response
        if isinstance(response.data, dict | list) and not is_whole(response):
            try:
                response.data = select_fields(response.data, wanted, read_members(response))
            except Invalid as error:
                response.data = name_request(describe_error(error), read_request_id(request))
                response.status_code = error.http_status
        return response


def is_whole(response: Response) -> bool:
    view = getattr(response, "renderer_context", {}).get("view")
    return bool(getattr(view, "is_whole", False))


def read_members(response: Response) -> list[str]:
    """What the rows of the answer may hold by the view's serializer; a view may have none."""
    view = getattr(response, "renderer_context", {}).get("view")
    get_serializer = getattr(view, "get_serializer", None)
    return list(get_serializer().fields) if get_serializer else []


def select_fields(document: Any, wanted: str, members: Sequence[str]) -> Any:
    """The document of one object, of a list, or of a page of a list, with only the members wanted.

    Raises: Invalid naming those that no row has, and all that there are.
    """
    is_page = isinstance(document, Mapping) and isinstance(document.get("results"), list)
    rows = document["results"] if is_page else document
    listed = rows if isinstance(rows, list) else [rows]
    names = list(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    allowed = list(dict.fromkeys([*members, *(key for row in listed[:1] for key in row)]))
    check_names(names, allowed)
    picked = [{name: row[name] for name in names if name in row} for row in listed]
    if is_page:
        return {**document, "results": picked}
    return picked if isinstance(rows, list) else picked[0]


def check_names(names: Sequence[str], allowed: Sequence[str]) -> None:
    unknown = [name for name in names if allowed and name not in allowed]
    if unknown or not names:
        what = f"there is no {', '.join(unknown)}" if unknown else "names no field"
        detail = f"{what}; the fields are {', '.join(allowed)}"
        raise Invalid([FieldError("fields", "unknown", detail)])


def describe_error(error: StreamSwarmError) -> dict[str, Any]:
    return {"code": error.code, "detail": error.detail, "data": error.data}


def name_request(document: dict[str, Any], request_id: str) -> dict[str, Any]:
    """The refusal with the id under which the log has more of it."""
    return {**document, "request_id": request_id} if request_id else document


def read_headers(error: StreamSwarmError) -> dict[str, str]:
    """The headers that belong to the refusal itself."""
    if isinstance(error, Unavailable):
        return {"Retry-After": str(error.retry_after_seconds)}
    return {}


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The `{"code", "detail", "data"}` answer of every API view, with the request's id."""
    response = build_refusal(error, context)
    if response is not None and isinstance(response.data, dict):
        response.data = name_request(response.data, read_request_id(context.get("request")))
    return response


def build_refusal(error: Exception, context: Mapping[str, Any]) -> Response | None:
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database_fault", reason=str(error))
        error = explain_fault(error)
    elif is_disk_full(error):
        error = report_full()
    if isinstance(error, StreamSwarmError):
        return Response(
            describe_error(error), status=error.http_status, headers=read_headers(error)
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, dict(context))
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    response.data = describe_framework_error(error)
    return response


def describe_framework_error(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        errors = list(flatten_problems(error.get_full_details(), path=()))
        summary = "; ".join(f"{item['field']}: {item['detail']}" for item in errors)
        return {"code": "invalid", "detail": summary, "data": {"errors": errors}}
    if isinstance(error, exceptions.ParseError):
        problem = {"field": "body", "code": error.default_code, "detail": str(error.detail)}
        return {"code": "invalid", "detail": problem["detail"], "data": {"errors": [problem]}}
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    return {"code": code, "detail": str(error.detail), "data": {}}


def flatten_problems(problem: Any, path: tuple[str, ...]) -> list[dict[str, str]]:
    """The nested problems of a DRF serializer as one list with dotted field names."""
    if isinstance(problem, Mapping) and set(problem) == {"message", "code"}:
        field = ".".join(part for part in path if part != "non_field_errors") or "body"
        return [{"field": field, "code": str(problem["code"]), "detail": str(problem["message"])}]
    if isinstance(problem, Mapping):
        parts = [flatten_problems(value, (*path, str(key))) for key, value in problem.items()]
    else:
        parts = [flatten_problems(value, path) for value in problem]
    return [item for part in parts for item in part]


class ErrorMiddleware:
    """Our errors outside the API views too: JSON for programs, a page for people."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError | InterfaceError):
            return answer_fault(request, error)
        if is_disk_full(error):
            return answer_error(request, report_full(), page_request=None)
        if isinstance(error, StreamSwarmError):
            return answer_error(request, error, page_request=request)
        return None


def answer_crash(request: HttpRequest) -> HttpResponse:
    """The answer to what no view caught, such as a database that was away before the view."""
    error = sys.exception()
    if isinstance(error, OperationalError | InterfaceError):
        return answer_fault(request, error)
    if is_disk_full(error):
        return answer_error(request, report_full(), page_request=None)
    page = render_to_string("500.html", {"request_id": read_request_id(request)})
    return HttpResponseServerError(page)


def answer_fault(request: HttpRequest, error: OperationalError | InterfaceError) -> HttpResponse:
    logger.error("database_fault", reason=str(error))
    # A page made without its request asks the database for nobody's name or theme.
    return answer_error(request, explain_fault(error), page_request=None)


def answer_error(
    request: HttpRequest, error: StreamSwarmError, *, page_request: HttpRequest | None
) -> HttpResponse:
    request_id = read_request_id(request)
    if request.path.startswith("/api/"):
        document = name_request(describe_error(error), request_id)
        response: HttpResponse = JsonResponse(document, status=error.http_status)
    else:
        response = render_error_page(page_request, error, request_id)
    for name, value in read_headers(error).items():
        response[name] = value
    return response


def render_error_page(
    request: HttpRequest | None, error: StreamSwarmError, request_id: str
) -> HttpResponse:
    context = {"status": error.http_status, "detail": error.detail, "request_id": request_id}
    return render(request, "errors/error.html", context, status=error.http_status)
