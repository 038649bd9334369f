"""Making and changing tests."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Conflict, Invalid, Refused
from apps.dashboard.forms.parameters import read_parameters
from apps.dashboard.forms.tests import TestForm, describe_test_form
from apps.dashboard.selectors.coming import describe_expectation, describe_said
from apps.dashboard.selectors.previews import preview_test
from apps.dashboard.views.access import PageRequest, page
from apps.ml.selectors.expectations import expect_test
from apps.tests.algorithms.targets import normalise_target
from apps.tests.models import Test
from apps.tests.selectors import get_test_to_change, require_reach
from apps.tests.services import (
    TestDefinition,
    change_test,
    create_test,
    rehearse_test,
)
from apps.tests.services.pairing import list_members

TYPED_WRONG = (Conflict, Invalid, Refused)


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def make_test(request: PageRequest) -> HttpResponse:
    initial = {"clients": request.GET.getlist("client")}
    form = TestForm(request.POST or None, user=request.user, initial=initial)
    if form.is_valid():
        try:
            definition = read_definition(request, form)
            test = create_test(definition, clients=form.cleaned_data["clients"])
        except TYPED_WRONG as error:
            form.take_errors(error)
        else:
            messages.success(request, _("The test is made; its first run starts shortly."))
            return redirect("dashboard:test", test.id)
    return render_form(request, form)


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def edit_test(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_change(request.user, test_id)
    form = fill_form(request, test)
    if form.is_valid():
        try:
            definition = read_definition(request, form, test)
            change_test(test, definition, clients=form.cleaned_data["clients"])
        except TYPED_WRONG as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Saved. Runs follow the new schedule from now on."))
            return redirect("dashboard:test", test.id)
    return render_form(request, form, test)


def fill_form(request: PageRequest, test: Test) -> TestForm:
    initial = describe_test_form(test, sorted(list_members(test)))
    return TestForm(request.POST or None, user=request.user, initial=initial)


def read_definition(
    request: PageRequest, form: TestForm, test: Test | None = None
) -> TestDefinition:
    """What the valid form asks for.

    Raises: Refused when its selection reaches beyond the user's clients.
    """
    definition = form.build_definition(start_at=test.start_at if test else None)
    require_reach(
        request.user,
        selection_kind=definition.selection_kind,
        selector=definition.selector,
        hub_id=definition.hub_id,
    )
    return definition


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


@require_POST
@page(Permission.OPERATE)
def show_preview(request: PageRequest) -> HttpResponse:
    """Who would run the test and when, as far as what is typed so far makes sense."""
    test, form = read_typed(request)
    form.is_valid()
    values = {
        **form.cleaned_data,
        "kind": form.chosen_kind.name,
        "parameters": read_parameters(form.chosen_kind, form.cleaned_data),
    }
    preview = preview_test(request.user, values, form.read_selector(), test=test)
    return render(request, "dashboard/partials/_test_preview.html", {"preview": preview})


@require_POST
@page(Permission.OPERATE)
def try_test(request: PageRequest) -> HttpResponse:
    """What saving the form would do; nothing is stored."""
    test, form = read_typed(request)
    rehearsal = None
    if form.is_valid():
        try:
            definition = read_definition(request, form, test)
            clients = form.cleaned_data["clients"]
            rehearsal = rehearse_test(definition, clients=clients, test=test)
        except TYPED_WRONG as error:
            form.take_errors(error)
    problems = [
        (
            form.fields[name].label if name in form.fields else "",
            " ".join(str(text) for text in texts),
        )
        for name, texts in form.errors.items()
    ]
    context = {"rehearsal": rehearsal, "problems": problems}
    return render(request, "dashboard/partials/_rehearsal.html", context)


@require_POST
@page(Permission.OPERATE)
def predict_test(request: PageRequest) -> HttpResponse:
    """What the test that is being typed will probably measure, by what was measured before."""
    _test, form = read_typed(request)
    form.is_valid()
    kind = form.chosen_kind
    problem, target = "", form.cleaned_data.get("target", "")
    if target:
        try:
            target = normalise_target(kind.target_form, target)
        except ValueError as error:
            problem, target = str(error), ""
    expectation = expect_test(
        request.user,
        kind=kind.name,
        target=target,
        client_ids=[client.id for client in form.cleaned_data.get("clients", ())],
    )
    context = {
        "expectation": expectation,
        "expected": describe_expectation(expectation),
        "said": describe_said(expectation),
        "kind": kind,
        "problem": problem,
    }
    return render(request, "dashboard/partials/_expectation.html", context)


def read_typed(request: PageRequest) -> tuple[Test | None, TestForm]:
    """The test that is being changed, if one is, and what is typed of it."""
    test_id = request.POST.get("test_id", "")
    if not test_id:
        return None, TestForm(request.POST, user=request.user)
    try:
        number = UUID(test_id)
    except ValueError:
        return None, TestForm(request.POST, user=request.user)
    test = get_test_to_change(request.user, number)
    return test, fill_form(request, test)
