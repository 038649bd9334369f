"""The only database-specific code: bulk writes, and the daily partitions of PostgreSQL."""

from apps.metrics.writers.frames import (
    FrameKey,
    FrameRow,
    insert_batch,
    insert_frames,
    record_news,
    upsert_latest,
)
from apps.metrics.writers.partitions import ensure_partitions
from apps.metrics.writers.rollups import (
    DirtyMark,
    RollupRow,
    insert_rollups,
    mark_dirty,
    note_kept_frames,
)

__all__ = [
    "DirtyMark",
    "FrameKey",
    "FrameRow",
    "RollupRow",
    "ensure_partitions",
    "insert_batch",
    "insert_frames",
    "insert_rollups",
    "mark_dirty",
    "note_kept_frames",
    "record_news",
    "upsert_latest",
]
