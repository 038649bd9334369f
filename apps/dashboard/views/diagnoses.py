from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import FieldError, Invalid
from apps.dashboard.selectors.diagnoses import describe_diagnosis, list_causes
from apps.dashboard.selectors.unusual import describe_opinion
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.runs import parse_moment
from apps.ml.selectors.diagnoses import (
    get_assignment_to_diagnose,
    get_client_to_diagnose,
    get_diagnosis,
    get_run_to_diagnose,
    list_diagnoses,
)
from apps.ml.selectors.feedback import list_words
from apps.ml.services.diagnosing import diagnose_client, diagnose_run, diagnose_test
from apps.tests.selectors import get_test

ROWS_PER_PAGE = 50


@require_GET
@page(Permission.VIEW)
def list_diagnoses_page(request: PageRequest) -> HttpResponse:
    """Newest first; older ones by `before`."""
    cause = request.GET.get("cause", "")
    before = parse_moment(request.GET.get("before", ""))
    rows = list_diagnoses(request.user)
    if cause:
        rows = rows.filter(cause=cause)
    if before is not None:
        rows = rows.filter(asked_at__lt=before)
    found = list(rows[: ROWS_PER_PAGE + 1])
    shown = found[:ROWS_PER_PAGE]
    context = {
        "diagnoses": [describe_diagnosis(row) for row in shown],
        "older_before": shown[-1].asked_at if len(found) > ROWS_PER_PAGE else None,
        "is_first_page": before is None,
        "cause": cause,
        "causes": list_causes(),
    }
    return render(request, "dashboard/diagnoses.html", context)


@require_GET
@page(Permission.VIEW)
def show_diagnosis(request: PageRequest, diagnosis_id: UUID) -> HttpResponse:
    row = get_diagnosis(request.user, diagnosis_id)
    context = {
        "shown": describe_diagnosis(row),
        "opinion": describe_opinion(list_words(row), request.user),
        "causes": list_causes(),
        "feedback_url": reverse("dashboard:judge-diagnosis", args=[row.id]),
    }
    return render(request, "dashboard/diagnosis.html", context)


@require_POST
@page(Permission.OPERATE)
def ask_of_run(request: PageRequest, run_id: UUID) -> HttpResponse:
    run = get_run_to_diagnose(request.user, run_id)
    return redirect("dashboard:diagnosis", diagnose_run(run, asked_by=request.user).id)


@require_POST
@page(Permission.OPERATE)
def ask_of_test(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test(request.user, test_id)
    assignment = get_assignment_to_diagnose(
        request.user,
        test_id=test.id,
        client_id=read_id(request, "client"),
        peer_id=read_id(request, "peer") if request.POST.get("peer") else None,
    )
    return redirect("dashboard:diagnosis", diagnose_test(assignment, asked_by=request.user).id)


@require_POST
@page(Permission.OPERATE)
def ask_of_client(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client_to_diagnose(request.user, client_id)
    return redirect("dashboard:diagnosis", diagnose_client(client, asked_by=request.user).id)


def read_id(request: PageRequest, name: str) -> UUID:
    """Raises: Invalid when the field is missing or no id."""
    try:
        return UUID(request.POST.get(name, ""))
    except ValueError:
        raise Invalid([FieldError(name, "invalid", "must be the id of a client")]) from None
