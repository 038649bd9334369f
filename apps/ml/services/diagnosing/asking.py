"""Somebody asks what is wrong: the facts are gathered, judged and kept."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.accounts.models import User
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.metrics.selectors import list_fact_changes, read_range
from apps.ml.diagnosis.case import Case, Observation
from apps.ml.diagnosis.judgement import Priority, Verdict
from apps.ml.diagnosis.ranking import Diagnosis as Judged
from apps.ml.diagnosis.ranking import diagnose
from apps.ml.diagnosis.reading import read_hops
from apps.ml.models import Diagnosis, Finding
from apps.ml.services.diagnosing import hosts, movements, results
from apps.ml.services.findings import raise_findings
from apps.tests.models import Assignment, Result, Run

ROUTE_FACT = "path.hash"
ROUTE_SPAN = timedelta(days=1)
ROUTES_AT_MOST = 20
HOURLY_SPAN = timedelta(days=7)
HOURLY_KEY = "net.rtt.median"
HOUR_SECONDS = 3600
SEVERITIES = {
    Priority.NOW: Finding.Severity.CRITICAL,
    Priority.TODAY: Finding.Severity.WARNING,
    Priority.PLANNED: Finding.Severity.INFO,
    Priority.NONE: Finding.Severity.INFO,
}


def diagnose_run(run: Run, *, asked_by: User | None) -> Diagnosis:
    """What was wrong with a run when it took place."""
    assignment = results.list_any(run.assignment_id)
    return answer(assignment.client, assignment, run, at=run.end_at, asked_by=asked_by)


def diagnose_test(assignment: Assignment, *, asked_by: User | None) -> Diagnosis:
    """What is wrong with a test from a client now."""
    return answer(assignment.client, assignment, None, at=read_now(), asked_by=asked_by)


def diagnose_client(client: Client, *, asked_by: User | None) -> Diagnosis:
    """What is wrong with a client now, whatever it measures."""
    return answer(client, None, None, at=read_now(), asked_by=asked_by)


def answer(
    client: Client,
    assignment: Assignment | None,
    run: Run | None,
    *,
    at: datetime,
    asked_by: User | None,
) -> Diagnosis:
    begun = time.perf_counter()
    case = build_case(client, assignment, run, at)
    judged = diagnose(case)
    moved = movements.find_moved(assignment, at) if assignment is not None else []
    row = Diagnosis(
        client=client,
        test=assignment.test if assignment is not None else None,
        run=run,
        asked_by=asked_by,
        asked_at=read_now(),
        about_at=at,
        moved=[asdict(one) for one in moved],
        siblings=count_siblings(case),
        **describe(judged),
    )
    row.duration_seconds = time.perf_counter() - begun
    return keep(row, judged.first, assignment)


def build_case(
    client: Client, assignment: Assignment | None, run: Run | None, at: datetime
) -> Case:
    """All that is known around the moment, in a bounded number of queries."""
    active = list(results.list_active(client.id)[: results.ASSIGNMENTS_AT_MOST])
    related = results.choose_related(active, assignment)
    asked = [assignment, *related] if assignment is not None else related
    newest = results.list_newest(asked, at)
    if run is not None and assignment is not None:
        newest |= {one.run.assignment_id: one for one in find_result(run)}
    seen = observe_all(asked, newest, at, must_see=assignment)
    observed = next((one for one in seen if is_of(one, assignment)), None)
    others = tuple(one for one in seen if one is not observed)
    hops = read_hops(seen)
    gateway = next((hop.address for hop in hops if hop.number == 1), "")
    host = hosts.view_host(client.id, at)
    return Case(
        at=at.timestamp(),
        observed=observed,
        related=others,
        gateway=observe_gateway(active, gateway, at),
        hops=hops,
        route_changes=list_route_changes(asked, at),
        host=host.host,
        host_usual=host.host_usual,
        busiest_process=host.busiest_process,
        file_systems=host.file_systems,
        disks=host.disks,
        links=host.links,
        wifi=host.wifi,
        clock_offset_seconds=client.clock_offset_seconds,
        heartbeat_age_seconds=find_silence(client, at),
        heartbeat_interval_seconds=settings.SWARM_HEARTBEAT_SECONDS,
        same_target=results.list_same_target(assignment) if assignment is not None else (),
        same_client=results.list_same_client(active, assignment, gateway=gateway),
        same_site=hosts.list_same_site(client),
        hourly_round_trips=read_hourly(assignment, at),
    )


def find_result(run: Run) -> list[Result]:
    return list(Result.objects.filter(run=run).select_related("run"))


def is_of(one: Observation, assignment: Assignment | None) -> bool:
    return assignment is not None and one.assignment_id == str(assignment.id)


def observe_all(
    assignments: Sequence[Assignment],
    newest: Mapping[UUID, Result],
    at: datetime,
    *,
    must_see: Assignment | None = None,
) -> list[Observation]:
    """The newest results of the assignments that are of the moment, with what is usual."""
    shown = [
        one
        for one in assignments
        if one.id in newest and (one == must_see or results.is_fresh(one, newest[one.id], at))
    ]
    usual = results.read_usual(shown, at)
    return [results.observe(one, newest[one.id], usual[one.id]) for one in shown]


def observe_gateway(
    active: Sequence[Assignment], gateway: str, at: datetime
) -> tuple[Observation, ...]:
    """What pings of the first router of the trace found."""
    pings = [one for one in active if one.test.kind == "ping"]
    pinged = [one for one in pings if gateway and results.name_target(one) == gateway]
    return tuple(observe_all(pinged, results.list_newest(pinged, at), at))


def list_route_changes(assignments: Sequence[Assignment], at: datetime) -> tuple[float, ...]:
    """When the routes of the traces among them changed in the last day, oldest first."""
    times: list[datetime] = []
    for one in assignments:
        if one.test.kind == "trace" and one.source_id is not None:
            times += list_fact_changes(
                one.source_id, ROUTE_FACT, start=at - ROUTE_SPAN, end=at, limit=ROUTES_AT_MOST
            )[1]
    return tuple(sorted(moment.timestamp() for moment in times))


def find_silence(client: Client, at: datetime) -> float | None:
    """Seconds since the last heartbeat; at a moment in the past nobody knows."""
    last = client.last_heartbeat_at
    if last is None or read_now() - at > timedelta(minutes=5):
        return None
    return max(0.0, (at - last).total_seconds())


def read_hourly(assignment: Assignment | None, at: datetime) -> dict[int, float]:
    """The mean round trip by hour of the day (UTC) of the last week."""
    if assignment is None or assignment.source_id is None:
        return {}
    start = at - HOURLY_SPAN
    series = read_range(
        source_id=assignment.source_id, key=HOURLY_KEY, start=start, end=at, points=168
    )
    hours: dict[int, list[float]] = {}
    for moment, mean in zip(series.at, series.mean, strict=True):
        hours.setdefault(int(moment // HOUR_SECONDS) % 24, []).append(mean)
    return {hour: sum(means) / len(means) for hour, means in hours.items()}


def count_siblings(case: Case) -> dict[str, list[int]]:
    """Failing, and all, of each sort of sibling."""
    return {
        name: [sum(one.is_failing for one in group), len(group)]
        for name, group in (
            ("same_target", case.same_target),
            ("same_client", case.same_client),
            ("same_site", case.same_site),
        )
    }


def describe(judged: Judged) -> dict[str, Any]:
    first = judged.first
    return {
        "symptoms": sorted(judged.symptoms),
        "cause": first.cause if first is not None else "",
        "confidence": first.confidence if first is not None else None,
        "verdicts": [describe_verdict(one) for one in judged.verdicts],
        "cleared": [asdict(one) for one in judged.cleared],
        "not_judged": [asdict(one) for one in judged.not_judged],
    }


def describe_verdict(verdict: Verdict) -> dict[str, object]:
    return {
        **asdict(verdict),
        "layer": verdict.layer.name.lower(),
        "priority": int(verdict.priority),
        "explains": sorted(verdict.explains),
    }


@transaction.atomic
def keep(row: Diagnosis, first: Verdict | None, assignment: Assignment | None) -> Diagnosis:
    """Store the answer, and its first cause as a finding that can be confirmed or refused.

    Asked again at the same instant, it has none of its own.
    """
    if first is not None:
        finding = Finding(
            kind=Finding.Kind.DIAGNOSIS,
            severity=SEVERITIES[first.priority],
            client=row.client,
            test=row.test,
            run=row.run,
            source=assignment.source if assignment is not None else None,
            cause=first.cause,
            started_at=row.asked_at,
            ended_at=row.asked_at,
            confidence=first.confidence,
            evidence={"verdict": describe_verdict(first)},
            created_at=row.asked_at,
        )
        row.finding = next(iter(raise_findings([finding])), None)
    row.save()
    return row
