"""The only database-specific code: bulk writes, and the daily partitions of PostgreSQL."""

from apps.metrics.writers.forgetting import delete_frames, delete_rollups
from apps.metrics.writers.frames import (
    BatchRow,
    FrameKey,
    FrameRow,
    insert_batch,
    insert_frames,
    record_news,
    upsert_latest,
)
from apps.metrics.writers.partitions import (
    drop_partition,
    ensure_partitions,
    list_droppable_days,
    list_partition_days,
)
from apps.metrics.writers.rollups import (
    DirtyMark,
    RollupRow,
    insert_rollups,
    mark_dirty,
    note_kept_frames,
)
from apps.metrics.writers.strips import LAID, delete_strips, drop_strips, insert_strips
from apps.metrics.writers.uploads import insert_upload

__all__ = [
    "LAID",
    "BatchRow",
    "DirtyMark",
    "FrameKey",
    "FrameRow",
    "RollupRow",
    "delete_frames",
    "delete_rollups",
    "delete_strips",
    "drop_partition",
    "drop_strips",
    "ensure_partitions",
    "insert_batch",
    "insert_frames",
    "insert_rollups",
    "insert_strips",
    "insert_upload",
    "list_droppable_days",
    "list_partition_days",
    "mark_dirty",
    "note_kept_frames",
    "record_news",
    "upsert_latest",
]
