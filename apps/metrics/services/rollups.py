"""Keeping the rollups: which buckets have frames that theirs does not know, and recomputing them.

An upload commits an `Arrival` with its frames. `sort_arrivals` turns arrivals into dirty buckets.
A bucket that has ended is claimed, recomputed from all its frames, and its mark removed only if it
is still of the revision that was claimed: then no frame can have been missed. Any number of workers
may do all of this at once; what a killed one leaves is claimed again after a minute.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import transaction

from apps.core.clock import EPOCH
from apps.metrics.algorithms.rollups import FrameTable, roll_up_tables
from apps.metrics.algorithms.series import Numbers
from apps.metrics.algorithms.tiers import (
    DAY_SECONDS,
    FIVE_MINUTES_SECONDS,
    HOUR_SECONDS,
    STEPS_SECONDS,
    WEEK_SECONDS,
    find_end,
    floor_moment,
)
from apps.metrics.models import Arrival, Frame, Layout, Rollup, Source
from apps.metrics.services.dirty import (
    SETTLE,
    SPREAD,
    BucketKey,
    Claim,
    claim_buckets,
    find_due,
    lock_unchanged,
    settle_claims,
)
from apps.metrics.services.strips import compute_strips, outdate_weeks, store_strips
from apps.metrics.writers import (
    DirtyMark,
    RollupRow,
    insert_rollups,
    mark_dirty,
    note_kept_frames,
)

BUDGET_SECONDS = 2.0
ARRIVALS_PER_TRANSACTION = 500
# An upload may touch thousands of buckets, and each becomes three marks in memory.
SLOTS_PER_TRANSACTION = 5000
ROWS_PER_FETCH = 2000
# What is kept up to date: rollups, and the weeks their hours are laid out by.
KEPT_SECONDS = (*STEPS_SECONDS, WEEK_SECONDS)

# The columns of each layout by the bucket of a source.
Rolled = dict[int, tuple[list[float | None], ...]]


def roll_up(*, now: datetime, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many due buckets were recomputed in about `budget_seconds`; the rest waits for the next.

    Each transaction is short, also on SQLite, because frames are read outside of them. At most half
    of the time goes to arrivals, so that a crowd of them does not keep all buckets waiting.
    """
    began = time.monotonic()
    end = began + budget_seconds
    sort_known_arrivals(now, end=began + budget_seconds / 2)
    recomputed = 0
    waiting = list(KEPT_SECONDS)
    while waiting and time.monotonic() < end:
        # In turn, so that a crowd of one step does not keep the others waiting.
        step = waiting.pop(0)
        if count := recompute_some(step, now):
            recomputed += count
            waiting.append(step)
    return recomputed


def rebuild_rollups(*, now: datetime, since: datetime = EPOCH) -> int:
    """How many buckets were recomputed: all since then that have frames, however long it takes.

    Buckets whose frames are no longer kept stay as they are.
    """
    with transaction.atomic():
        note_kept_frames(since)
    # What has ended is recomputed now, though it were due only in a while.
    far = now + SETTLE[DAY_SECONDS] + SPREAD[DAY_SECONDS]
    recomputed = 0
    sort_known_arrivals(now)
    for step in KEPT_SECONDS:
        while count := recompute_some(step, now, due_until=far):
            recomputed += count
    return recomputed


def sort_known_arrivals(now: datetime, *, end: float = math.inf) -> int:
    """The number of the newest arrival; those up to it are dirty buckets now.

    What uploads bring meanwhile is left for the next call: they never pause, and this must end.
    Left as well is what another worker is at, and the rest when `end` (monotonic) is reached.
    """
    newest = Arrival.objects.order_by("-id").values_list("id", flat=True).first() or 0
    while time.monotonic() < end and sort_arrivals(now, until=newest):
        pass
    return newest


@transaction.atomic
def sort_arrivals(now: datetime, *, until: int) -> int:
    """How many arrivals, up to that number, became dirty buckets: a slice, the oldest first."""
    known = Arrival.objects.filter(id__lte=until).order_by("id")
    slots: set[tuple[int, int]] = set()
    taken: list[int] = []
    for arrival in known.select_for_update(skip_locked=True)[:ARRIVALS_PER_TRANSACTION]:
        taken.append(arrival.id)
        slots.update(
            (int(source_id), slot)
            for source_id, numbers in arrival.slots.items()
            for slot in numbers
        )
        if len(slots) > SLOTS_PER_TRANSACTION:
            break
    mark_dirty(list_marks(slots, now))
    Arrival.objects.filter(id__in=taken).delete()
    return len(taken)


def list_marks(slots: Iterable[tuple[int, int]], now: datetime) -> set[DirtyMark]:
    """The buckets of every step that hold those five minutes."""
    marks = set()
    for source_id, slot in slots:
        moment = EPOCH + timedelta(seconds=slot * FIVE_MINUTES_SECONDS)
        for step in STEPS_SECONDS:
            at = floor_moment(moment, step)
            marks.add(DirtyMark(source_id, step, at, find_due(source_id, step, at, now)))
    return marks


