from apps.metrics.services.clock import is_clock_steady
from apps.metrics.services.recording import (
    DOCUMENT_KINDS,
    SOURCE_KINDS,
    KnownLayout,
    NewDocument,
    NewFrame,
    find_own_source,
    hash_layout,
    know_layout,
    know_source,
    know_sources,
    record_batch,
    record_document,
    record_fact,
    record_frames,
)
from apps.metrics.services.retention import (
    forget_batches,
    forget_documents,
    forget_history,
    prepare_storage,
)
from apps.metrics.services.rollups import rebuild_rollups, roll_up

__all__ = [
    "DOCUMENT_KINDS",
    "SOURCE_KINDS",
    "KnownLayout",
    "NewDocument",
    "NewFrame",
    "find_own_source",
    "forget_batches",
    "forget_documents",
    "forget_history",
    "hash_layout",
    "is_clock_steady",
    "know_layout",
    "know_source",
    "know_sources",
    "prepare_storage",
    "rebuild_rollups",
    "record_batch",
    "record_document",
    "record_fact",
    "record_frames",
    "roll_up",
]
