"""How errors, pages of lists and field problems look over HTTP, for every API."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.defaults import server_error
from rest_framework import exceptions
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from apps.core.database import explain_fault
from apps.core.errors import StreamSwarmError, Unavailable

logger = structlog.get_logger(__name__)


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


def describe_error(error: StreamSwarmError) -> dict[str, Any]:
    return {"code": error.code, "detail": error.detail, "data": error.data}


def read_headers(error: StreamSwarmError) -> dict[str, str]:
    """The headers that belong to the refusal itself."""
    if isinstance(error, Unavailable):
        return {"Retry-After": str(error.retry_after_seconds)}
    return {}


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The `{"code", "detail", "data"}` answer of every API view."""
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database_fault", reason=str(error))
        error = explain_fault(error)
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
        if isinstance(error, StreamSwarmError):
            return answer_error(request, error, page_request=request)
        return None


def answer_crash(request: HttpRequest) -> HttpResponse:
    """The answer to what no view caught, such as a database that was away before the view."""
    error = sys.exception()
    if isinstance(error, OperationalError | InterfaceError):
        return answer_fault(request, error)
    return server_error(request)


def answer_fault(request: HttpRequest, error: OperationalError | InterfaceError) -> HttpResponse:
    logger.error("database_fault", reason=str(error))
    # A page made without its request asks the database for nobody's name or theme.
    return answer_error(request, explain_fault(error), page_request=None)


def answer_error(
    request: HttpRequest, error: StreamSwarmError, *, page_request: HttpRequest | None
) -> HttpResponse:
    if request.path.startswith("/api/"):
        response: HttpResponse = JsonResponse(describe_error(error), status=error.http_status)
    else:
        response = render_error_page(page_request, error)
    for name, value in read_headers(error).items():
        response[name] = value
    return response


def render_error_page(request: HttpRequest | None, error: StreamSwarmError) -> HttpResponse:
    context = {"status": error.http_status, "detail": error.detail}
    return render(request, "errors/error.html", context, status=error.http_status)
