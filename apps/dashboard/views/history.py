"""The charts of pages: their time in the address, and all their series in one answer."""

import math
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.http import HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.clients.selectors import get_client
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid, NotFound
from apps.core.http import MOMENT_DETAIL, is_plausible
from apps.dashboard.ranges import FORETOLD, find_canonical, find_shift, read_history
from apps.dashboard.selectors.history import RUNS, Wanted, WantedLine, read_disturbed, read_lines
from apps.dashboard.views.access import PageRequest, page
from apps.metrics.catalogue import parse_key
from apps.metrics.selectors import ASSIGNMENT_KIND, MAXIMUM_POINTS, list_sources
from apps.tests.models import Assignment
from apps.tests.selectors import get_assignment, list_assignments

DEFAULT_SPAN = timedelta(hours=1)
DEFAULT_POINTS = 300
MOST_LINES = 100
# Each is read by itself.
MOST_LINES_OF_RUNS = 12
# The element that htmx renews when only the time of the charts changes.
HISTORY_TARGET = "history"


def lead_to_canonical(request: PageRequest) -> HttpResponse | None:
    """A redirect when the address names a free range in a way that means another one elsewhere."""
    canonical = find_canonical(request.GET, read_history(request.GET))
    return None if canonical is None else redirect(f"{request.path}?{canonical}")


@require_GET
@page(Permission.VIEW)
def read_client_history(request: PageRequest, client_id: UUID) -> HttpResponse:
    """What the client's own host measured."""
    client = get_client(request.user, client_id)
    wanted = read_wanted(request.GET)
    sources = list_sources(client.id) if wanted.lines else []
    own = {
        (source.kind, source.subject): source.id
        for source in sources
        if source.kind != ASSIGNMENT_KIND
    }
    return JsonResponse({"lines": read_lines(own, wanted)})


@require_GET
@page(Permission.VIEW)
def read_test_history(request: PageRequest, test_id: UUID, client_id: UUID) -> HttpResponse:
    """What the test measured on that client."""
    assignment = get_assignment(request.user, test_id=test_id, client_id=client_id)
    return answer_history(request, assignment)


@require_GET
@page(Permission.VIEW)
def read_assignment_history(
    request: PageRequest, test_id: UUID, assignment_id: UUID
) -> HttpResponse:
    """What one of the test's assignments measured, as of a client towards one of its peers."""
    rows = list_assignments(request.user).filter(id=assignment_id, test_id=test_id)
    assignment = rows.first()
    if assignment is None:
        raise NotFound("assignment_unknown", "There is no such assignment.")
    return answer_history(request, assignment)


def answer_history(request: PageRequest, assignment: Assignment) -> HttpResponse:
    wanted = read_wanted(request.GET)
    own = {} if assignment.source_id is None else {(ASSIGNMENT_KIND, ""): assignment.source_id}
    disturbed = read_disturbed(assignment, wanted)
    lines = read_lines(own, wanted, assignment_id=assignment.id)
    return JsonResponse({"lines": lines, "disturbed": disturbed})


def read_wanted(asked: QueryDict) -> Wanted:
    """What the address wants: `start`, `end`, `points`, `compare`, `forecast`, and the lines.

    A line has a `source`, `subject`, `key` and `columns`, which is `mean`, or `all` for extremes
    and percentiles too, `usual` for the band of what was `usual` as well, `mean_usual` for it
    beside the mean alone; each of the four is there once a line.
    Raises: Invalid naming what is wrong.
    """
    end = read_moment(asked, "end", read_now())
    start = read_moment(asked, "start", end - DEFAULT_SPAN)
    if start >= end:
        raise Invalid([FieldError("end", "out_of_range", "must be later than start")])
    return Wanted(
        start=start,
        end=end,
        points=read_points(asked.get("points", str(DEFAULT_POINTS))),
        shift=find_shift(asked.get("compare", ""), end - start),
        lines=read_wanted_lines(asked),
        is_foretold=asked.get("forecast") == FORETOLD,
        usual=asked.get("usual", ""),
    )


def read_moment(asked: QueryDict, name: str, otherwise: datetime) -> datetime:
    text = asked.get(name)
    if text is None:
        return otherwise
    try:
        seconds = float(text)
        moment = datetime.fromtimestamp(seconds if math.isfinite(seconds) else -1, UTC)
    except (ValueError, OverflowError, OSError):
        raise Invalid([FieldError(name, "malformed", "must be Unix seconds")]) from None
    if not is_plausible(moment):
        raise Invalid([FieldError(name, "out_of_range", MOMENT_DETAIL)])
    return moment


def read_points(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= MAXIMUM_POINTS:
        detail = f"must be a whole number from 1 to {MAXIMUM_POINTS}"
        raise Invalid([FieldError("points", "out_of_range", detail)])
    return int(text)


def read_wanted_lines(asked: QueryDict) -> list[WantedLine]:
    names = ("source", "subject", "key", "columns")
    parts = [asked.getlist(name) for name in names]
    count = len(parts[2])
    if any(len(part) != count for part in parts):
        detail = f"must be there as often as {', '.join(names[:3])}"
        raise Invalid([FieldError("columns", "malformed", detail)])
    if count > MOST_LINES:
        raise Invalid([FieldError("key", "too_many", f"must be at most {MOST_LINES}")])
    of_runs = sum(source == RUNS[0] for source in parts[0])
    if of_runs > MOST_LINES_OF_RUNS:
        detail = f"must be {RUNS[0]} at most {MOST_LINES_OF_RUNS} times"
        raise Invalid([FieldError("source", "too_many", detail)])
    unknown = [key for key in parts[2] if parse_key(key) is None]
    if unknown:
        raise Invalid([FieldError("key", "unknown_metric", f"{unknown[0]!r} is not known")])
    return [
        WantedLine(
            (source, subject),
            key,
            is_banded=columns in {"all", "usual"},
            has_usual=columns in {"usual", "mean_usual"},
        )
        for source, subject, key, columns in zip(*parts, strict=True)
    ]
