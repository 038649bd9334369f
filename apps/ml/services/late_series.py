"""Judging the five minutes that came after later ones were judged: what agents kept back.

Their series are judged again from a state of before them on: from the stored one if it is old
enough, else from nothing, over the 14 days before. Only what came late becomes findings, so none is
doubled, and the state that is stored then knows all values in their order.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Count, F

from apps.configuration.selectors import read_text
from apps.metrics.models import DirtyBucket, Rollup
from apps.metrics.selectors import FIVE_MINUTES, Means, read_five_minute_means
from apps.ml.algorithms.series.sensitivity import THRESHOLDS
from apps.ml.algorithms.series.slots import SLOT_SECONDS, JudgedSlots, number_slot, read_slots
from apps.ml.models import SeriesWatch
from apps.ml.selectors.series import find_disturbed, find_watched_keys
from apps.ml.services.findings import raise_findings
from apps.ml.services.series import (
    LEARNT_BACK,
    Judgement,
    find_mark,
    judge_source,
    leave_out_disturbed,
    note_judged,
    read_states,
    resume,
    store_states,
)

BUDGET_SECONDS = 20.0
# Agents send what they kept back for seven days, of which the watch knows what was judged.
LOOKED_BACK = timedelta(days=7) - timedelta(hours=1)
WATCHES_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Late:
    """A source with the begins of its five minutes that came late."""

    watch: SeriesWatch
    moments: frozenset[datetime]


def judge_late_series(*, now: datetime, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many sources of which something came late were judged again, in about that time.

    Those that waited longest come first; a source of which more is about to come waits for it.
    """
    end = time.monotonic() + budget_seconds
    threshold = THRESHOLDS[read_text("anomaly_sensitivity")]
    judged = 0
    for watch in list_gappy(now):
        if time.monotonic() > end:
            break
        late = find_late(watch)
        if late is not None:
            judged += judge_late_source(late, threshold)
    return judged


def list_gappy(now: datetime) -> list[SeriesWatch]:
    """The sources that have more kept five minutes of the last days than were judged.

    Only those with a gap are counted, because nothing else can come late.
    """
    since = now - LOOKED_BACK
    watches = SeriesWatch.objects.filter(is_watched=True, judged_until__gt=since)
    rows = watches.exclude(judged_slots=b"").order_by("judged_until", "source_id")
    gappy = [row for row in rows if not read_slots(bytes(row.judged_slots)).is_complete]
    found = []
    for first in range(0, len(gappy), WATCHES_AT_A_TIME):
        part = gappy[first : first + WATCHES_AT_A_TIME]
        counts = count_kept([row.source_id for row in part], since)
        found += [row for row in part if counts.get(row.source_id, 0) > count_judged(row, since)]
    return found


def count_judged(watch: SeriesWatch, since: datetime) -> int:
    return read_slots(bytes(watch.judged_slots)).count_since(number_slot(since.timestamp()))


def count_kept(source_ids: Sequence[int], since: datetime) -> dict[int, int]:
    """How many five minutes of each source since then are kept and should have been judged."""
    rows = Rollup.objects.filter(
        source_id__in=source_ids,
        step=SLOT_SECONDS,
        at__gte=since,
        at__lt=F("source__series_watch__judged_until"),
    )
    counted = rows.order_by().values_list("source_id").annotate(count=Count("at", distinct=True))
    return dict(counted)


def find_late(watch: SeriesWatch) -> Late | None:
    """What of a source came late; None when nothing did, or some of it waits to be computed."""
    slots = read_slots(bytes(watch.judged_slots))
    since = datetime.fromtimestamp(slots.first * SLOT_SECONDS, UTC)
    span = {
        "source_id": watch.source_id,
        "step": SLOT_SECONDS,
        "at__gte": since,
        "at__lt": watch.judged_until,
    }
    if DirtyBucket.objects.filter(**span).exists():
        return None
    kept = Rollup.objects.filter(**span).values_list("at", flat=True).distinct()
    moments = frozenset(at for at in kept if is_late(at, slots))
    return Late(watch, moments) if moments else None


def is_late(at: datetime, slots: JudgedSlots) -> bool:
    return not slots.knows(number_slot(at.timestamp()))


def judge_late_source(late: Late, threshold: float) -> bool:
    """Whether it was judged; not when it is not all there any more, or another one was faster."""
    watch, first = late.watch, min(late.moments)
    source_id = watch.source_id
    keys = find_watched_keys([source_id])
    start, detectors = watch.stored_until, resume(keys[source_id], {})
    if first >= start:
        detectors = resume(keys[source_id], read_states([source_id]).get(source_id, {}))
    else:
        start = first - LEARNT_BACK
    means = read_until(watch, start, keys[source_id])
    if not means or max(means) + FIVE_MINUTES < watch.judged_until:
        return False
    spans = find_disturbed([source_id], start).get(source_id, ())
    undisturbed = leave_out_disturbed(means, spans)
    judgement = judge_source(watch, undisturbed, detectors, threshold, late=late.moments)
    return store_late(judgement, late)


def read_until(watch: SeriesWatch, start: datetime, keys: Sequence[str]) -> Means:
    """The means from `start` to where the source is judged, which the next look goes on from."""
    source_id = watch.source_id
    means = read_five_minute_means({source_id: start}, {source_id: keys})[source_id]
    return {at: values for at, values in means.items() if at < watch.judged_until}


@transaction.atomic
def store_late(judgement: Judgement, late: Late) -> bool:
    """Whether it was stored: unless somebody has judged the source meanwhile."""
    watch = late.watch
    row = SeriesWatch.objects.select_for_update().filter(source_id=watch.source_id).first()
    if row is None or find_mark(row) != find_mark(watch):
        return False
    if bytes(row.judged_slots) != bytes(watch.judged_slots):
        return False
    note_judged(row, late.moments)
    row.stored_until = row.judged_until
    row.save(update_fields=["judged_slots", "stored_until"])
    store_states(row.source_id, judgement.detectors)
    raise_findings(judgement.findings)
    return True
