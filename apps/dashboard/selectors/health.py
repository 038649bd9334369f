"""Health as pages show it: the score, why it is not 100, its parts and its course."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.policy import AnyUser
from apps.clients.models import Client, Site
from apps.core.clock import read_now
from apps.dashboard.cards.course import Grade, read_grade
from apps.dashboard.formats import Style, format_quantity
from apps.ml.algorithms.courses import Course
from apps.ml.algorithms.health import LEAST_RESULTS, MOST_INTERVALS_OLD, Input, Pillar
from apps.ml.models import HealthScore
from apps.ml.selectors.health import (
    Gathering,
    Member,
    find_score_of_all,
    find_score_of_site,
    gather,
    list_clients_with_scores,
    list_tests_with_scores,
    read_course,
    read_course_of_clients,
)
from apps.tests.models import Assignment, Result

BUCKETS = 370
DAY = timedelta(days=1)
DAY_BUCKETS = 48
CAUSES_SHOWN = 5
LEAST_POINTS = 0.05
NO_SITE = 0
# Reasons of tests; of clients it is enough that they have no score.
TOLD = ("few_results", "old_results")
PILLARS: Mapping[str, str | Promise] = {
    Pillar.AVAILABILITY: gettext_lazy("Availability"),
    Pillar.PERFORMANCE: gettext_lazy("Performance"),
    Pillar.RELIABILITY: gettext_lazy("Reliability"),
}
INPUTS: Mapping[str, tuple[str | Promise, Style]] = {
    Input.SUCCESSES: (gettext_lazy("Successful runs"), Style.RATIO),
    Input.LATENCY: (gettext_lazy("Latency"), Style.DURATION),
    Input.JITTER: (gettext_lazy("Jitter"), Style.DURATION),
    Input.LOSS: (gettext_lazy("Loss"), Style.RATIO),
    Input.THROUGHPUT: (gettext_lazy("Of the expected throughput"), Style.RATIO),
    Input.BURN_RATE: (gettext_lazy("Failures against what the goal allows, 6 h"), Style.NUMBER),
    Input.INCIDENTS: (gettext_lazy("Outages that began in a day"), Style.NUMBER),
}
VOICE_KEY, PAGE_KEY = "net.voip.mos", "http.apdex"
GRADE_FIELDS = {"throughput": "document__bufferbloat_grade", "http_throughput": "document__grade"}


@dataclass(frozen=True, slots=True)
class Cause:
    """What costs how many points: an input with its value, or a member with its page."""

    label: str | Promise
    value: str
    points: float
    url: str = ""


@dataclass(frozen=True, slots=True)
class HealthCard:
    """A score with what it is made of; without one, `reason` says why in words."""

    score: int | None
    reason: str
    note: str
    pillars: tuple[tuple[str | Promise, float], ...]
    causes: tuple[Cause, ...]
    url: str

    @property
    def lost(self) -> float:
        return sum(cause.points for cause in self.causes)


@dataclass(frozen=True, slots=True)
class HealthRow:
    """A line of what a score is put together of; `points` it costs the whole."""

    name: str
    url: str
    score: int | None
    reason: str
    points: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One step of the way from all down to a test: its card and members, worst first."""

    card: HealthCard
    rows: Sequence[HealthRow]


@dataclass(frozen=True, slots=True)
class Quality:
    """What stands beside the score: how a call would sound, how patient users are, bufferbloat."""

    voice: float | None = None
    apdex: float | None = None
    grade: Grade | None = None

    @property
    def is_empty(self) -> bool:
        return self.voice is None and self.apdex is None and self.grade is None


@dataclass(frozen=True, slots=True)
class Standing:
    """The score of all that somebody sees, what it was a day ago, and its course since then."""

    score: int | None
    unknown_count: int
    day_before: int | None
    course: Sequence[float | None]


def explain_reason(reason: str) -> str:
    """Why a test has no score."""
    if reason == "few_results":
        words = _("Fewer than %(count)s results in the time that counts.")
        return words % {"count": LEAST_RESULTS}
    if reason == "old_results":
        words = _("The newest result is older than %(count)s intervals.")
        return words % {"count": MOST_INTERVALS_OLD}
    return _("It has not been looked at yet; that takes a minute.")


