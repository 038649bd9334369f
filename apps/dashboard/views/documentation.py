"""The API's documentation in the browser, from our own files only."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.dashboard.views.access import PageRequest, page

# Both programs write styles into the page, and ReDoc starts its search from a blob; still nothing
# comes from another host.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@require_GET
@page(Permission.VIEW)
def swagger(request: PageRequest) -> HttpResponse:
    return render_documentation(request, "documentation/swagger.html")


@require_GET
@page(Permission.VIEW)
def redoc(request: PageRequest) -> HttpResponse:
    return render_documentation(request, "documentation/redoc.html")


def render_documentation(request: PageRequest, template: str) -> HttpResponse:
    response = render(request, template)
    response["Content-Security-Policy"] = POLICY
    return response
