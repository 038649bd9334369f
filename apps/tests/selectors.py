"""Tests, runs and results as somebody may see them."""

from collections.abc import Callable
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.accounts.policy import AnyUser, Permission, Place, find_scope, narrow
from apps.clients.selectors import build_client_filter, list_clients
from apps.core.errors import NotFound, Refused
from apps.tests.models import Assignment, Result, Run, Test


def filter_through(path: str) -> Callable[[Place], Q]:
    return lambda place: build_client_filter(place, path=path)


def list_assignments(
    user: AnyUser, permission: Permission = Permission.VIEW
) -> QuerySet[Assignment]:
    """The assignments on clients where `user` holds `permission`, removed ones included."""
    rows = Assignment.objects.select_related("test__target", "client__site", "source")
    return narrow(rows, find_scope(user, permission), build_filter=filter_through("client__"))


def get_assignment(user: AnyUser, *, test_id: UUID, client_id: UUID) -> Assignment:
    """The assignment of that test to that client, also when it was taken away since.

    Raises: NotFound when there is none, or none that `user` may see.
    """
    row = list_assignments(user).filter(test_id=test_id, client_id=client_id).first()
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
    mine = list_clients(user, Permission.OPERATE).order_by().values("id")
    others = test.assignments.filter(removed_at=None).exclude(client_id__in=mine)
    if find_scope(user, Permission.OPERATE).is_empty or others.exists():
        raise Refused("refused", "Your role does not allow you to change this test.")
    return test


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
    rows = Run.objects.select_related("assignment__test__target", "assignment__client", "result")
    scope = find_scope(user, Permission.VIEW)
    return narrow(rows, scope, build_filter=filter_through("assignment__client__"))


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
    return narrow(rows, scope, build_filter=filter_through("run__assignment__client__"))


def owns_assignment(client_id: UUID, assignment_id: UUID) -> bool:
    """Whether the assignment is, or was, this client's."""
    return Assignment.objects.filter(id=assignment_id, client_id=client_id).exists()
