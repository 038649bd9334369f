"""How long requests take, by route: kept in this process, shown at /metrics."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

SECONDS_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)

REQUEST_SECONDS = Histogram(
    "streamswarm_http_request_seconds",
    "Time to answer a request, by route and status.",
    ["method", "route", "status"],
    buckets=SECONDS_BOUNDS,
    registry=None,
)
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MeasuringMiddleware:
    """Labels are routes and never addresses, which strangers could make without end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        method = request.method or ""
        REQUEST_SECONDS.labels(
            method if method in KNOWN_METHODS else "other",
            match.route if match else "none",
            str(response.status_code),
        ).observe(time.perf_counter() - began)
        return response
