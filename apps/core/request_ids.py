"""One id from a click to the last line a worker logs about it."""

import re
from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
META_KEY = "HTTP_X_REQUEST_ID"
ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{8,64}")


class RequestIdMiddleware:
    """Keeps the browser's id of a request or makes one, and says it in the answer.

    The id goes into logs, so one that is not of letters, digits, - and _ is replaced.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get(META_KEY, "")
        request_id = given if ID_PATTERN.fullmatch(given) else str(uuid4())
        request.META[META_KEY] = request_id
        response = self.get_response(request)
        response[HEADER] = request_id
        return response


def read_request_id(request: HttpRequest | None) -> str:
    """The id of a request that came through the middleware; empty for any other."""
    return str(request.META.get(META_KEY, "")) if request is not None else ""
