"""Laying out the hours of a week by their keys, for charts of months and years.

A week is laid out when it has ended, and anew when an hour of it was recomputed. Between the two
its rollups are read: what changes an hour drops the week's strips and marks it, all in the
transaction of the change.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction

from apps.metrics.algorithms.strips import pack_strip
from apps.metrics.algorithms.tiers import HOUR_SECONDS, WEEK_SECONDS, find_end, floor_moment
from apps.metrics.models import Layout, Rollup, Source
from apps.metrics.services.dirty import (
    BucketKey,
    Claim,
    find_due,
    lock_unchanged,
    settle_claims,
)
from apps.metrics.writers import DirtyMark, drop_strips, insert_strips, mark_dirty

Hours = list[tuple[int, Sequence[float]]]


def outdate_weeks(hours: Sequence[BucketKey], now: datetime) -> None:
    """Have the weeks of those hours of sources laid out anew; until then their rollups are read."""
    weeks = sorted({(source_id, floor_moment(at, WEEK_SECONDS)) for source_id, at in hours})
    # First the marks: whoever is laying out one of the weeks is waited for, or finds its mark new.
    mark_dirty(
        DirtyMark(source_id, WEEK_SECONDS, at, find_due(source_id, WEEK_SECONDS, at, now))
        for source_id, at in weeks
    )
    drop_strips(weeks)


def compute_strips(claims: Sequence[Claim]) -> dict[BucketKey, dict[str, bytes]]:
    """The strip of each key that has hours in the claimed weeks."""
    return {claim.bucket: compute_week(*claim.bucket) for claim in claims}


def compute_week(source_id: int, at: datetime) -> dict[str, bytes]:
    rows = Rollup.objects.filter(
        source_id=source_id, step=HOUR_SECONDS, at__gte=at, at__lt=find_end(at, WEEK_SECONDS)
    )
    columns = ("at", "layout_id", "count", "minimum", "mean", "maximum", "p50", "p95")
    found = list(rows.order_by().values_list(*columns))
    layouts = Layout.objects.in_bulk({layout_id for _at, layout_id, *_numbers in found})
    hours: dict[str, Hours] = defaultdict(list)
    for moment, layout_id, *numbers in found:
        place = (moment.astimezone(UTC) - at) // timedelta(seconds=HOUR_SECONDS)
        for key, of_key in zip(layouts[layout_id].keys, zip(*numbers, strict=True), strict=True):
            # A key's values stand in one row of the bucket alone.
            if of_key[0]:
                hours[key].append((place, of_key))
    return {key: pack_strip(of_key) for key, of_key in hours.items()}


@transaction.atomic
def store_strips(
    claims: Sequence[Claim], found: Mapping[BucketKey, Mapping[str, bytes]], now: datetime
) -> None:
    """Keep the strips of the weeks of which no hour changed meanwhile, and remove their marks."""
    unchanged = lock_unchanged(claims)
    done = [claim for claim in claims if claim.id in unchanged]
    sources = Source.objects.select_for_update(no_key=True).order_by("id")
    wanted = {claim.source_id for claim in done}
    present = set(sources.filter(id__in=wanted).values_list("id", flat=True))
    drop_strips([claim.bucket for claim in done])
    for claim in done:
        if claim.source_id in present:
            insert_strips(*claim.bucket, found[claim.bucket].items())
    settle_claims(claims, done, now)
