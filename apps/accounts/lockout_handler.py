"""What django-axes asks at every sign-in, answered by our lock-out; and what is then shown."""

from typing import Any

from axes.handlers.base import AxesHandler
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.accounts.models import User
from apps.accounts.services import lockout
from apps.core.addresses import read_client_address
from apps.core.http import answer_error, read_headers

Credentials = dict[str, Any] | None


class GrowingDelayHandler(AxesHandler):  # type: ignore[misc]  # axes ships no types
    """The methods that axes' proxy calls."""

    def is_locked(self, request: HttpRequest, credentials: Credentials = None) -> bool:
        return lockout.read_wait_seconds(**identify(request, credentials)) > 0

    def user_login_failed(
        self, _sender: Any, credentials: Credentials, request: Any = None, **_options: Any
    ) -> None:
        if request is None:
            return
        who = identify(request, credentials)
        # Trying on while locked out must not make the wait longer: it might never end.
        count = lockout.read_wait_seconds if request.axes_locked_out else lockout.note_failure
        seconds = count(**who)
        if seconds:
            note_lockout(request, seconds)

    def user_logged_in(
        self, _sender: Any, request: HttpRequest, user: User, **_options: Any
    ) -> None:
        lockout.forget_failures(username=user.get_username(), address=read_client_address(request))

    def post_save_access_attempt(self, instance: Any, **_options: Any) -> None:
        """Nothing more to do; axes calls it."""

    def post_delete_access_attempt(self, instance: Any, **_options: Any) -> None:
        """Nothing more to do; axes calls it."""


def note_lockout(request: Any, seconds: int) -> None:
    """Have the request answered by `answer_lockout`, whatever its view says."""
    request.axes_locked_out = True
    request.lock_wait_seconds = seconds


def identify(request: HttpRequest, credentials: Credentials) -> dict[str, str]:
    username = (credentials or {}).get("username") or ""
    return {"username": str(username), "address": read_client_address(request)}


def answer_lockout(
    request: HttpRequest, _response: HttpResponse | None = None, _credentials: Credentials = None
) -> HttpResponse:
    """429 with Retry-After: JSON for programs, a page for people."""
    error = lockout.refuse(getattr(request, "lock_wait_seconds", lockout.FIRST_WAIT.seconds))
    if request.path.startswith("/api/"):
        return answer_error(request, error, page_request=None)
    context = {"wait_seconds": error.retry_after_seconds}
    response = render(request, "account/locked.html", context, status=error.http_status)
    for name, value in read_headers(error).items():
        response[name] = value
    return response
