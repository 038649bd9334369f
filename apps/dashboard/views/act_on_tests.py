"""What operators do to tests; every change is a service's, which audits it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Conflict, StreamSwarmError
from apps.dashboard.views.access import PageRequest, page
from apps.tests import services
from apps.tests.selectors import get_test_to_change, get_test_to_delete

FAILURES_SHOWN = 5


@require_POST
@page(Permission.OPERATE)
def run_now(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_change(request.user, test_id)
    try:
        runs = services.run_now(test=test)
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        text = ngettext("%(count)d run is asked for.", "%(count)d runs are asked for.", len(runs))
        messages.success(request, text % {"count": len(runs)})
    return redirect("dashboard:test", test.id)


@require_POST
@page(Permission.OPERATE)
def pause_test(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_change(request.user, test_id)
    services.pause_test(test=test)
    messages.success(request, _("Paused. A run that is running goes on to its end."))
    return redirect("dashboard:test", test.id)


@require_POST
@page(Permission.OPERATE)
def resume_test(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_change(request.user, test_id)
    try:
        services.resume_test(test=test)
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("Resumed."))
    return redirect("dashboard:test", test.id)


@require_POST
@page(Permission.OPERATE)
def stop_runs(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_change(request.user, test_id)
    count = services.stop_runs(test=test)
    text = ngettext("%(count)d run is stopped.", "%(count)d runs are stopped.", count)
    messages.success(request, text % {"count": count})
    return redirect("dashboard:test", test.id)


@require_POST
@page(Permission.OPERATE)
def delete_test(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_delete(request.user, test_id)
    services.delete_test(test=test)
    messages.success(request, _("%(test)s is deleted.") % {"test": test.name})
    return redirect("dashboard:tests")


@require_POST
@page(Permission.OPERATE)
def act_on_chosen(request: PageRequest) -> HttpResponse:
    """Does the action to the tests ticked, and leads back to the list as it was."""
    here = f"{reverse('dashboard:tests')}?{request.GET.urlencode()}".rstrip("?")
    try:
        test_ids = [UUID(value) for value in request.POST.getlist("test")]
    except ValueError:
        test_ids = []
    if not test_ids:
        messages.warning(request, _("Choose some tests first."))
        return redirect(here)
    try:
        outcome = services.act_on_tests(
            user=request.user, action=request.POST.get("action", ""), test_ids=test_ids
        )
    except StreamSwarmError as error:
        messages.error(request, error.detail)
        return redirect(here)
    if outcome.done:
        count = len(outcome.done)
        text = ngettext("Done to %(count)d test.", "Done to %(count)d tests.", count)
        messages.success(request, text % {"count": count})
    for failure in outcome.failed[:FAILURES_SHOWN]:
        messages.warning(request, failure.detail)
    if len(outcome.failed) > FAILURES_SHOWN:
        rest = len(outcome.failed) - FAILURES_SHOWN
        text = ngettext("%(count)d more is refused.", "%(count)d more are refused.", rest)
        messages.warning(request, text % {"count": rest})
    return redirect(here)
