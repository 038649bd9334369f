"""Diagnoses as somebody may see them."""

from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.policy import AnyUser, Permission, find_scope, narrow
from apps.core.errors import NotFound
from apps.ml.models import Diagnosis
from apps.tests.selectors import filter_through


def list_diagnoses(user: AnyUser) -> QuerySet[Diagnosis]:
    """The diagnoses of clients that `user` may see, newest first."""
    rows = Diagnosis.objects.select_related("client__site", "test", "run", "asked_by", "finding")
    scope = find_scope(user, Permission.VIEW)
    return narrow(rows, scope, build_filter=filter_through("client__")).order_by("-asked_at", "id")


def get_diagnosis(user: AnyUser, diagnosis_id: UUID | str) -> Diagnosis:
    """One diagnosis.

    Raises: NotFound when there is none, or none that `user` may see.
    """
    row = list_diagnoses(user).filter(id=diagnosis_id).first()
    if row is None:
        raise NotFound("diagnosis_unknown", "There is no such diagnosis.")
    return row