def recompute_some(step: int, now: datetime, *, due_until: datetime | None = None) -> int:
    """How many buckets of the step that were due have been worked through: a slice."""
    claims = claim_buckets(step, now, due_until or now)
    if claims and step == WEEK_SECONDS:
        store_strips(claims, compute_strips(claims), now)
    elif claims:
        store_rollups(step, claims, compute_rollups(step, claims), now)
    return len(claims)


def compute_rollups(step: int, claims: Sequence[Claim]) -> dict[BucketKey, Rolled]:
    """What the frames of each bucket add up to."""
    found: dict[BucketKey, Rolled] = {}
    for run in list_runs(step, claims):
        for bucket, tables in read_tables(step, run).items():
            found[bucket] = roll_up_tables(tables)
    return found


def list_runs(step: int, claims: Sequence[Claim]) -> list[list[Claim]]:
    """The claims whose buckets follow one another without a gap, together: one reading each."""
    runs: list[list[Claim]] = []
    for claim in sorted(claims, key=lambda claim: claim.at):
        if runs and claim.at <= find_end(runs[-1][-1].at, step):
            runs[-1].append(claim)
        else:
            runs.append([claim])
    return runs


def read_tables(step: int, claims: Sequence[Claim]) -> dict[BucketKey, list[FrameTable]]:
    """The values of the frames of each bucket, by layout; the buckets follow one another."""
    wanted = {claim.bucket for claim in claims}
    rows = Frame.objects.filter(
        source_id__in={source_id for source_id, _at in wanted},
        at__gte=claims[0].at,
        at__lt=find_end(claims[-1].at, step),
    ).order_by()
    pending: dict[tuple[BucketKey, int], list[list[float | None]]] = defaultdict(list)
    parts: dict[tuple[BucketKey, int], list[Numbers]] = defaultdict(list)
    columns = rows.values_list("source_id", "at", "layout_id", "values")
    for source_id, at, layout_id, values in columns.iterator(chunk_size=ROWS_PER_FETCH):
        bucket = (source_id, floor_moment(at, step))
        if bucket not in wanted:
            continue
        name = (bucket, layout_id)
        pending[name].append(values)
        if len(pending[name]) >= ROWS_PER_FETCH:
            # Doubles instead of objects, before there are many of them.
            parts[name].append(np.array(pending.pop(name), dtype=np.float64))
    for name, lists in pending.items():
        parts[name].append(np.array(lists, dtype=np.float64))
    found: dict[BucketKey, list[FrameTable]] = defaultdict(list)
    layouts = Layout.objects.in_bulk({layout_id for _bucket, layout_id in parts})
    for (bucket, layout_id), arrays in parts.items():
        table = FrameTable(layout_id, layouts[layout_id].keys, np.concatenate(arrays))
        found[bucket].append(table)
    return found


@transaction.atomic
def store_rollups(
    step: int, claims: Sequence[Claim], found: Mapping[BucketKey, Rolled], now: datetime
) -> None:
    """Replace the rollups of the claims that nothing touched meanwhile, and remove their marks."""
    unchanged = lock_unchanged(claims)
    done = [claim for claim in claims if claim.id in unchanged]
    if step == HOUR_SECONDS:
        # Before the sources are locked: who lays out a week locks its mark first as well.
        outdate_weeks([claim.bucket for claim in done], now)
    sources = Source.objects.select_for_update(no_key=True).order_by("id")
    wanted = {claim.source_id for claim in done}
    present = set(sources.filter(id__in=wanted).values_list("id", flat=True))
    kept = count_kept(step, done)
    rows = []
    for claim in done:
        rolled = found.get(claim.bucket, {})
        # Frames only ever become fewer when they are forgotten: then the rollup knows more.
        if claim.source_id not in present or count_values(rolled) < kept.get(claim.bucket, 0):
            continue
        if claim.bucket in kept:
            Rollup.objects.filter(source_id=claim.source_id, step=step, at=claim.at).delete()
        rows += [
            RollupRow(claim.source_id, step, claim.at, layout_id, columns)
            for layout_id, columns in rolled.items()
        ]
    insert_rollups(rows)
    settle_claims(claims, done, now)


def count_kept(step: int, claims: Sequence[Claim]) -> dict[BucketKey, float]:
    """How many values the present rollup of each bucket was made of; only of those there are."""
    rows = Rollup.objects.filter(
        step=step,
        source_id__in={claim.source_id for claim in claims},
        at__in={claim.at for claim in claims},
    )
    kept: dict[BucketKey, float] = defaultdict(float)
    for source_id, at, count in rows.values_list("source_id", "at", "count"):
        kept[(source_id, at.astimezone(UTC))] += sum(number or 0 for number in count)
    return kept


def count_values(rolled: Rolled) -> float:
    return sum(number or 0 for columns in rolled.values() for number in columns[0])
