"""Clients with what their list shows of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from apps.accounts.policy import AnyUser
from apps.clients.models import Client
from apps.clients.selectors import list_clients
from apps.metrics.selectors import LatestValues, read_latest
from apps.tests.models import Assignment
from apps.tests.selectors import list_assignments

# An assignment that counts: given to its client, and its test not paused.
ACTIVE = Q(removed_at=None, test__is_paused=False)
IS_PASSING = Q(last_is_success=True)
IS_FAILING = Q(last_is_success=False) | Q(last_is_success=None, last_run_state="failed")


def name_standing(assignment: Assignment) -> str:
    """`passing`, `failing` or `waiting`: in words what the conditions above select."""
    if assignment.last_is_success:
        return "passing"
    is_failed = assignment.last_is_success is None and assignment.last_run_state == "failed"
    return "failing" if assignment.last_is_success is False or is_failed else "waiting"


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A line of the list of clients."""

    client: Client
    host: LatestValues | None
    test_count: int
    failing_count: int


def search_clients(
    user: AnyUser, *, text: str = "", presence: str = "", site: str = "", tag: str = ""
) -> QuerySet[Client]:
    """The clients `user` sees whose name, host name or address holds `text`."""
    rows = list_clients(user).defer("inventory")
    if text:
        rows = rows.filter(
            Q(name__icontains=text) | Q(hostname__icontains=text) | Q(last_address__icontains=text)
        )
    if presence:
        rows = rows.filter(presence=presence)
    if site:
        rows = rows.filter(site__slug=site)
    if tag:
        rows = rows.filter(tags__slug=tag)
    return rows


def describe_clients(clients: Sequence[Client]) -> list[ClientRow]:
    """The clients with their newest host values and tests; two queries for any number."""
    ids = [client.id for client in clients]
    latest = read_latest(ids)
    counts = count_assignments(ids)
    rows = []
    for client in clients:
        test_count, failing_count = counts.get(client.id, (0, 0))
        host = next(iter(latest.get(client.id, ())), None)
        rows.append(ClientRow(client, host, test_count, failing_count))
    return rows


def count_assignments(client_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """How many active tests each client has, and how many of them fail."""
    rows = (
        Assignment.objects.filter(ACTIVE, client_id__in=client_ids)
        .values("client_id")
        .annotate(total=Count("id"), failing=Count("id", filter=IS_FAILING))
    )
    return {row["client_id"]: (row["total"], row["failing"]) for row in rows}


def list_client_assignments(user: AnyUser, client: Client) -> QuerySet[Assignment]:
    """What the client measures, by test name."""
    return list_assignments(user).filter(client=client, removed_at=None).order_by("test__name")
