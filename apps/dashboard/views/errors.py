from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


def refuse_csrf(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    detail = _(
        "This form was too old, or your browser keeps no cookies. Go back, load the page again and "
        "send the form once more."
    )
    return render(request, "errors/error.html", {"status": 403, "detail": detail}, status=403)
