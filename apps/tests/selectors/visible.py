"""Tests, runs and results as somebody may see them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.accounts.policy import AnyUser, Permission, Place, find_scope, narrow
from apps.clients.algorithms.selector import parse_selector
from apps.clients.selectors import (
    build_client_filter,
    build_tag_filter,
    list_clients,
    may_select,
)
from apps.core.errors import FieldError, Invalid, NotFound, Refused
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Quota, Reservation, Result, Run, Test

DISTURBANCES_READ = 5_000


def filter_participants(path: str = "") -> Callable[[Place], Q]:
    """The condition that one of an assignment's participants is in a place.

    What was measured between two clients says as much of the one as of the other: whoever may see
    either may see it, and a denial of either wins. `path` leads to the assignment.
    """
    return lambda place: (
        build_client_filter(place, path=f"{path}client__")
        | build_client_filter(place, path=f"{path}peer__")
    )


def list_assignments(user: AnyUser) -> QuerySet[Assignment]:
    """The assignments with a participant that `user` may see, removed ones included."""
    rows = Assignment.objects.select_related("test__target", "client__site", "peer", "source")
    scope = find_scope(user, Permission.VIEW)
    return narrow(rows, scope, build_filter=filter_participants())


def get_assignment(
    user: AnyUser, *, test_id: UUID, client_id: UUID, peer_id: UUID | None = None
) -> Assignment:
    """The assignment of that test to that client, also when it was taken away since.

    Of several pairs that the client initiates it is the one with that peer, or else the first.

    Raises: NotFound when there is none, or none that `user` may see.
    """
    rows = list_assignments(user).filter(test_id=test_id, client_id=client_id)
    if peer_id is not None:
        rows = rows.filter(peer_id=peer_id)
    row = rows.order_by("created_at", "id").first()
    if row is None:
        raise NotFound("assignment_unknown", "That test is not assigned to that client.")
    return row


def list_tests(user: AnyUser) -> QuerySet[Test]:
    """The tests of clients that `user` may see, and those `user` made."""
    rows = Test.objects.select_related("target", "created_by")
    scope = find_scope(user, Permission.VIEW)
    if scope.is_everything:
        return rows
    if scope.is_empty or not isinstance(user, User):
        return rows.none()
    visible = list_assignments(user).order_by().values("test_id")
    return rows.filter(Q(id__in=visible) | Q(created_by=user))


def get_test(user: AnyUser, test_id: UUID | str) -> Test:
    """One test.

    Raises: NotFound when there is none, or none that `user` may see.
    """
    test = list_tests(user).filter(id=test_id).first()
    if test is None:
        raise NotFound("test_unknown", "There is no such test.")
    return test


def get_test_to_change(user: AnyUser, test_id: UUID | str) -> Test:
    """One test that `user` may change: all of its clients must be in the user's hands.

    Raises: NotFound when `user` cannot see it, Refused when others' clients run it too.
    """
    test = get_test(user, test_id)
    if find_scope(user, Permission.OPERATE).is_empty or not holds_all_of(user, test):
        raise Refused("refused", "Your role does not allow you to change this test.")
    return test


def holds_all_of(user: AnyUser, test: Test) -> bool:
    """Whether `user` operates all that run the test, or all that its rule may ever choose.

    A hub and far ends count as well.
    """
    if test.selection_kind != Test.SelectionKind.CLIENTS:
        return may_select(user, parse_selector(test.selector)) and may_use_hub(user, test.hub_id)
    mine = list_clients(user, Permission.OPERATE).order_by().values("id")
    active = test.assignments.filter(removed_at=None)
    peers = active.filter(peer__isnull=False).exclude(peer_id__in=mine)
    if test.topology and (peers.exists() or not may_use_hub(user, test.hub_id)):
        return False
    return not active.exclude(client_id__in=mine).exists()


def may_use_hub(user: AnyUser, hub_id: UUID | None) -> bool:
    """Whether `user` operates the hub of a test, if it has one."""
    return hub_id is None or list_clients(user, Permission.OPERATE).filter(id=hub_id).exists()


def require_reach(
    user: AnyUser, *, selection_kind: str, selector: Mapping[str, Any], hub_id: UUID | None = None
) -> None:
    """Nothing, when `user` may have a test choose its clients so, with that hub.

    What is no selector at all is left to the service, which names what is wrong with it.
    Raises: Refused when it may choose clients that `user` does not operate, Invalid for such a hub.
    """
    if not may_use_hub(user, hub_id):
        detail = "there is no such client in your hands"
        raise Invalid([FieldError("hub", "unknown", detail)])
    if selection_kind == Test.SelectionKind.CLIENTS:
        return
    try:
        parsed = parse_selector(selector)
    except (KeyError, ValueError):
        return
    if not may_select(user, parsed):
        raise Refused(
            "refused", "This selection reaches clients that your role does not let you operate."
        )


def list_tests_naming(member: str, slug: str) -> list[str]:
    """What names the site or tag (`member` is `sites` or `tags`) among the rules of the tests."""
    rows = Test.objects.exclude(selection_kind=Test.SelectionKind.CLIENTS).order_by("name")
    return [
        f"the test {name!r}"
        for name, selector in rows.values_list("name", "selector")
        if slug in selector.get(member, ())
    ]


def keep_tests_at(
    user: AnyUser, rows: QuerySet[Test], *, site_slug: str = "", tag_slug: str = ""
) -> QuerySet[Test]:
    """Those of the tests that a client which `user` sees runs at that site, with that tag."""
    if not (site_slug or tag_slug):
        return rows
    there = list_assignments(user).filter(removed_at=None)
    if site_slug:
        there = there.filter(client__site__slug=site_slug)
    if tag_slug:
        there = there.filter(build_tag_filter(tag_slug, path="client__"))
    return rows.filter(id__in=there.order_by().values("test_id"))


def get_test_to_delete(user: AnyUser, test_id: UUID | str) -> Test:
    """One test that `user` may delete: the history of clients that were taken away goes with it.

    Raises: NotFound when `user` cannot see it, Refused when others' clients run or ran it too.
    """
    test = get_test_to_change(user, test_id)
    mine = list_clients(user, Permission.OPERATE).order_by().values("id")
    if test.assignments.exclude(client_id__in=mine).exists():
        raise Refused("refused", "Clients outside your role have measured for this test.")
    return test


def list_runs(user: AnyUser) -> QuerySet[Run]:
    rows = Run.objects.select_related(
        "assignment__test__target", "assignment__client", "assignment__peer", "result"
    )
    scope = find_scope(user, Permission.VIEW)
    return narrow(rows, scope, build_filter=filter_participants("assignment__"))


def get_run(user: AnyUser, run_id: UUID | str) -> Run:
    """One run.

    Raises: NotFound when there is none, or none that `user` may see.
    """
    run = list_runs(user).filter(id=run_id).first()
    if run is None:
        raise NotFound("run_unknown", "There is no such run.")
    return run


def list_results(user: AnyUser) -> QuerySet[Result]:
    rows = Result.objects.select_related("run__assignment__test", "run__assignment__client")
    scope = find_scope(user, Permission.VIEW)
    return narrow(rows, scope, build_filter=filter_participants("run__assignment__"))


def list_disturbances(
    assignment: Assignment, *, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """When exclusive runs of others used the participants between those moments, oldest first.

    Empty for an assignment whose own runs are exclusive: they move aside.
    """
    if KINDS[assignment.test.kind].is_exclusive(assignment.test.parameters):
        return []
    rows = Reservation.objects.filter(
        client_id__in=assignment.participant_ids,
        start_at__lt=end,
        end_at__gt=start,
        run__started_at__lt=end,
        run__finished_at__gt=start,
    ).exclude(run__assignment=assignment)
    spans = rows.order_by("run__started_at").values_list("run__started_at", "run__finished_at")
    return [
        (begin, finish)
        for begin, finish in spans.distinct()[:DISTURBANCES_READ]
        if begin is not None and finish is not None
    ]


def leave_out_overlapped(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Those of the runs that no exclusive run disturbed: what is normal is learnt from them."""
    return runs.filter(is_overlapped=False)


def owns_assignment(client_id: UUID, assignment_id: UUID) -> bool:
    """Whether the assignment is, or was, this client's."""
    return Assignment.objects.filter(id=assignment_id, client_id=client_id).exists()


def list_quotas() -> QuerySet[Quota]:
    """Every limit, those of everybody first; for those who administer everything."""
    rows = Quota.objects.select_related("user", "client")
    return rows.order_by("scope", "user__username", "client__name", "id")


def get_quota(quota_id: int) -> Quota:
    """One quota.

    Raises: NotFound when there is none.
    """
    quota = list_quotas().filter(id=quota_id).first()
    if quota is None:
        raise NotFound("quota_unknown", "There is no such quota.")
    return quota
