"""Making and changing tests."""

from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Conflict, Invalid
from apps.dashboard.forms.tests import TestForm, describe_test_form
from apps.dashboard.views.access import PageRequest, page
from apps.tests.models import Test
from apps.tests.selectors import get_test_to_change
from apps.tests.services import assign_clients, change_test, create_test


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def make_test(request: PageRequest) -> HttpResponse:
    initial = {"clients": request.GET.getlist("client")}
    form = TestForm(request.POST or None, user=request.user, initial=initial)
    if form.is_valid():
        try:
            test = create_test(form.build_definition(), clients=form.cleaned_data["clients"])
        except (Conflict, Invalid) as error:
            form.take_errors(error)
        else:
            messages.success(request, _("The test is made; its first run starts shortly."))
            return redirect("dashboard:test", test.id)
    return render_form(request, form)


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def edit_test(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_change(request.user, test_id)
    assigned = test.assignments.filter(removed_at=None).values_list("client_id", flat=True)
    initial = describe_test_form(test, list(assigned))
    form = TestForm(request.POST or None, user=request.user, initial=initial)
    if form.is_valid():
        try:
            save_test(test, form)
        except (Conflict, Invalid) as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Saved. Runs follow the new schedule from now on."))
            return redirect("dashboard:test", test.id)
    return render_form(request, form, test)


@transaction.atomic
def save_test(test: Test, form: TestForm) -> None:
    change_test(test, form.build_definition(start_at=test.start_at))
    assign_clients(test=test, clients=form.cleaned_data["clients"])


def render_form(request: PageRequest, form: TestForm, test: Test | None = None) -> HttpResponse:
    context = {"form": form, "test": test}
    return render(request, "dashboard/test_form.html", context, status=422 if form.errors else 200)


@require_POST
@page(Permission.OPERATE)
def show_parameters(request: PageRequest) -> HttpResponse:
    """The form's part that depends on the kind, with what was typed so far."""
    typed = {name: value for name, value in request.POST.items() if name != "csrfmiddlewaretoken"}
    form = TestForm(user=request.user, initial=typed)
    form.data = request.POST
    return render(request, "dashboard/partials/_parameters.html", {"form": form})
