from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.accounts.policy import AnyUser, Permission
from apps.clients.selectors import list_clients, list_sites, list_tags
from apps.core.clock import read_now
from apps.core.errors import NotFound
from apps.dashboard.ranges import read_history
from apps.dashboard.selectors.analysis import describe_analysis
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.history import lead_to_canonical
from apps.reports.selectors.analysis import Question, check_period, read_analysis
from apps.tests.selectors import list_tests

DEFAULT_RANGE = "7d"
UTC_NAME = "UTC"
# So many names are read as one goes down a list; more are found by their pages.
NAMES_LISTED = 200


@require_GET
@page(Permission.VIEW)
def show_analysis(request: PageRequest) -> HttpResponse:
    """A time analysed beside the one before; all of the question stands in the address."""
    if (answer := lead_to_canonical(request)) is not None:
        return answer
    asked = request.GET.copy()
    asked.setdefault("range", DEFAULT_RANGE)
    history = read_history(asked)
    end = history.end or read_now()
    zone_name = asked.get("zone", "")
    own_zone = timezone.get_current_timezone_name()
    question = Question(
        user=request.user,
        period=check_period(history.start or end - history.span, end),
        zone=ZoneInfo(zone_name if zone_name in available_timezones() else own_zone),
        site=asked.get("site", ""),
        tag=asked.get("tag", ""),
        client_id=read_id(asked.get("client", "")),
        test_id=read_id(asked.get("test", "")),
    )
    with timezone.override(question.zone):
        context = {
            **describe_analysis(read_analysis(question)),
            **list_choices(request.user),
            "history": history,
            "question": question,
            "zones": list(dict.fromkeys([own_zone, UTC_NAME, question.zone.key])),
        }
        return render(request, "dashboard/analysis.html", context)


def list_choices(user: AnyUser) -> dict[str, object]:
    """What the question can be narrowed to."""
    return {
        "sites": list_sites(user),
        "tags": list_tags(user),
        "clients": list_clients(user).order_by("name").values("id", "name")[:NAMES_LISTED],
        "all_tests": list_tests(user).order_by("name").values("id", "name")[:NAMES_LISTED],
    }


def read_id(text: str) -> UUID | None:
    """Raises: NotFound for what is no id."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("unknown", "There is no such client or test.") from None