def describe_test_health(row: HealthScore | None, url: str = "") -> HealthCard:
    """The card of a test on a client; the causes add up to what is lost."""
    if row is None or row.score is None:
        return HealthCard(None, explain_reason(row.reason if row else ""), "", (), (), url)
    note = _("Not everything that counts is measured; the rest weighs more.")
    return HealthCard(
        score=row.score,
        reason="",
        note=note if row.is_partial else "",
        pillars=tuple((PILLARS[name], value) for name, value in row.pillars.items()),
        causes=tuple(describe_cause(one) for one in row.deductions),
        url=url,
    )


def describe_cause(deduction: Mapping[str, Any]) -> Cause:
    label, style = INPUTS[deduction["input"]]
    return Cause(label, format_quantity(deduction["value"], style), deduction["points"])


def describe_gathering(
    gathering: Gathering, urls: Mapping[UUID, str], *, url: str = "", word: str = ""
) -> HealthCard:
    """The card of members together; what the causes leave out is summed up in their last."""
    combined = gathering.combined
    if combined.score is None:
        reason = _("None of what it is put together of has a score.")
        return HealthCard(None, reason if gathering.members else word, "", (), (), url)
    costly = [one for one in gathering.members if gathering.points.get(one.id, 0) >= LEAST_POINTS]
    costly.sort(key=lambda one: -gathering.points[one.id])
    causes = [
        Cause(one.name, str(one.score), gathering.points[one.id], urls.get(one.id, ""))
        for one in costly[:CAUSES_SHOWN]
    ]
    rest = costly[CAUSES_SHOWN:]
    if rest:
        words = ngettext("%(count)s other", "%(count)s others", len(rest)) % {"count": len(rest)}
        causes.append(Cause(words, "", sum(gathering.points[one.id] for one in rest)))
    note = ngettext(
        "%(count)s more has no score and does not count.",
        "%(count)s more have no score and do not count.",
        combined.unknown_count,
    )
    return HealthCard(
        score=combined.score,
        reason="",
        note=note % {"count": combined.unknown_count} if combined.unknown_count else "",
        pillars=(),
        causes=tuple(causes),
        url=url,
    )


def describe_client_health(client: Client) -> HealthCard:
    """The card of a client that the caller may see; one query."""
    return describe_client_part(client).card


def describe_client_part(client: Client) -> HealthPart:
    """A client with its tests; one query."""
    gathering = gather(list_tests_with_scores(client))
    urls = {
        one.id: reverse("dashboard:health-assignment", args=[one.id]) for one in gathering.members
    }
    url = reverse("dashboard:health-client", args=[client.id])
    word = _("No active test has a score yet; without a test nothing is known.")
    card = describe_gathering(gathering, urls, url=url, word=word)
    return HealthPart(card, list_rows(gathering, urls))


def describe_site_part(user: AnyUser, site_id: int | None) -> tuple[HealthPart, list[Member]]:
    """The clients of a site (None: of no site) that `user` sees; one query."""
    members = [one for one in list_clients_with_scores(user) if one.site_id == site_id]
    gathering, urls = gather(members), find_client_urls(members)
    card = describe_gathering(gathering, urls, word=_("No client here has a test."))
    return HealthPart(card, list_rows(gathering, urls)), members


def describe_whole(user: AnyUser, sites: Iterable[Site]) -> tuple[HealthPart, list[Member]]:
    """All that `user` sees, by site; the costs of a site are those of its clients. One query."""
    members = list_clients_with_scores(user)
    gathering, urls = gather(members), find_client_urls(members)
    card = describe_gathering(gathering, urls, word=_("No client has a test."))
    names = {site.id: site.name for site in sites}
    by_site: dict[int, list[Member]] = {}
    for member in members:
        place = member.site_id if member.site_id in names else NO_SITE
        by_site.setdefault(place or NO_SITE, []).append(member)
    rows = [
        describe_site_row(
            names.get(place) or _("Without a site"),
            reverse("dashboard:health-site", args=[place])
            if place
            else reverse("dashboard:health-no-site"),
            clients,
            gathering.points,
        )
        for place, clients in by_site.items()
    ]
    return HealthPart(card, sort_rows(rows)), members


