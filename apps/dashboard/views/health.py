"""Health from all down to a test on a client: the score, what it costs, and how it went."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.clients.selectors import get_client, get_site, list_sites
from apps.core.clock import read_now
from apps.core.errors import NotFound
from apps.dashboard.listing import ROWS_PER_PAGE
from apps.dashboard.ranges import read_history
from apps.dashboard.selectors.clients import find_hidden
from apps.dashboard.selectors.health import (
    BUCKETS,
    describe_client_part,
    describe_site_part,
    describe_test_health,
    describe_whole,
    draw_document,
    read_course_of_all,
    read_course_of_site,
    read_quality,
)
from apps.dashboard.selectors.learned import describe_class
from apps.dashboard.topics import OVERVIEW
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.history import lead_to_canonical
from apps.ml.algorithms.courses import Course
from apps.ml.algorithms.health_class import KIND as CLASS_KIND
from apps.ml.learners.outlook import list_outlooks
from apps.ml.models import HealthScore
from apps.ml.selectors.health import find_client_scores, find_test_scores, read_course
from apps.ml.selectors.health_class import ClassBeside, find_class_beside
from apps.tests.models import Assignment
from apps.tests.selectors import list_assignments

DEFAULT_RANGE = "24h"


@require_GET
@page(Permission.VIEW)
def show_whole(request: PageRequest) -> HttpResponse:
    if (answer := lead_to_canonical(request)) is not None:
        return answer
    start, end, context = describe_span(request)
    part, members = describe_whole(request.user, list_sites(request.user))
    course = read_course_of_all(request.user, members, start=start, end=end, buckets=BUCKETS)
    context |= {"title": _("Health"), "part": part, "member_word": _("Site")}
    return render_health(request, context, course)


@require_GET
@page(Permission.VIEW)
def show_site(request: PageRequest, site_id: int) -> HttpResponse:
    site = get_site(request.user, site_id)
    if (answer := lead_to_canonical(request)) is not None:
        return answer
    start, end, context = describe_span(request)
    part, members = describe_site_part(request.user, site.id)
    course = read_course_of_site(request.user, site, members, start=start, end=end)
    context |= {
        "title": site.name,
        "part": part,
        "member_word": _("Client"),
        "more_url": reverse("dashboard:site", args=[site.id]),
    }
    return render_health(request, lead_up(context), course)


@require_GET
@page(Permission.VIEW)
def show_no_site(request: PageRequest) -> HttpResponse:
    if (answer := lead_to_canonical(request)) is not None:
        return answer
    start, end, context = describe_span(request)
    part, members = describe_site_part(request.user, None)
    course = read_course_of_site(request.user, None, members, start=start, end=end)
    context |= {"title": _("Without a site"), "part": part, "member_word": _("Client")}
    return render_health(request, lead_up(context), course)


@require_GET
@page(Permission.VIEW)
def show_client(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id)
    if (answer := lead_to_canonical(request)) is not None:
        return answer
    start, end, context = describe_span(request)
    part = describe_client_part(client)
    row = find_client_scores([client.id]).get(client.id)
    context |= {
        "title": client.name,
        "part": part,
        "member_word": _("Test"),
        "more_url": reverse("dashboard:client", args=[client.id]),
    }
    if client.site is not None:
        up = (client.site.name, reverse("dashboard:health-site", args=[client.site.id]))
    else:
        up = (_("Without a site"), reverse("dashboard:health-no-site"))
    return render_health(request, lead_up(context, *up), read_stored(row, start, end))


@require_GET
@page(Permission.VIEW)
def show_assignment(request: PageRequest, assignment_id: UUID) -> HttpResponse:
    """A test on a client, the last step: what each input costs."""
    assignment = list_assignments(request.user).filter(id=assignment_id).first()
    if assignment is None:
        raise NotFound("assignment_unknown", "There is no such assignment.")
    if (answer := lead_to_canonical(request)) is not None:
        return answer
    start, end, context = describe_span(request)
    row = find_test_scores([assignment.id]).get(assignment.id)
    client = assignment.client
    test_url = reverse("dashboard:test", args=[assignment.test_id])
    context |= {
        "title": assignment.test.name,
        "peer": assignment.peer,
        "card": describe_test_health(row),
        "quality": read_quality(assignment),
        "more_url": f"{test_url}?client={client.id}",
        "goal_url": reverse("dashboard:health-goal", args=[assignment.test_id]),
    }
    hidden = find_hidden(request.user, [client.id])
    score = row.score if row else None
    beside = find_class_beside(assignment, score, shows_host=not hidden)
    context |= describe_class_part(assignment, beside)
    if not hidden:
        context = lead_up(
            context, client.name, reverse("dashboard:health-client", args=[client.id])
        )
    return render_health(request, context, read_stored(row, start, end))


def describe_class_part(assignment: Assignment, beside: ClassBeside) -> dict[str, Any]:
    """The learned class, and without one how far learning it is."""
    words = ""
    if beside.found is None:
        outlooks = list_outlooks(assignment)
        words = next((one.words for one in outlooks if one.kind == CLASS_KIND), "")
    return {"learned": describe_class(beside), "class_words": words}


def read_stored(row: HealthScore | None, start: datetime, end: datetime) -> Course | None:
    return None if row is None else read_course(row, start=start, end=end, buckets=BUCKETS)


def describe_span(request: PageRequest) -> tuple[datetime, datetime, dict[str, Any]]:
    """The time of the chart, and what the page needs of it."""
    asked = request.GET.copy()
    asked.setdefault("range", DEFAULT_RANGE)
    history = read_history(asked)
    end = history.end or read_now()
    start = history.start or end - history.span
    seconds = {"start_seconds": start.timestamp(), "end_seconds": end.timestamp()}
    return start, end, {"history": history, "topics": [OVERVIEW], **seconds}


def lead_up(context: dict[str, Any], name: str = "", url: str = "") -> dict[str, Any]:
    """The page with the step before it, which is the whole if none is given."""
    return context | {"up_name": name or _("Health"), "up_url": url or reverse("dashboard:health")}


def render_health(
    request: PageRequest, context: dict[str, Any], course: Course | None
) -> HttpResponse:
    part = context.get("part")
    known: dict[str, Any] = {}
    if part is not None:
        listed = Paginator(part.rows, ROWS_PER_PAGE).get_page(request.GET.get("page"))
        known = {"card": part.card, "page": listed, "rows": listed.object_list}
    drawn = None if course is None else draw_document(course)
    return render(request, "dashboard/health.html", {**context, **known, "course": drawn})
