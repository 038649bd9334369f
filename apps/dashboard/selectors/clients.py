"""Clients with what their list shows of them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.accounts.policy import AnyUser, Permission, find_scope
from apps.clients.algorithms.versions import is_older
from apps.clients.models import Client
from apps.clients.selectors import list_clients
from apps.metrics.models import Source
from apps.metrics.selectors import LatestValues, read_latest
from apps.ml.selectors.health import find_client_scores
from apps.tests.models import Assignment, Run
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
    is_outdated: bool
    health_score: int | None


@dataclass(frozen=True, slots=True)
class HistorySize:
    """How much goes with clients when they are deleted."""

    sources: int
    runs: int


def annotate_failing(rows: QuerySet[Client]) -> QuerySet[Client]:
    """The rows with `failing`: how many active tests of each client fail."""
    failing = (
        Assignment.objects.filter(ACTIVE, IS_FAILING, client_id=OuterRef("id"))
        .order_by()
        .values("client_id")
        .annotate(n=Count("id"))
    )
    return rows.annotate(failing=Coalesce(Subquery(failing.values("n")), 0))


def order_by_value(rows: QuerySet[Client], key: str, *, is_falling: bool) -> list[UUID]:
    """The ids of the clients by the newest value of a host metric; those without come last."""
    ids = list(rows.order_by("name").values_list("id", flat=True))
    latest = read_latest(ids)
    values = {id: row.values[key] for id, (row, *_rest) in latest.items() if key in row.values}
    known = [id for id in ids if id in values]
    known.sort(key=lambda id: values[id], reverse=is_falling)
    return [*known, *(id for id in ids if id not in values)]


def describe_clients(clients: Sequence[Client]) -> list[ClientRow]:
    """The clients with their newest host values, tests and health; three queries for any number."""
    ids = [client.id for client in clients]
    latest = read_latest(ids)
    counts = count_assignments(ids)
    scores = find_client_scores(ids)
    rows = []
    for client in clients:
        test_count, failing_count = counts.get(client.id, (0, 0))
        host = next(iter(latest.get(client.id, ())), None)
        is_outdated = is_older(client.agent_version, settings.SERVER_VERSION)
        health = scores.get(client.id)
        score = None if health is None else health.score
        rows.append(ClientRow(client, host, test_count, failing_count, is_outdated, score))
    return rows


def measure_history(client_ids: Sequence[UUID]) -> HistorySize:
    """How many sources and runs the clients have together."""
    return HistorySize(
        sources=Source.objects.filter(client_id__in=client_ids).count(),
        runs=Run.objects.filter(assignment__client_id__in=client_ids).count(),
    )


def count_assignments(client_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """How many active tests each client has, and how many of them fail."""
    rows = (
        Assignment.objects.filter(ACTIVE, client_id__in=client_ids)
        .values("client_id")
        .annotate(total=Count("id"), failing=Count("id", filter=IS_FAILING))
    )
    return {row["client_id"]: (row["total"], row["failing"]) for row in rows}


def find_hidden(user: AnyUser, client_ids: Iterable[UUID]) -> Collection[UUID]:
    """Those of the clients whose own page is not for `user`, who sees what they do with others.

    No query for somebody who may see all.
    """
    if find_scope(user, Permission.VIEW).is_everything:
        return ()
    wanted = set(client_ids)
    return wanted - set(list_clients(user).filter(id__in=wanted).values_list("id", flat=True))


def list_client_assignments(user: AnyUser, client: Client) -> QuerySet[Assignment]:
    """What the client measures, by test name."""
    return list_assignments(user).filter(client=client, removed_at=None).order_by("test__name")
