"""Diagnoses as somebody may see them, and what somebody may ask about."""

from uuid import UUID

from django.db.models import Q, QuerySet

from apps.accounts.policy import AnyUser, Permission, Place, find_scope, narrow
from apps.clients.models import Client
from apps.clients.selectors import build_client_filter, get_client
from apps.core.errors import NotFound
from apps.ml.models import Diagnosis
from apps.tests.models import Assignment, Run
from apps.tests.selectors import get_assignment, get_run


def filter_client(place: Place) -> Q:
    """The condition that the client of a diagnosis is in a place.

    A diagnosis tells of its client's own host, so seeing the far end of a pair is not enough.
    """
    return build_client_filter(place, path="client__")


def list_diagnoses(user: AnyUser, permission: Permission = Permission.VIEW) -> QuerySet[Diagnosis]:
    """The diagnoses of clients on which `user` has the permission, newest first."""
    rows = Diagnosis.objects.select_related("client__site", "test", "run", "asked_by", "finding")
    scope = find_scope(user, permission)
    return narrow(rows, scope, build_filter=filter_client).order_by("-asked_at", "id")


def get_diagnosis(
    user: AnyUser, diagnosis_id: UUID | str, permission: Permission = Permission.VIEW
) -> Diagnosis:
    """One diagnosis.

    Raises: NotFound when there is none, or none of a client with that permission.
    """
    row = list_diagnoses(user, permission).filter(id=diagnosis_id).first()
    if row is None:
        raise NotFound("diagnosis_unknown", "There is no such diagnosis.")
    return row


def get_client_to_diagnose(user: AnyUser, client_id: UUID) -> Client:
    """A client that `user` may operate. Raises: NotFound."""
    return get_client(user, client_id, Permission.OPERATE)


def get_run_to_diagnose(user: AnyUser, run_id: UUID) -> Run:
    """A run of a client that `user` may operate. Raises: NotFound."""
    run = get_run(user, run_id)
    get_client_to_diagnose(user, run.assignment.client_id)
    return run


def get_assignment_to_diagnose(
    user: AnyUser, *, test_id: UUID, client_id: UUID, peer_id: UUID | None = None
) -> Assignment:
    """A test from a client that `user` may operate, as `get_assignment`. Raises: NotFound."""
    assignment = get_assignment(user, test_id=test_id, client_id=client_id, peer_id=peer_id)
    get_client_to_diagnose(user, assignment.client_id)
    return assignment