def describe_site_row(
    name: str, url: str, clients: Sequence[Member], points: Mapping[UUID, float]
) -> HealthRow:
    own = gather(clients).combined
    count = len(clients)
    detail = ngettext("%(count)s client", "%(count)s clients", count) % {"count": count}
    if own.unknown_count:
        detail = _("%(clients)s, %(count)s unknown") % {
            "clients": detail,
            "count": own.unknown_count,
        }
    return HealthRow(
        name=name,
        url=url,
        score=own.score,
        reason="",
        points=sum(points.get(client.id, 0.0) for client in clients),
        detail=detail,
    )


def list_rows(gathering: Gathering, urls: Mapping[UUID, str]) -> list[HealthRow]:
    return sort_rows(
        [
            HealthRow(
                one.name,
                urls[one.id],
                one.score,
                explain_reason(one.reason) if one.score is None and one.reason in TOLD else "",
                gathering.points.get(one.id, 0.0),
            )
            for one in gathering.members
        ]
    )


def sort_rows(rows: Sequence[HealthRow]) -> list[HealthRow]:
    """The costliest first, then the lowest, unknown ones last."""
    return sorted(
        rows, key=lambda row: (-row.points, math.inf if row.score is None else row.score, row.name)
    )


def find_client_urls(members: Sequence[Member]) -> dict[UUID, str]:
    return {one.id: reverse("dashboard:health-client", args=[one.id]) for one in members}


def read_course_of_all(
    user: AnyUser, members: Sequence[Member], *, start: datetime, end: datetime, buckets: int
) -> Course | None:
    """The course of all that `user` sees; None where that is too many clients to put together."""
    span: dict[str, Any] = {"start": start, "end": end, "buckets": buckets}
    stored = find_score_of_all(user)
    if stored is not None:
        return read_course(stored, **span)
    return read_course_of_clients([one.id for one in members], **span)


def read_course_of_site(
    user: AnyUser,
    site: Site | None,
    members: Sequence[Member],
    *,
    start: datetime,
    end: datetime,
) -> Course | None:
    """The same of a site, or of the clients without one."""
    span: dict[str, Any] = {"start": start, "end": end, "buckets": BUCKETS}
    stored = find_score_of_site(user, site) if site is not None else None
    if stored is not None:
        return read_course(stored, **span)
    return read_course_of_clients([one.id for one in members], **span)


def draw_document(course: Course) -> dict[str, Any]:
    """The columns of the page's chart: times, mean, lowest and highest score."""
    columns = (course.mean, course.lowest, course.highest)
    return {
        "style": Style.NUMBER,
        "columns": [course.at.tolist(), *(hide_unknown(column.tolist()) for column in columns)],
        "step_seconds": course.step_seconds,
    }


def hide_unknown(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


def read_standing(user: AnyUser) -> Standing:
    """How all that `user` sees stands; four queries."""
    now = read_now()
    members = list_clients_with_scores(user)
    combined = gather(members).combined
    course = read_course_of_all(user, members, start=now - DAY, end=now, buckets=DAY_BUCKETS)
    values = hide_unknown(course.mean.tolist()) if course is not None else []
    before = values[0] if values else None
    return Standing(
        combined.score,
        combined.unknown_count,
        None if before is None else round(before),
        values,
    )


def read_quality(assignment: Assignment) -> Quality:
    """What the newest result says beside the score; a query only of throughput."""
    values = assignment.last_values
    column = GRADE_FIELDS.get(assignment.test.kind)
    newest = None
    if column is not None:
        rows = Result.objects.filter(run__assignment=assignment, is_success=True)
        newest = rows.order_by("-run__start_at").values_list(column, flat=True).first()
    return Quality(values.get(VOICE_KEY), values.get(PAGE_KEY), read_grade(newest))
