"""What the health of a test is measured by."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Invalid
from apps.dashboard.forms.health import GoalForm, describe_goal_form
from apps.dashboard.views.access import PageRequest, page
from apps.ml.algorithms.health_inputs import PRESETS
from apps.ml.selectors.goals import read_goal, suggest_goal
from apps.ml.services.health import clear_goal, set_goal
from apps.tests.selectors import get_test_to_change

PRESET_WORDS = {
    "lan": gettext_lazy("Local network"),
    "internet": gettext_lazy("Internet"),
    "satellite": gettext_lazy("Satellite"),
}


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def edit_goal(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_change(request.user, test_id)
    asked = read_goal(test)
    preset = PRESETS.get(request.GET.get("preset", ""))
    values = asked.values if preset is None else suggest_goal(preset)
    form = GoalForm(request.POST or None, initial=describe_goal_form(values))
    if form.is_valid():
        try:
            set_goal(test, form.build_change())
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Saved. Scores follow within a minute or two."))
            return redirect("dashboard:test", test.id)
    context = {
        "form": form,
        "test": test,
        "is_own": asked.is_own,
        "presets": PRESET_WORDS.items(),
        "topics": [],
    }
    template = "dashboard/health_goal.html"
    return render(request, template, context, status=422 if form.errors else 200)


@require_POST
@page(Permission.OPERATE)
def clear_own_goal(request: PageRequest, test_id: UUID) -> HttpResponse:
    test = get_test_to_change(request.user, test_id)
    clear_goal(test)
    messages.success(request, _("The test is measured by what is usual for its kind again."))
    return redirect("dashboard:test", test.id)
