from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts.services import is_setup_open, set_up_first_admin
from apps.core.errors import Invalid, NotFound, Refused
from apps.dashboard.forms.setup import SetupForm

BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@never_cache
def set_up(request: HttpRequest) -> HttpResponse:
    """The first administrator's account; gone as soon as there is a user."""
    if not is_setup_open():
        raise NotFound("setup_closed", _("This server has been set up already."))
    form = SetupForm(request.POST or None)
    status = 200
    if form.is_valid():
        try:
            user = set_up_first_admin(
                code=form.cleaned_data["code"],
                username=form.cleaned_data["username"],
                password=form.cleaned_data["password"],
            )
        except Invalid as error:
            form.take_errors(error)
        except Refused as error:
            form.add_error("code", error.detail)
            status = error.http_status
        else:
            login(request, user, backend=BACKEND)
            messages.success(request, _("Welcome. This server is yours now."))
            return redirect("dashboard:overview")
    return render(request, "dashboard/setup.html", {"form": form}, status=status)
