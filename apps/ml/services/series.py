"""Judging the series of all sources as their five minutes close.

A source's states are stored now and then. Between, its values are judged again from the stored
state on: that says the same as before, bit for bit, and costs less than writing 32 kB a series
every five minutes. Only what lies after `judged_until` becomes findings.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from apps.configuration.selectors import read_text
from apps.core.clock import EPOCH, read_now
from apps.metrics.models import Source
from apps.metrics.selectors import ASSIGNMENT_KIND, FIVE_MINUTES, Means, read_five_minute_means
from apps.ml.algorithms.series import SeriesDetector, read_state, write_state
from apps.ml.algorithms.series.sensitivity import THRESHOLDS
from apps.ml.algorithms.series.slots import await_slots, number_slot, read_slots, write_slots
from apps.ml.models import Finding, SeriesState, SeriesWatch
from apps.ml.selectors.series import (
    MOST_SOURCES_OF_A_KIND,
    Span,
    find_disturbed,
    find_watched_keys,
    is_disturbed,
    is_watchable,
    list_due_sources,
)
from apps.ml.services.findings import raise_findings

logger = structlog.get_logger(__name__)

BUDGET_SECONDS = 5.0
SOURCES_AT_A_TIME = 20
NEW_SOURCES_AT_A_TIME = 500
# A state is stored when so many five minutes came after it: replaying them takes a millisecond.
STORED_EVERY = timedelta(hours=1)
# A source that is new here is first learnt from what is kept of it, without findings.
LEARNT_BACK = timedelta(days=14)
WARNING_SCORE = 1.25


@dataclass(slots=True)
class Judgement:
    """What came out for one source."""

    watch: SeriesWatch
    judged_until: datetime
    detectors: dict[str, SeriesDetector]
    findings: list[Finding] = field(default_factory=list)


def judge_series(*, now: datetime, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many sources were judged anew, in about `budget_seconds`; the rest waits for the next."""
    end = time.monotonic() + budget_seconds
    watch_new_sources(now)
    threshold = THRESHOLDS[read_text("anomaly_sensitivity")]
    judged = 0
    due = list_due_sources(now)
    for first in range(0, len(due), SOURCES_AT_A_TIME):
        judged += judge_sources(due[first : first + SOURCES_AT_A_TIME], threshold)
        if time.monotonic() > end:
            break
    return judged


@transaction.atomic
def watch_new_sources(now: datetime) -> int:
    """How many sources are known from now on; what is kept of them already is learnt from."""
    new = Source.objects.filter(series_watch=None, latest__isnull=False).order_by("id")[
        :NEW_SOURCES_AT_A_TIME
    ]
    judged_until = floor_five_minutes(now)
    watches = []
    taken: dict[tuple[object, str], int] = {}
    for source in new:
        place = (source.client_id, source.kind)
        if place not in taken:
            taken[place] = count_watched(source)
        is_one_too_many = source.kind != ASSIGNMENT_KIND and taken[place] >= MOST_SOURCES_OF_A_KIND
        is_watched = is_watchable(source) and not is_one_too_many
        taken[place] += is_watched
        watches.append(
            SeriesWatch(
                source=source,
                is_watched=is_watched,
                judged_until=judged_until,
                stored_until=judged_until - LEARNT_BACK,
                judged_slots=write_slots(await_slots(number_slot(judged_until.timestamp()))),
            )
        )
    SeriesWatch.objects.bulk_create(watches, ignore_conflicts=True)
    return len(watches)


def count_watched(source: Source) -> int:
    own = Source.objects.filter(client_id=source.client_id, kind=source.kind)
    return own.filter(series_watch__is_watched=True).count()


def floor_five_minutes(moment: datetime) -> datetime:
    return moment - (moment - EPOCH) % FIVE_MINUTES


def judge_sources(source_ids: Sequence[int], threshold: float) -> int:
    """How many of the sources had something new; their findings and states are stored together."""
    watches = SeriesWatch.objects.filter(source_id__in=source_ids).select_related(
        "source__assignment"
    )
    by_source = {watch.source_id: watch for watch in watches}
    keys = find_watched_keys(source_ids)
    starts = {source_id: watch.stored_until for source_id, watch in by_source.items()}
    means = read_five_minute_means(starts, keys)
    due = {
        source_id: own
        for source_id, own in means.items()
        if own and max(own) >= by_source[source_id].judged_until
    }
    if not due:
        return 0
    states = read_states(list(due))
    disturbed = find_disturbed(list(due), min(starts[source_id] for source_id in due))
    judgements = [
        judge_source(
            by_source[source_id],
            leave_out_disturbed(own, disturbed.get(source_id, ())),
            resume(keys[source_id], states.get(source_id, {})),
            threshold,
        )
        for source_id, own in due.items()
    ]
    for judgement in judgements:
        moments = due[judgement.watch.source_id]
        judgement.judged_until = max(moments) + FIVE_MINUTES
        note_judged(judgement.watch, moments)
    return store_judgements(judgements)


