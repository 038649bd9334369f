"""Addresses of pages that let somebody in once, as people get them."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse


def build_invitation_link(request: HttpRequest, secret: str) -> str:
    return find_base(request) + reverse("dashboard:invitation", args=[secret])


def build_password_link(request: HttpRequest, secret: str) -> str:
    return find_base(request) + reverse("dashboard:password-link", args=[secret])


def find_base(request: HttpRequest) -> str:
    """The address users see; the request's own host when none is set."""
    base: str = settings.BASE_URL
    return (base or f"{request.scheme}://{request.get_host()}").rstrip("/")
