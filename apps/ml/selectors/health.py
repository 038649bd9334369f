"""Health as somebody may see it: of tests on clients, of clients, of sites, of all."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from apps.accounts.policy import AnyUser, Permission, Place, Scope, find_scope, narrow
from apps.clients.models import Client, Site
from apps.clients.selectors import build_client_filter
from apps.core.errors import NotFound
from apps.ml.algorithms.courses import Course, combine_courses, draw_course
from apps.ml.algorithms.health import Combined, combine_scores
from apps.ml.models import HealthChange, HealthScore
from apps.tests.selectors import filter_participants

OF_ALL = Q(assignment=None, client=None, site=None)
# What is still measured: the score of anything else is one of earlier days.
OF_ACTIVE_TESTS = Q(
    assignment__removed_at=None,
    assignment__test__is_paused=False,
    assignment__client__deleted_at=None,
)
NOBODY = Q(pk__in=[])
MOST_TOGETHER = 200


@dataclass(frozen=True, slots=True)
class Member:
    """A client, or a test on a client, with its score; None when that is unknown."""

    id: UUID
    name: str
    score: int | None
    reason: str = ""
    site_id: int | None = None


@dataclass(frozen=True, slots=True)
class Gathering:
    """Members together: their score, and the points that each known one costs, by its id."""

    combined: Combined
    members: Sequence[Member]
    points: Mapping[UUID, float]


def list_scores(user: AnyUser) -> QuerySet[HealthScore]:
    """The scores that `user` may see, the worst first.

    Those of a site, and of all, only where no client in them is hidden from `user`.
    """
    scope = find_scope(user, Permission.VIEW)
    rows = HealthScore.objects.select_related(
        "assignment__test", "assignment__client", "assignment__peer", "client", "site"
    )
    tests = narrow_part(rows, scope, OF_ACTIVE_TESTS & Q(assignment__isnull=False), "assignment__")
    clients = narrow_part(rows, scope, Q(client__isnull=False, client__deleted_at=None), "client__")
    sites = Q(site__isnull=False) & build_site_filter(scope)
    whole = OF_ALL if scope.is_everything else NOBODY
    return rows.filter(tests | clients | sites | whole).order_by("score", "id")


def narrow_part(rows: QuerySet[HealthScore], scope: Scope, part: Q, path: str) -> Q:
    """The condition of those rows of the part that lie in the scope."""
    if scope.is_everything:
        return part

    def build_filter(place: Place) -> Q:
        if path == "assignment__":
            return filter_participants(path)(place)
        return build_client_filter(place, path=path)

    mine = narrow(rows.select_related(None).filter(part), scope, build_filter=build_filter)
    return Q(pk__in=mine.values("pk"))


def build_site_filter(scope: Scope) -> Q:
    """The condition that a score's site holds no client outside of the scope."""
    if scope.is_everything:
        return Q()
    if scope.is_empty or any(place.tag_slug for place in scope.denied):
        return NOBODY
    denied = {place.site_slug for place in scope.denied}
    if any(place.is_everywhere for place in scope.allowed):
        return ~Q(site__slug__in=denied)
    whole = {place.site_slug for place in scope.allowed if not place.tag_slug}
    return Q(site__slug__in=whole - denied)


def get_score(user: AnyUser, score_id: UUID | str) -> HealthScore:
    """One score.

    Raises: NotFound when there is none, or none that `user` may see.
    """
    row = list_scores(user).filter(id=score_id).first()
    if row is None:
        raise NotFound("health_unknown", "There is no such health score.")
    return row


def list_clients_with_scores(user: AnyUser) -> list[Member]:
    """The clients that `user` sees and that ever had a test, by name; one query."""
    rows = narrow(
        HealthScore.objects.filter(client__isnull=False, client__deleted_at=None),
        find_scope(user, Permission.VIEW),
        build_filter=lambda place: build_client_filter(place, path="client__"),
    ).order_by("client__name", "client_id")
    columns = ("client_id", "client__name", "score", "reason", "client__site_id")
    return [Member(*row) for row in rows.values_list(*columns)]


