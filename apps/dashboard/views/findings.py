"""What was unusual or wrong: the list, one finding, and what people say of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission
from apps.clients.selectors import list_sites, list_tags
from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.dashboard.selectors.diagnoses import describe_evidence, list_causes
from apps.dashboard.selectors.exports import build_findings_export
from apps.dashboard.selectors.finding_charts import find_chart
from apps.dashboard.selectors.learning import describe_learning
from apps.dashboard.selectors.unusual import (
    KIND_NAMES,
    describe_figures,
    describe_opinion,
    describe_rows,
    list_shown_causes,
    name_subjects,
    show_finding,
    show_groups,
    show_rates,
)
from apps.dashboard.topics import FINDINGS, name_topic
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.runs import parse_moment
from apps.ml.models import Diagnosis, Finding
from apps.ml.selectors.diagnoses import get_diagnosis
from apps.ml.selectors.feedback import list_false_rates, list_words
from apps.ml.selectors.findings import (
    FindingQuery,
    Position,
    find_diagnosis,
    find_run,
    get_finding,
    keep_findings,
    keep_folds,
    list_beside,
    list_findings,
    list_groups,
    list_similar,
)
from apps.ml.services.feedback import MOST_AT_ONCE, Word, give_feedback, withdraw_feedback

GROUPS_PER_PAGE, MEMBERS_SHOWN = 30, 4
SIMILAR_SHOWN, BESIDE_SHOWN = 8, 12
WITHDRAW = "withdraw"
DEFAULT_PERIOD = "7d"
PERIODS = {
    "24h": (gettext_lazy("Last 24 hours"), timedelta(days=1)),
    "7d": (gettext_lazy("Last 7 days"), timedelta(days=7)),
    "30d": (gettext_lazy("Last 30 days"), timedelta(days=30)),
    "all": (gettext_lazy("As long as they are kept"), None),
}
FEEDBACK_CHOICES = {
    "none": gettext_lazy("Nobody said anything"),
    "any": gettext_lazy("Somebody said something"),
    "confirmed": gettext_lazy("Said to be a problem"),
    "not_a_problem": gettext_lazy("Said to be no problem"),
    "other_cause": gettext_lazy("Said to be something else"),
}
TEXTS = ("kind", "severity", "site", "tag", "metric", "cause", "feedback")
IDS = ("client", "test", "group")


@require_GET
@page(Permission.VIEW)
def list_findings_page(request: PageRequest) -> HttpResponse:
    """Groups, newest first; older ones by `before` and `fold`, where the page before ended."""
    query, period = read_query(request.GET)
    rows = keep_findings(list_findings(request.user), query)
    after = read_position(request.GET)
    found = list_groups(rows, count=GROUPS_PER_PAGE + 1, members=MEMBERS_SHOWN, after=after)
    groups = show_groups(found[:GROUPS_PER_PAGE])
    asked = replace(query, since=None)
    context = {
        "groups": groups,
        "older_url": build_older_url(request, groups[-1].group.position)
        if len(found) > GROUPS_PER_PAGE
        else "",
        "is_first_page": after is None,
        "query": asked,
        "period": period,
        "is_filtered": not asked.is_everything,
        "learning": None if groups else describe_learning(request.user),
        "rates": show_rates(list_false_rates(rows)),
        "subjects": name_subjects(request.user, query.client, query.test),
        "export": build_findings_export(query),
        "topics": [FINDINGS],
        **list_choices(request),
    }
    template = "_finding_list" if request.htmx else "findings"
    folder = "dashboard/partials" if request.htmx else "dashboard"
    return render(request, f"{folder}/{template}.html", context)


def list_choices(request: PageRequest) -> dict[str, object]:
    """What the list can be narrowed to."""
    if request.htmx:
        return {}
    return {
        "kinds": KIND_NAMES.items(),
        "severities": Finding.Severity.choices,
        "cause_choices": list_shown_causes(),
        "causes": list_causes(),
        "feedback_choices": FEEDBACK_CHOICES.items(),
        "periods": [(name, label) for name, (label, _span) in PERIODS.items()],
        "sites": list_sites(request.user),
        "tags": list_tags(request.user),
    }


def read_query(asked: QueryDict) -> tuple[FindingQuery, str]:
    """What the address asks for, and the name of its period; words that mean nothing count not."""
    period = asked.get("period", "")
    if period not in PERIODS:
        period = DEFAULT_PERIOD
    span = PERIODS[period][1]
    words: dict[str, Any] = {name: asked.get(name, "").strip() for name in TEXTS}
    if words["feedback"] not in FEEDBACK_CHOICES:
        words["feedback"] = ""
    words |= {name: read_id(asked.get(name, "")) for name in IDS}
    query = FindingQuery(
        **words,
        # One group is shown whole, however old it is.
        since=None if span is None or words["group"] else read_now() - span,
        provisional=False if asked.get("provisional") == "no" else None,
    )
    return query, period


def read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def read_position(asked: QueryDict) -> Position | None:
    before, fold = parse_moment(asked.get("before", "")), read_id(asked.get("fold", ""))
    return (before, fold) if before is not None and fold is not None else None


def build_older_url(request: PageRequest, position: Position) -> str:
    query = request.GET.copy()
    query["before"], query["fold"] = position[0].isoformat(), str(position[1])
    return f"{reverse('dashboard:findings')}?{query.urlencode()}"


@require_GET
@page(Permission.VIEW)
def show_finding_page(request: PageRequest, finding_id: UUID) -> HttpResponse:
    finding = get_finding(request.user, finding_id)
    verdict = finding.evidence.get("verdict")
    is_diagnosis = finding.kind == Finding.Kind.DIAGNOSIS
    context = {
        "shown": show_finding(finding),
        "finding": finding,
        "opinion": describe_opinion(list_words(finding), request.user),
        "causes": list_causes(),
        "chart": find_chart(finding),
        "figures": [] if is_diagnosis else describe_figures(finding),
        "verdict": describe_evidence(verdict) if is_diagnosis and verdict else None,
        "diagnosis": find_diagnosis(finding) if is_diagnosis else None,
        "run": find_run(request.user, finding),
        "beside": describe_rows(list_beside(request.user, finding, count=BESIDE_SHOWN)),
        "similar": describe_rows(list_similar(request.user, finding, count=SIMILAR_SHOWN)),
        "feedback_url": reverse("dashboard:judge-finding", args=[finding.id]),
        "topics": [name_topic("client", finding.client_id)],
    }
    template = "dashboard/partials/_finding.html" if request.htmx else "dashboard/finding.html"
    return render(request, template, context)


@require_POST
@page(Permission.OPERATE)
def judge_finding(request: PageRequest, finding_id: UUID) -> HttpResponse:
    finding = get_finding(request.user, finding_id, Permission.OPERATE)
    judge(request, finding)
    return redirect("dashboard:finding", finding.id)


@require_POST
@page(Permission.OPERATE)
def judge_diagnosis(request: PageRequest, diagnosis_id: UUID) -> HttpResponse:
    diagnosis = get_diagnosis(request.user, diagnosis_id, Permission.OPERATE)
    judge(request, diagnosis)
    return redirect("dashboard:diagnosis", diagnosis.id)


def judge(request: PageRequest, judged: Finding | Diagnosis) -> None:
    """Give the user's word, or take it back, and say so."""
    if request.POST.get("verdict") == WITHDRAW:
        withdraw_feedback(judged, user=request.user)
        messages.success(request, _("Taken back."))
        return
    try:
        give_feedback([judged], read_word(request.POST), user=request.user)
    except Invalid as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Thank you: it is counted, and learned from."))


