"""Buckets to be recomputed: from when on, by whom at the moment, and whether they changed since.

A claim is of a revision. Whatever changes what a bucket is made of raises the revision in the same
transaction; so who finds it as it was claimed has missed nothing, and may remove the mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import DateTimeField, F, Q, Value
from django.db.models.functions import Least

from apps.metrics.algorithms.tiers import (
    DAY_SECONDS,
    FIVE_MINUTES_SECONDS,
    HOUR_SECONDS,
    WEEK_SECONDS,
    find_end,
)
from apps.metrics.models import DirtyBucket

CLAIM_LIFE = timedelta(seconds=60)
# So long after its end, or after the first late frame, a bucket is recomputed: what comes meanwhile
# costs nothing more.
SETTLE = {
    FIVE_MINUTES_SECONDS: timedelta(seconds=30),
    HOUR_SECONDS: timedelta(minutes=2),
    DAY_SECONDS: timedelta(minutes=10),
    WEEK_SECONDS: timedelta(minutes=10),
}
# At midnight the days of all sources end, and on Thursdays their weeks: that work is spread.
SPREAD = {DAY_SECONDS: timedelta(hours=1), WEEK_SECONDS: timedelta(hours=12)}
SPREAD_PARTS = 60
# A bucket that has ended is due at most two days (a frame may be a day ahead, its UTC day lasts as
# long) and a bit later; one that waits for longer was noted or claimed while the clock was wrong.
LONGEST_WAIT = timedelta(days=3)
# So many buckets are recomputed at a time; what they read must fit into memory.
CLAIMS = {FIVE_MINUTES_SECONDS: 50, HOUR_SECONDS: 5, DAY_SECONDS: 1, WEEK_SECONDS: 1}

BucketKey = tuple[int, datetime]


@dataclass(frozen=True, slots=True)
class Claim:
    """A dirty bucket as it was when this worker took it."""

    id: int
    source_id: int
    at: datetime
    revision: int

    @property
    def bucket(self) -> BucketKey:
        return (self.source_id, self.at.astimezone(UTC))


def find_due(source_id: int, step: int, at: datetime, now: datetime) -> datetime:
    part = (source_id % SPREAD_PARTS) / SPREAD_PARTS
    if step == WEEK_SECONDS:
        # Its hours can be read meanwhile, so only those that end wait for their turn.
        return max(find_end(at, step) + SPREAD[step] * part, now) + SETTLE[step]
    return max(find_end(at, step), now) + SETTLE[step] + SPREAD.get(step, timedelta()) * part


@transaction.atomic
def claim_buckets(step: int, now: datetime, due_until: datetime) -> list[Claim]:
    """Buckets that have ended: a reader takes a rollup as the end of what it must add up itself.

    One that was not due yet is due from now on: by a claim that ends after `due_at`, `mark_dirty`
    knows that somebody is at the bucket.
    """
    far = now + LONGEST_WAIT
    due = DirtyBucket.objects.filter(
        Q(due_at__lte=due_until) | Q(due_at__gt=far),
        Q(claimed_until__lte=due_until) | Q(claimed_until__gt=far),
        step=step,
        at__lte=now - timedelta(seconds=step),
    )
    rows = due.order_by("due_at", "at", "source_id").select_for_update(skip_locked=True)
    columns = ("id", "source_id", "at", "revision")
    claims = [Claim(*row) for row in rows.values_list(*columns)[: CLAIMS[step]]]
    DirtyBucket.objects.filter(id__in=[claim.id for claim in claims]).update(
        claimed_until=now + CLAIM_LIFE,
        due_at=Least(F("due_at"), Value(now, DateTimeField())),
    )
    return claims


def lock_unchanged(claims: Sequence[Claim]) -> set[int]:
    """The ids of the marks that are as they were claimed; they stay so until the commit."""
    revisions = {claim.id: claim.revision for claim in claims}
    # In the order of `mark_dirty`, so that nobody waits in a circle.
    rows = DirtyBucket.objects.filter(id__in=revisions).order_by("source_id", "step", "at")
    held = rows.select_for_update().values_list("id", "revision")
    return {id for id, revision in held if revisions[id] == revision}


def settle_claims(claims: Sequence[Claim], done: Sequence[Claim], now: datetime) -> None:
    """Remove the marks that are done, and let others have the rest again."""
    done_ids = {claim.id for claim in done}
    DirtyBucket.objects.filter(id__in=done_ids).delete()
    changed = [claim.id for claim in claims if claim.id not in done_ids]
    DirtyBucket.objects.filter(id__in=changed).update(claimed_until=now)