def list_tests_with_scores(client: Client) -> list[Member]:
    """The active tests of a client that the caller may see, by name; one query."""
    rows = HealthScore.objects.filter(OF_ACTIVE_TESTS, assignment__client=client)
    columns = ("assignment_id", "assignment__test__name", "score", "reason")
    ordered = rows.order_by("assignment__test__name", "assignment__peer__name", "assignment_id")
    return [
        Member(id, f"{name} → {peer}" if peer else name, score, reason)
        for id, name, score, reason, peer in ordered.values_list(*columns, "assignment__peer__name")
    ]


def gather(members: Sequence[Member]) -> Gathering:
    """The score of members together, and what each costs."""
    combined = combine_scores([member.score for member in members])
    known = [member.id for member in members if member.score is not None]
    return Gathering(combined, members, dict(zip(known, combined.points, strict=True)))


def find_client_scores(client_ids: Collection[UUID]) -> dict[UUID, HealthScore]:
    """The scores of those clients, which the caller may see; one query."""
    rows = HealthScore.objects.filter(client_id__in=client_ids)
    return {row.client_id: row for row in rows.defer("tallies") if row.client_id is not None}


def find_test_scores(assignment_ids: Collection[UUID]) -> dict[UUID, HealthScore]:
    """The scores of those assignments, which the caller may see; one query."""
    rows = HealthScore.objects.filter(assignment_id__in=assignment_ids)
    return {row.assignment_id: row for row in rows.defer("tallies") if row.assignment_id}


def find_score_of_all(user: AnyUser) -> HealthScore | None:
    """The stored score of all; None when `user` does not see all, or nothing was scored yet."""
    if not find_scope(user, Permission.VIEW).is_everything:
        return None
    return HealthScore.objects.filter(OF_ALL).first()


def find_score_of_site(user: AnyUser, site: Site) -> HealthScore | None:
    """The stored score of a site; None when `user` does not see all its clients, or has none."""
    own = build_site_filter(find_scope(user, Permission.VIEW))
    return HealthScore.objects.filter(own, site=site).first()


def read_course(row: HealthScore, *, start: datetime, end: datetime, buckets: int) -> Course:
    """The course of a score that the caller may see; two queries."""
    return read_courses(Q(id=row.id), start=start, end=end, buckets=buckets)[0]


def read_course_of_clients(
    client_ids: Collection[UUID], *, start: datetime, end: datetime, buckets: int
) -> Course | None:
    """The course of clients together, as no score of just them is stored; two queries.

    None of more than 200: that would be made of too many steps.
    """
    if len(client_ids) > MOST_TOGETHER:
        return None
    part = Q(client_id__in=client_ids)
    courses = read_courses(part, start=start, end=end, buckets=buckets)
    if not courses:
        return draw_course([], start=start.timestamp(), end=end.timestamp(), buckets=buckets)
    return combine_courses(courses)


def read_courses(part: Q, *, start: datetime, end: datetime, buckets: int) -> list[Course]:
    """A course for each of the scores; two queries for any number."""
    earlier = HealthChange.objects.filter(subject=OuterRef("id"), at__lte=start).order_by("-at")
    subjects = HealthScore.objects.filter(part).annotate(
        began_at=Subquery(earlier.values("at")[:1]), began=Subquery(earlier.values("score")[:1])
    )
    changes: dict[UUID, list[tuple[float, float | None]]] = {
        subject: [] if at is None else [(at.timestamp(), score)]
        for subject, at, score in subjects.values_list("id", "began_at", "began")
    }
    later = HealthChange.objects.filter(subject__in=list(changes), at__gt=start, at__lt=end)
    rows = later.order_by("subject_id", "at").values_list("subject_id", "at", "score")
    for subject, at, score in rows.iterator():
        changes[subject].append((at.timestamp(), score))
    span = (start.timestamp(), end.timestamp())
    return [
        draw_course(steps, start=span[0], end=span[1], buckets=buckets)
        for steps in changes.values()
    ]
