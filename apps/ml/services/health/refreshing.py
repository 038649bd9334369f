"""Scores are computed anew where something was measured, a bounded number at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet

from apps.clients.models import Client, Site
from apps.ml.algorithms.health import Combined, Health, combine_scores, score_health
from apps.ml.algorithms.tallies import Tally
from apps.ml.models import HealthChange, HealthScore
from apps.ml.services.health.changes import note_changes
from apps.ml.services.health.measuring import read_assignments
from apps.tests.models import Assignment, Result

ASSIGNMENTS_PER_TICK = 2000
ASSIGNMENTS_AT_ONCE = 250
CLIENTS_AT_ONCE = 1000
# With news a score is this old at most, and without any it is looked at as rarely as this.
NEWS_AFTER = timedelta(seconds=50)
STEADY_AFTER = timedelta(minutes=5)
# What comes in later than this after its run has been counted without it.
LATE_AFTER = timedelta(hours=2)
MEMBERS_NAMED = 20
FIELDS = (
    "score",
    "band",
    "reason",
    "is_partial",
    "pillars",
    "deductions",
    "unknown_count",
    "tallies",
    "computed_at",
    "noted_score",
    "noted_at",
)


def refresh_health(*, now: datetime, most: int = ASSIGNMENTS_PER_TICK) -> int:
    """How many tests of clients were scored anew, and with them their clients, sites and all."""
    late = find_late(now)
    rows = list_due(now, late)[:most]
    due = list(rows.select_related("test", "client", "health"))
    for first in range(0, len(due), ASSIGNMENTS_AT_ONCE):
        score_assignments(due[first : first + ASSIGNMENTS_AT_ONCE], late=late, now=now)
    client_ids = {one.client_id for one in due} | find_left_behind(now)
    if client_ids:
        combine_clients(client_ids, now=now)
        combine_sites(find_sites(client_ids, now), now=now)
        combine_all(now=now)
    return len(due)


def find_left_behind(now: datetime) -> set[UUID]:
    """The clients whose score nothing has renewed: their tests were paused or taken away."""
    rows = HealthScore.objects.filter(
        client__deleted_at=None, client__isnull=False, computed_at__lt=now - 2 * STEADY_AFTER
    )
    return set(rows.order_by("computed_at").values_list("client_id", flat=True)[:CLIENTS_AT_ONCE])


def find_sites(client_ids: set[UUID], now: datetime) -> set[int]:
    """The sites of the clients, and those that clients have left."""
    known = Client.objects.filter(id__in=client_ids, site__isnull=False)
    left = HealthScore.objects.filter(site__isnull=False, computed_at__lt=now - 2 * STEADY_AFTER)
    return {
        *known.values_list("site_id", flat=True),
        *left.order_by("computed_at").values_list("site_id", flat=True)[:CLIENTS_AT_ONCE],
    }


def find_late(now: datetime) -> frozenset[UUID]:
    """The assignments with results that came in since the last look, long after their runs."""
    last = HealthScore.objects.aggregate(last=Max("computed_at"))["last"]
    if last is None:
        return frozenset()
    rows = Result.objects.filter(
        received_at__gt=last - NEWS_AFTER, run__start_at__lt=now - LATE_AFTER
    )
    return frozenset(rows.values_list("run__assignment_id", flat=True).distinct())


def list_due(now: datetime, late: Iterable[UUID]) -> QuerySet[Assignment]:
    """The assignments to score, those first that have waited longest."""
    news = Q(health__computed_at__lt=now - NEWS_AFTER) & (
        Q(last_run_at__gt=F("health__computed_at")) | Q(id__in=late)
    )
    due = Q(health=None) | news | Q(health__computed_at__lt=now - STEADY_AFTER)
    active = Assignment.objects.filter(removed_at=None, test__is_paused=False)
    return active.filter(due, client__deleted_at=None).order_by(
        F("health__computed_at").asc(nulls_first=True), "id"
    )


def score_assignments(
    assignments: Sequence[Assignment], *, late: frozenset[UUID], now: datetime
) -> None:
    kept = {
        one.id: read_tallies(one.health)
        for one in assignments
        if hasattr(one, "health") and one.id not in late
    }
    readings = read_assignments(assignments, kept=kept, now=now)
    rows = []
    for one in assignments:
        reading = readings[one.id]
        row = one.health if hasattr(one, "health") else HealthScore(assignment=one)
        write_health(row, score_health(reading.measured, reading.profile), now=now)
        row.tallies = {
            str(hour): [tally.results, tally.failures, tally.incidents]
            for hour, tally in reading.tallies.items()
        }
        rows.append(row)
    store(rows, now=now)


def read_tallies(row: HealthScore) -> dict[int, Tally]:
    return {int(hour): Tally(*numbers) for hour, numbers in row.tallies.items()}


def write_health(row: HealthScore, health: Health, *, now: datetime) -> None:
    row.score = health.score
    row.band = health.band
    row.reason = health.reason
    row.is_partial = health.is_partial
    row.pillars = {str(pillar): round(value, 1) for pillar, value in health.pillars.items()}
    row.deductions = [asdict(one) for one in health.deductions]
    row.computed_at = now


def store(rows: Sequence[HealthScore], *, now: datetime) -> None:
    """Write scores and the steps of their history together."""
    changes = note_changes(rows, now=now)
    with transaction.atomic():
        # Django's update of many rows took 30 times as much processor time (benchmarks/README.md).
        HealthScore.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=FIELDS,
            batch_size=200,
        )
        HealthChange.objects.bulk_create(changes, ignore_conflicts=True)


def combine_clients(client_ids: set[UUID], *, now: datetime) -> None:
    """Score clients by their tests that are active."""
    members = HealthScore.objects.filter(
        assignment__client_id__in=client_ids,
        assignment__removed_at=None,
        assignment__test__is_paused=False,
    ).values_list("assignment__client_id", "assignment_id", "score")
    groups: dict[UUID, list[tuple[str, int | None]]] = {one: [] for one in client_ids}
    for client_id, assignment_id, score in members:
        groups[client_id].append((str(assignment_id), score))
    known = {row.client_id: row for row in HealthScore.objects.filter(client__in=client_ids)}
    clients = Client.objects.in_bulk(client_ids)
    store(
        [
            combine(known.get(one) or HealthScore(client=clients[one]), group, now=now)
            for one, group in groups.items()
            if one in clients
        ],
        now=now,
    )


def combine_sites(site_ids: set[int], *, now: datetime) -> None:
    """Score sites by their clients."""
    members = HealthScore.objects.filter(
        client__site_id__in=site_ids, client__deleted_at=None
    ).values_list("client__site_id", "client_id", "score")
    groups: dict[int, list[tuple[str, int | None]]] = {one: [] for one in site_ids}
    for site_id, client_id, score in members:
        groups[site_id].append((str(client_id), score))
    known = {row.site_id: row for row in HealthScore.objects.filter(site__in=site_ids)}
    sites = Site.objects.in_bulk(site_ids)
    store(
        [
            combine(known.get(one) or HealthScore(site=sites[one]), group, now=now)
            for one, group in groups.items()
            if one in sites
        ],
        now=now,
    )


def combine_all(*, now: datetime) -> None:
    """Score the whole by all clients."""
    rows = HealthScore.objects.filter(client__isnull=False, client__deleted_at=None)
    group = [(str(client), score) for client, score in rows.values_list("client_id", "score")]
    row = HealthScore.objects.filter(assignment=None, client=None, site=None).first()
    store([combine(row or HealthScore(), group, now=now)], now=now)


def combine(
    row: HealthScore, members: Sequence[tuple[str, int | None]], *, now: datetime
) -> HealthScore:
    """The row with the score of its members, and what the costliest of them cost."""
    combined = combine_scores([score for _member, score in members])
    row.score = combined.score
    row.band = combined.band
    row.reason = "" if combined.score is not None else "no_scores"
    row.is_partial = bool(combined.unknown_count)
    row.unknown_count = combined.unknown_count
    row.deductions = list_costs(members, combined)
    row.computed_at = now
    return row


def list_costs(
    members: Sequence[tuple[str, int | None]], combined: Combined
) -> list[dict[str, object]]:
    known = [member for member, score in members if score is not None]
    costs = zip(known, combined.points, strict=True)
    ordered = sorted(costs, key=lambda cost: -cost[1])[:MEMBERS_NAMED]
    return [{"member": member, "points": points} for member, points in ordered if points > 0]
