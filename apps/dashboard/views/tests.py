from collections.abc import Collection, Sequence
from contextlib import suppress
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, find_scope
from apps.clients.selectors import Maintenance, describe_maintenance, list_sites, list_tags
from apps.core.clock import read_now
from apps.dashboard.charts import Panel
from apps.dashboard.kind_charts import describe_test_panels
from apps.dashboard.listing import order_rows, take_page
from apps.dashboard.ranges import read_history
from apps.dashboard.selectors.choosing import describe_pairs, describe_selection, list_moves
from apps.dashboard.selectors.clients import find_hidden
from apps.dashboard.selectors.coming import describe_coming
from apps.dashboard.selectors.figures import Figures, list_figures
from apps.dashboard.selectors.health import describe_test_health, read_quality
from apps.dashboard.selectors.learned import LearningRow, describe_learning
from apps.dashboard.selectors.routes import describe_route_changes
from apps.dashboard.selectors.runs import describe_runs, list_begun_runs
from apps.dashboard.selectors.tests import (
    describe_tests,
    find_next_start,
    list_test_assignments,
    search_tests,
)
from apps.dashboard.selectors.unusual import list_latest
from apps.dashboard.topics import OVERVIEW, name_topic
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.clients import PAGE_SIZES, read_page_size
from apps.dashboard.views.history import HISTORY_TARGET, lead_to_canonical
from apps.ml.learners.outlook import find_series_outlook, list_outlooks
from apps.ml.selectors.health import find_test_scores
from apps.tests.kinds import KINDS
from apps.tests.kinds.base import Kind
from apps.tests.models import Assignment, Run, Test
from apps.tests.selectors import get_test, keep_tests_at, list_runs
from apps.tests.services.peers import explain_address

COLUMNS = {
    "name": "name",
    "kind": "kind",
    "target": "target__address",
    "created": "created_at",
}
FILTERS = ("q", "kind", "state", "site", "tag")
STATES = ("failing", "passing", "paused")
RUNS_SHOWN = 15
CLIENTS_SHOWN = 12


@require_GET
@page(Permission.VIEW)
def list_tests_page(request: PageRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in FILTERS}
    rows = search_tests(
        request.user, text=filters["q"], kind=filters["kind"], state=filters["state"]
    )
    rows = keep_tests_at(request.user, rows, site_slug=filters["site"], tag_slug=filters["tag"])
    rows, sort = order_rows(rows, request.GET.get("sort", ""), COLUMNS, default="name")
    size = read_page_size(request.GET.get("size"))
    listed, tests = take_page(rows, request.GET.get("page"), size=size)
    context = {
        "page": listed,
        "rows": describe_tests(request.user, tests),
        "sort": sort,
        "size": size,
        "sizes": PAGE_SIZES,
        "sites": list_sites(request.user),
        "tags": list_tags(request.user),
        "filters": filters,
        "is_filtered": any(filters.values()),
        "kinds": KINDS.values(),
        "states": STATES,
        "topics": [OVERVIEW],
    }
    template = "dashboard/partials/_tests.html" if request.htmx else "dashboard/tests.html"
    return render(request, template, context)


@require_GET
@page(Permission.VIEW)
def show_test(request: PageRequest, test_id: UUID) -> HttpResponse:
    """The test's state and chart of one client, or to htmx the parts of it that change."""
    test = get_test(request.user, test_id)
    elsewhere = lead_to_canonical(request)
    if elsewhere is not None:
        return elsewhere
    assignments = list_test_assignments(request.user, test)
    listed, shown = take_page(assignments, request.GET.get("page"), size=CLIENTS_SHOWN)
    chosen = choose_assignment(assignments, shown, request.GET)
    topics = [name_topic("test", test.id)]
    if chosen is not None:
        topics.append(name_topic("assignment", chosen.id))
    runs = list_begun_runs(request.user).filter(assignment=chosen)[:RUNS_SHOWN]
    kind = KINDS[test.kind]
    history = read_history(request.GET)
    panels = describe_test_panels(kind, find_measured(chosen))
    figures = find_figures(request, chosen, panels)
    context = {
        "row": describe_tests(request.user, [test])[0],
        "test": test,
        "kind": kind,
        "page": listed,
        "shown": shown,
        "hidden": find_hidden(request.user, [row.client_id for row in shown]),
        "headline_keys": list_headline_keys(kind, shown),
        "chosen": chosen,
        "maintenance": find_maintenance(chosen),
        **describe_health(chosen, shown),
        "learning": describe_learning_of(chosen),
        "coming": describe_coming(chosen) if chosen else None,
        "selection_words": describe_selection(test),
        "pair_words": describe_pairs(test),
        "address_words": explain_address(chosen) if chosen else "",
        "moves": list_moves(request.user, test),
        "next_start": None if test.is_paused else find_next_start(request.user, test.id),
        "running_count": count_running(request, test),
        "runs": describe_runs(runs),
        "panels": [
            panel.as_document() for panel in (*panels, *(figures.panels if figures else ()))
        ],
        "figures": figures,
        "history": history,
        "route_changes": describe_route_changes(chosen, history),
        "panels_url": find_panels_url(chosen),
        "may_change": not find_scope(request.user, Permission.OPERATE).is_empty,
        "latest": list_latest(request.user, test_id=test.id, client_id=chosen.client_id)
        if chosen
        else [],
        "topics": topics,
    }
    return render(request, choose_template(request), context)


