import json
from datetime import datetime, timedelta
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.core.clock import read_now
from apps.dashboard.cards import build_card
from apps.dashboard.charts import Panel
from apps.dashboard.kind_charts import describe_test_panels, keep_measured
from apps.dashboard.ranges import fix_history
from apps.dashboard.selectors.clients import find_hidden
from apps.dashboard.selectors.exports import build_export
from apps.dashboard.selectors.findings import describe_facts, describe_findings
from apps.dashboard.selectors.learned import WholeCard, describe_whole
from apps.dashboard.selectors.runs import (
    describe_run,
    describe_runs,
    find_result,
    list_begun_runs,
)
from apps.dashboard.selectors.unusual import list_of_run
from apps.dashboard.topics import OVERVIEW, name_topic
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.tests import find_panels_url
from apps.ml.selectors.joint import judge_run
from apps.ml.selectors.observations import list_measured
from apps.tests.kinds import KINDS, Kind
from apps.tests.models import Result, Run
from apps.tests.selectors import get_run

ROWS_PER_PAGE = 50
STATES = [
    state for state in Run.State.choices if state[0] not in {Run.State.SCHEDULED, Run.State.LEASED}
]
CHART_MARGIN = timedelta(seconds=2)


@require_GET
@page(Permission.VIEW)
def list_runs_page(request: PageRequest) -> HttpResponse:
    """Newest runs first; older ones by `before`, because counting millions of runs takes long."""
    state = request.GET.get("state", "")
    before = parse_moment(request.GET.get("before", ""))
    rows = list_begun_runs(request.user)
    if state in Run.State.values:
        rows = rows.filter(state=state)
    if before is not None:
        rows = rows.filter(start_at__lt=before)
    found = list(rows[: ROWS_PER_PAGE + 1])
    context = {
        "runs": describe_runs(found[:ROWS_PER_PAGE]),
        "hidden": find_hidden(request.user, [run.assignment.client_id for run in found]),
        "older_before": found[ROWS_PER_PAGE - 1].start_at if len(found) > ROWS_PER_PAGE else None,
        "is_first_page": before is None,
        "state": state,
        "states": STATES,
        "exports": describe_run_exports(state, before),
        "topics": [OVERVIEW],
    }
    template = "dashboard/partials/_runs.html" if request.htmx else "dashboard/runs.html"
    return render(request, template, context)


def describe_run_exports(state: str, before: datetime | None) -> dict[str, str]:
    """The addresses that export what is listed, and the results of that time."""
    until = (before or read_now()).isoformat()
    states = [state] if state in Run.State.values else [name for name, _word in STATES]
    return {
        "runs": build_export("runs", {"state": states, "before": until}),
        "results": build_export("results", {"before": until}),
    }


def parse_moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


@require_GET
@page(Permission.VIEW)
def show_run(request: PageRequest, run_id: UUID) -> HttpResponse:
    run = get_run(request.user, run_id)
    result = find_result(run)
    kind = KINDS[run.assignment.test.kind]
    begin = (run.started_at or run.start_at) - CHART_MARGIN
    hidden = find_hidden(request.user, [run.assignment.client_id])
    context = {
        "row": describe_run(run),
        "is_of_own_host": kind.target_form == "agent",
        "hidden": hidden,
        "whole": describe_result_whole(run, result, shows_host=not hidden),
        "run": run,
        "result": result,
        "card": build_card(run, result),
        "groups": describe_findings(result) if result else [],
        "facts": describe_facts(result.facts) if result else [],
        "json": json.dumps(describe_result(run, result), indent=2, ensure_ascii=False),
        "panels": [panel.as_document() for panel in describe_run_panels(kind, result)],
        "panels_url": find_panels_url(run.assignment),
        "history": fix_history(begin, (run.finished_at or run.end_at) + CHART_MARGIN),
        "latest": list_of_run(request.user, run),
        "topics": [name_topic("run", run.id), name_topic("assignment", run.assignment_id)],
    }
    template = "dashboard/partials/_run.html" if request.htmx else "dashboard/run.html"
    return render(request, template, context)


def describe_result_whole(run: Run, result: Result | None, *, shows_host: bool) -> WholeCard | None:
    """What is said of the result as a whole; None of a run or kind without figures."""
    if result is None or not list_measured(run.assignment.test.kind):
        return None
    return describe_whole(judge_run(run, result, shows_host=shows_host))


def describe_run_panels(kind: Kind, result: Result | None) -> list[Panel]:
    """The charts of a run; of one that is over those that would be empty are left out."""
    if result is None:
        return describe_test_panels(kind)
    return keep_measured(describe_test_panels(kind, result.values.keys()), result.values.keys())


def describe_result(run: Run, result: Result | None) -> dict[str, object]:
    """The run as the API tells it, in short, for the drawer."""
    document: dict[str, object] = {
        "run": str(run.id),
        "assignment": str(run.assignment_id),
        "state": run.state,
        "start_at": run.start_at.isoformat(),
    }
    if result is None:
        return document
    return {
        **document,
        "started_at": result.started_at.isoformat(),
        "finished_at": result.finished_at.isoformat(),
        "received_at": result.received_at.isoformat(),
        "outcome": result.outcome,
        "is_success": result.is_success,
        "reason": result.reason,
        "method": result.method,
        "values": result.values,
        "absent": result.absent,
        "facts": result.facts,
        "document": result.document,
    }