def read_word(posted: QueryDict) -> Word:
    verdict = posted.get("verdict", "")
    cause = posted.get("cause", "") if verdict == "other_cause" else ""
    return Word(verdict, cause, posted.get("note", "").strip())


@require_POST
@page(Permission.OPERATE)
def judge_chosen(request: PageRequest) -> HttpResponse:
    """Says the same of all findings of the ticked groups that fit the filter of the address."""
    here = f"{reverse('dashboard:findings')}?{request.GET.urlencode()}".rstrip("?")
    rows = find_chosen(request)
    if not rows:
        messages.warning(request, _("Choose some findings first."))
        return redirect(here)
    try:
        give_feedback(rows, read_word(request.POST), user=request.user)
    except Invalid as error:
        messages.error(request, error.detail)
    else:
        text = ngettext("Said of %(count)d finding.", "Said of %(count)d findings.", len(rows))
        messages.success(request, text % {"count": len(rows)})
    return redirect(here)


def find_chosen(request: PageRequest) -> list[Finding]:
    """One more than may be told at once, so that too many are refused and not cut off."""
    query, _period = read_query(request.GET)
    rows: QuerySet[Finding] = keep_findings(list_findings(request.user, Permission.OPERATE), query)
    folds = [fold for text in request.POST.getlist("fold") if (fold := read_id(text)) is not None]
    return list(keep_folds(rows, folds)[: MOST_AT_ONCE + 1])