def note_judged(watch: SeriesWatch, moments: Iterable[datetime]) -> None:
    slots = (number_slot(at.timestamp()) for at in moments)
    watch.judged_slots = write_slots(read_slots(bytes(watch.judged_slots)).note(slots))


def read_states(source_ids: Sequence[int]) -> dict[int, dict[str, SeriesDetector]]:
    found: dict[int, dict[str, SeriesDetector]] = {}
    for row in SeriesState.objects.filter(source_id__in=source_ids):
        try:
            detector = read_state(bytes(row.state))
        except ValueError as error:
            # Another version's, or damaged: the series is learnt anew, which is better than never.
            logger.warning("series_state_unusable", state_id=row.id, reason=str(error))
            continue
        found.setdefault(row.source_id, {})[row.metric] = detector
    return found


def resume(keys: Iterable[str], known: Mapping[str, SeriesDetector]) -> dict[str, SeriesDetector]:
    return {key: known.get(key) or SeriesDetector() for key in keys}


def leave_out_disturbed(means: Means, spans: Sequence[Span]) -> Means:
    if not spans:
        return means
    return {at: values for at, values in means.items() if not is_disturbed(at, spans)}


def judge_source(
    watch: SeriesWatch,
    means: Means,
    detectors: dict[str, SeriesDetector],
    threshold: float,
    *,
    late: Collection[datetime] = (),
) -> Judgement:
    """Findings are made of what is new: since the last judgement, and of what came `late`."""
    judgement = Judgement(watch, watch.judged_until, detectors)
    for key, detector in detectors.items():
        points = [(at, values[key]) for at, values in means.items() if key in values]
        verdicts = detector.observe_all((at.timestamp(), value) for at, value in points)
        for (at, value), verdict in zip(points, verdicts, strict=True):
            is_new = at >= watch.judged_until or at in late
            if is_new and verdict.score >= threshold:
                evidence = {"value": value, "threshold": threshold, **verdict.figures}
                judgement.findings.append(
                    make_finding(watch.source, key, at, (verdict.channel, verdict.score), evidence)
                )
    return judgement


def make_finding(
    source: Source, metric: str, at: datetime, said: tuple[str, float], evidence: dict[str, float]
) -> Finding:
    channel, score = said
    assignment = getattr(source, "assignment", None)
    return Finding(
        kind=Finding.Kind.SERIES_ANOMALY,
        severity=(Finding.Severity.WARNING if score >= WARNING_SCORE else Finding.Severity.INFO),
        client_id=source.client_id,
        test_id=assignment.test_id if assignment else None,
        source=source,
        metric=metric,
        cause=channel,
        started_at=at,
        ended_at=at + FIVE_MINUTES,
        score=score,
        evidence=evidence,
        created_at=read_now(),
    )


@transaction.atomic
def store_judgements(judgements: Sequence[Judgement]) -> int:
    """How many were stored: those whose source nobody else has judged meanwhile."""
    ids = [judgement.watch.source_id for judgement in judgements]
    rows = SeriesWatch.objects.filter(source_id__in=ids).order_by("source_id")
    now_judged = {row.source_id: find_mark(row) for row in rows.select_for_update()}
    mine = [
        one for one in judgements if now_judged.get(one.watch.source_id) == find_mark(one.watch)
    ]
    for judgement in mine:
        watch = judgement.watch
        watch.judged_until = judgement.judged_until
        if watch.judged_until - watch.stored_until >= STORED_EVERY:
            watch.stored_until = watch.judged_until
            store_states(watch.source_id, judgement.detectors)
    SeriesWatch.objects.bulk_update(
        [judgement.watch for judgement in mine], ["judged_until", "stored_until", "judged_slots"]
    )
    raise_findings([finding for judgement in mine for finding in judgement.findings])
    return len(mine)


def find_mark(watch: SeriesWatch) -> tuple[datetime, datetime]:
    """What changes with every judgement, and with what came late."""
    return watch.judged_until, watch.stored_until


def store_states(source_id: int, detectors: Mapping[str, SeriesDetector]) -> None:
    SeriesState.objects.bulk_create(
        [
            SeriesState(
                source_id=source_id,
                metric=metric,
                values_count=detector.count,
                state=write_state(detector),
            )
            for metric, detector in detectors.items()
            if detector.count
        ],
        update_conflicts=True,
        update_fields=["values_count", "state"],
        unique_fields=["source", "metric"],
    )
