from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import AuditEntry
from apps.accounts.policy import Permission
from apps.accounts.queueing import queue_verification
from apps.accounts.selectors import (
    AuditQuery,
    list_audit,
    list_audit_words,
    match_audit,
    read_audit_check,
)
from apps.dashboard.selectors.audit import describe_entries
from apps.dashboard.selectors.exports import build_export
from apps.dashboard.views.access import PageRequest, page

ROWS_PER_PAGE = 50
WORDS = ("person", "action", "object_type", "object_id", "via", "q")
MOMENTS = ("after", "before")
LARGEST_ID = 2**63 - 1


@require_GET
@page(Permission.ADMINISTER)
def list_audit_page(request: PageRequest) -> HttpResponse:
    """Newest first; older ones by `older`, because counting millions of entries takes long."""
    filters = {name: request.GET.get(name, "").strip() for name in (*WORDS, *MOMENTS)}
    query = read_query(filters)
    rows = match_audit(list_audit(request.user), query).order_by("-id")
    older = read_id(request.GET.get("older", ""))
    if older is not None:
        rows = rows.filter(id__lt=older)
    found = list(rows[: ROWS_PER_PAGE + 1])
    newest = list_audit(request.user)
    context = {
        "rows": describe_entries(found[:ROWS_PER_PAGE]),
        "older": found[ROWS_PER_PAGE - 1].id if len(found) > ROWS_PER_PAGE else None,
        "is_first_page": older is None,
        "filters": filters,
        "is_filtered": any(filters.values()),
        "people": list_audit_words(newest, "actor_label"),
        "actions": add_chosen(list_audit_words(newest, "action"), filters["action"]),
        "kinds": add_chosen(list_audit_words(newest, "object_type"), filters["object_type"]),
        "doors": AuditEntry.Via.choices,
        "check": read_audit_check(),
        "export": build_export("audit", describe_query(query)),
    }
    part = "partials/_audit.html" if request.htmx else "audit.html"
    return render(request, f"dashboard/{part}", context)


def add_chosen(words: list[str], chosen: str) -> list[str]:
    """The words with the one that the address asks for, however old it is."""
    return sorted({*words, chosen} - {""})


def read_query(filters: dict[str, str]) -> AuditQuery:
    return AuditQuery(
        person=filters["person"],
        action=filters["action"],
        object_type=filters["object_type"],
        object_id=filters["object_id"],
        via=filters["via"],
        text=filters["q"],
        after=read_moment(filters["after"]),
        before=read_moment(filters["before"]),
    )


def read_moment(text: str) -> datetime | None:
    """A moment as the browser's field writes it, in the user's zone; None for anything else."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    if moment is None or moment.tzinfo is not None:
        return moment
    return timezone.make_aware(moment)


def read_id(text: str) -> int | None:
    return min(int(text), LARGEST_ID) if text.isascii() and text.isdecimal() else None


def describe_query(query: AuditQuery) -> dict[str, str | list[str]]:
    """What is filtered here, as an export takes it."""
    return {
        "person": query.person,
        "action": query.action,
        "object_type": query.object_type,
        "object_id": query.object_id,
        "via": query.via,
        "q": query.text,
        "after": query.after.isoformat() if query.after else "",
        "before": query.before.isoformat() if query.before else "",
    }


@require_POST
@page(Permission.ADMINISTER)
def verify_audit(request: PageRequest) -> HttpResponse:
    """Has the worker walk the chain; what it finds then stands on the page."""
    if queue_verification():
        messages.success(request, _("The worker is checking every entry; look again in a moment."))
    else:
        messages.error(
            request, _("The worker's queue does not answer; run manage.py verify_audit instead.")
        )
    return redirect("dashboard:audit")
