"""Findings as somebody may see them, narrowed by what they ask for, and folded into groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber, TruncHour

from apps.accounts.policy import AnyUser, Permission, Place, find_scope, narrow
from apps.clients.selectors import build_client_filter, build_tag_filter
from apps.core.errors import NotFound
from apps.ml.models import Diagnosis, Feedback, Finding
from apps.tests.models import Run
from apps.tests.selectors import list_runs

ANOMALIES = (Finding.Kind.SERIES_ANOMALY, Finding.Kind.JOINT_ANOMALY)
# What the answer to "what did people say" may be; `none` is that nobody has.
FEEDBACK_STATES = ("none", "any", *Feedback.Verdict.values)
FOLD = Coalesce("group_id", "id")
GRAVITY = Case(
    When(severity=Finding.Severity.CRITICAL, then=Value(2)),
    When(severity=Finding.Severity.WARNING, then=Value(1)),
    default=Value(0),
    output_field=IntegerField(),
)
# How long before it the run may have begun in which something unusual was measured.
LONGEST_BEFORE = timedelta(hours=1)
SEVERITIES = (Finding.Severity.INFO, Finding.Severity.WARNING, Finding.Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class FindingQuery:
    """What is asked for; an empty field narrows nothing. `since` and `until` are of the start."""

    kind: str = ""
    severity: str = ""
    client: UUID | None = None
    site: str = ""
    tag: str = ""
    test: UUID | None = None
    metric: str = ""
    cause: str = ""
    since: datetime | None = None
    until: datetime | None = None
    feedback: str = ""
    provisional: bool | None = None
    group: UUID | None = None

    @property
    def is_everything(self) -> bool:
        return all(getattr(self, one.name) == one.default for one in fields(self))


# Where in the list a group stands: the start of its newest finding, and its fold.
Position = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings of one client at one time that fit the question: how many, and the gravest."""

    fold: UUID
    count: int
    first_at: datetime
    last_at: datetime
    severity: str
    findings: tuple[Finding, ...]

    @property
    def position(self) -> Position:
        return self.last_at, self.fold

    @property
    def more(self) -> int:
        return self.count - len(self.findings)


def filter_client(place: Place) -> Q:
    return build_client_filter(place, path="client__")


def list_findings(user: AnyUser, permission: Permission = Permission.VIEW) -> QuerySet[Finding]:
    """The findings about clients on which `user` has the permission, newest first."""
    rows = Finding.objects.select_related("client__site", "test", "source")
    scope = find_scope(user, permission)
    return narrow(rows, scope, build_filter=filter_client).order_by("-started_at", "-id")


def get_finding(
    user: AnyUser, finding_id: UUID | str, permission: Permission = Permission.VIEW
) -> Finding:
    """Raises: NotFound when there is none, or none of a client with that permission."""
    row = list_findings(user, permission).filter(id=finding_id).first()
    if row is None:
        raise NotFound("finding_unknown", "There is no such finding.")
    return row


def keep_findings(rows: QuerySet[Finding], query: FindingQuery) -> QuerySet[Finding]:
    """Those of the rows that are asked for; nothing fits a word that does not exist."""
    wanted: Mapping[str, Any] = {
        "kind": query.kind,
        "severity": query.severity,
        "client_id": query.client,
        "client__site__slug": query.site,
        "test_id": query.test,
        "metric": query.metric,
        "cause": query.cause,
        "started_at__gte": query.since,
        "started_at__lt": query.until,
    }
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    if query.tag:
        rows = rows.filter(build_tag_filter(query.tag, path="client__"))
    if query.provisional is not None:
        rows = rows.filter(is_provisional=query.provisional)
    if query.group is not None:
        rows = keep_folds(rows, [query.group])
    return keep_spoken(rows, query.feedback)


def keep_folds(rows: QuerySet[Finding], folds: Sequence[UUID]) -> QuerySet[Finding]:
    """Those of the groups, or that stand alone with that id."""
    return rows.filter(Q(group_id__in=folds) | Q(group_id=None, id__in=folds))


def keep_spoken(rows: QuerySet[Finding], state: str) -> QuerySet[Finding]:
    """Those that somebody said that of; `none` keeps those that nobody spoke about."""
    if not state:
        return rows
    said = Feedback.objects.filter(finding=OuterRef("pk"))
    if state == "none":
        return rows.filter(~Exists(said))
    return rows.filter(Exists(said if state == "any" else said.filter(verdict=state)))