def describe_health(chosen: Assignment | None, shown: Sequence[Assignment]) -> dict[str, object]:
    """The scores of the listed clients, and the card of the drawn one."""
    if chosen is None:
        return {}
    scores = find_test_scores({chosen.id, *(row.id for row in shown)})
    url = reverse("dashboard:health-assignment", args=[chosen.id])
    return {
        "scores": scores,
        "card": describe_test_health(scores.get(chosen.id), url),
        "quality": read_quality(chosen),
    }


def describe_learning_of(chosen: Assignment | None) -> list[LearningRow]:
    """How far learning about the drawn client is; empty of a kind without figures."""
    if chosen is None:
        return []
    outlooks = list_outlooks(chosen)
    if not outlooks:
        return []
    series = find_series_outlook(chosen.client_id, source_id=chosen.source_id or 0)
    return describe_learning(outlooks, series)


def choose_template(request: PageRequest) -> str:
    if request.htmx.target == HISTORY_TARGET:
        return "dashboard/partials/_panels.html"
    return "dashboard/partials/_test.html" if request.htmx else "dashboard/test.html"


def list_headline_keys(kind: Kind, shown: Sequence[Assignment]) -> tuple[str, ...]:
    """The headlines that one of the assignments has; the first few where none has any.

    A test by TCP has no figures by UDP: columns of dashes would push the others out of the page.
    """
    measured = {key for assignment in shown for key in assignment.last_values}
    return tuple(key for key in kind.headline if key in measured) or kind.headline[:2]


def find_measured(chosen: Assignment | None) -> Collection[str]:
    """The keys of what the newest result of the drawn assignment measured."""
    return chosen.last_values.keys() if chosen is not None else ()


def find_figures(
    request: PageRequest, chosen: Assignment | None, panels: Sequence[Panel]
) -> Figures | None:
    """What else of the drawn assignment can be drawn."""
    if chosen is None:
        return None
    drawn = {line.key for panel in panels for line in (*panel.lines, *(panel.band or ()))}
    return list_figures(chosen, drawn, request.GET.get("figure", ""))


def find_panels_url(chosen: Assignment | None) -> str:
    """Where the charts get their series; empty when there is nothing to draw."""
    if chosen is None:
        return ""
    if chosen.peer_id is not None:
        return reverse("dashboard:assignment-history", args=[chosen.test_id, chosen.id])
    return reverse("dashboard:test-history", args=[chosen.test_id, chosen.client_id])


def find_maintenance(chosen: Assignment | None) -> Maintenance | None:
    """What the client whose figures are drawn is in the middle of."""
    if chosen is None:
        return None
    return describe_maintenance([chosen.client_id], read_now()).get(chosen.client_id)


def choose_assignment(
    assignments: QuerySet[Assignment], listed: Sequence[Assignment], query: QueryDict
) -> Assignment | None:
    """The assignment to draw: of the wanted client and peer, else the first one listed."""
    wanted = {}
    for name in ("client", "peer"):
        with suppress(ValueError):
            wanted[f"{name}_id"] = UUID(query.get(name, ""))
    if "client_id" not in wanted:
        return next(iter(listed), None)
    known = next(
        (row for row in listed if all(getattr(row, key) == one for key, one in wanted.items())),
        None,
    )
    return known or assignments.filter(**wanted).first() or next(iter(listed), None)


def count_running(request: PageRequest, test: Test) -> int:
    running = (
        list_runs(request.user).order_by().filter(assignment__test=test, state=Run.State.RUNNING)
    )
    return running.count()