def list_groups(
    rows: QuerySet[Finding], *, count: int, members: int, after: Position | None = None
) -> list[FindingGroup]:
    """The newest `count` groups of the rows, the gravest `members` findings of each; two queries.

    `after` is the place of the last group of the page before.
    """
    folded = rows.order_by().annotate(fold=FOLD).values("fold")
    groups = folded.annotate(
        count=Count("id"),
        first_at=Min("started_at"),
        last_at=Max("started_at"),
        gravity=Max(GRAVITY),
    )
    if after is not None:
        at, fold = after
        groups = groups.filter(Q(last_at__lt=at) | Q(last_at=at, fold__lt=fold))
    found = list(groups.order_by("-last_at", "-fold")[:count])
    shown = take_gravest(rows, [row["fold"] for row in found], members)
    return [
        FindingGroup(
            fold=row["fold"],
            count=row["count"],
            first_at=row["first_at"],
            last_at=row["last_at"],
            severity=SEVERITIES[row["gravity"]],
            findings=tuple(shown.get(row["fold"], ())),
        )
        for row in found
    ]


def take_gravest(
    rows: QuerySet[Finding], folds: Sequence[UUID], members: int
) -> dict[UUID, list[Finding]]:
    place = Window(
        RowNumber(),
        partition_by=[F("fold")],
        order_by=[F("gravity").desc(), F("score").desc(nulls_last=True), F("id").asc()],
    )
    ranked = keep_folds(rows, folds).annotate(fold=FOLD, gravity=GRAVITY)
    found: dict[UUID, list[Finding]] = {}
    for row in ranked.annotate(place=place).filter(place__lte=members).order_by("place", "id"):
        found.setdefault(row.fold, []).append(row)
    return found


def list_similar(user: AnyUser, finding: Finding, *, count: int) -> list[Finding]:
    """Earlier findings of the same kind about the same series, test or cause, newest first."""
    rows = list_findings(user).filter(
        kind=finding.kind,
        client_id=finding.client_id,
        test=finding.test,
        started_at__lt=finding.started_at,
    )
    if finding.kind == Finding.Kind.SERIES_ANOMALY:
        rows = rows.filter(source=finding.source, metric=finding.metric)
    if finding.kind == Finding.Kind.DIAGNOSIS:
        rows = rows.filter(cause=finding.cause)
    return list(rows[:count])


def list_beside(user: AnyUser, finding: Finding, *, count: int) -> list[Finding]:
    """The others of its group, gravest first."""
    if finding.group_id is None:
        return []
    rows = list_findings(user).filter(group_id=finding.group_id).exclude(id=finding.id)
    return list(rows.order_by(GRAVITY.desc(), F("score").desc(nulls_last=True), "id")[:count])


def count_by_hour(user: AnyUser, *, start: datetime, end: datetime) -> list[int]:
    """Anomalies that began in each hour of [start, end), without provisional ones; one query."""
    rows = list_findings(user).filter(
        kind__in=ANOMALIES, is_provisional=False, started_at__gte=start, started_at__lt=end
    )
    hours = rows.order_by().annotate(hour=TruncHour("started_at", tzinfo=UTC)).values_list("hour")
    counts = dict(hours.annotate(count=Count("id")))
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    length = ceil((end - first) / timedelta(hours=1))
    return [counts.get(first + timedelta(hours=place), 0) for place in range(length)]


def find_run(user: AnyUser, finding: Finding) -> Run | None:
    """The run that a finding is about, or one of its stream that lay in its time."""
    rows = list_runs(user).order_by("-start_at")
    if finding.run_id is not None:
        return rows.filter(id=finding.run_id).first()
    if finding.test_id is None or finding.source_id is None:
        return None
    within = rows.filter(
        assignment__source=finding.source_id,
        state=Run.State.FINISHED,
        start_at__lt=finding.ended_at,
        start_at__gte=finding.started_at - LONGEST_BEFORE,
    )
    return within.first()


def find_diagnosis(finding: Finding) -> Diagnosis | None:
    """The diagnosis that a finding of that kind comes from, while it is kept."""
    return Diagnosis.objects.filter(finding=finding).first()
