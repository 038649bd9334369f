"""An upload that is nothing but frames, which most are, in as few crossings as the database can."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from django.db import DatabaseError, connection, transaction

from apps.metrics.writers.frames import (
    FRAME_COLUMNS,
    LATEST_COLUMNS,
    REPLACE_OLDER,
    BatchRow,
    FrameKey,
    FrameRow,
    adapt_moment,
    adapt_uuid,
    encode_row,
    insert_batch,
    insert_frames,
    list_slots,
    read_moment,
    record_news,
)

# The parameters of one upload; rows come as arrays, so that one plan serves any number of them.
TYPES = (
    "bigint[]", "timestamptz[]", "bigint[]", "bigint[]", "text[]", "text[]",
    "timestamptz", "jsonb", "uuid", "uuid", "bigint", "bigint", "jsonb",
)  # fmt: skip
STORE_UPLOAD = f"""
WITH new AS (
  INSERT INTO metrics_frame ({FRAME_COLUMNS})
  SELECT source_id, at, seq, layout_id, numbers::float8[], reasons::jsonb, {{6}}
  FROM unnest({{0}}, {{1}}, {{2}}, {{3}}, {{4}}, {{5}})
    AS given (source_id, at, seq, layout_id, numbers, reasons)
  ON CONFLICT DO NOTHING RETURNING {LATEST_COLUMNS}
), arrived AS (
  INSERT INTO metrics_arrival (slots) SELECT {{7}} WHERE EXISTS (SELECT FROM new)
), latest AS (
  INSERT INTO metrics_latest ({LATEST_COLUMNS})
  SELECT DISTINCT ON (source_id) {LATEST_COLUMNS} FROM new ORDER BY source_id, at DESC, seq DESC
  {REPLACE_OLDER}
), noted AS (
  INSERT INTO metrics_ingestbatch
    (id, client_id, received_at, stored, duplicate, rejected, sources)
  SELECT {{8}}, {{9}}, {{6}}, count(*), {{10}} - count(*), {{11}}, {{12}} FROM new
)
SELECT source_id, at, seq FROM new
"""  # noqa: S608 - literals and placeholders
PREPARED_TEXT = STORE_UPLOAD.format(*(f"${number}" for number in range(1, len(TYPES) + 1)))
# Behind a pool, sessions may hold what an earlier version has prepared.
NAME = f"store_upload_{hashlib.sha256(PREPARED_TEXT.encode()).hexdigest()[:8]}"
PREPARE = f"PREPARE {NAME} ({', '.join(TYPES)}) AS {PREPARED_TEXT}"
EXECUTE = f"EXECUTE {NAME} ({', '.join(f'%s::{name}' for name in TYPES)})"
PLAIN = STORE_UPLOAD.format(*(f"%({number})s::{name}" for number, name in enumerate(TYPES)))
# A pool that lends a session for one transaction: the statement is not there, or there already.
POOLED_CODES = frozenset({"26000", "42P05"})


class Preparation:
    """On which connections of this process the statement is prepared: half its cost is planning.

    Behind a pool that lends sessions for one transaction it is given up for good.
    """

    def __init__(self) -> None:
        self._prepared: WeakSet[Any] = WeakSet()
        self._is_pooled = False

    def execute(self, cursor: Any, parameters: Sequence[Any]) -> None:
        if not self._is_pooled:
            try:
                self._execute_prepared(cursor, parameters)
            except DatabaseError as error:
                if getattr(error.__cause__, "pgcode", None) not in POOLED_CODES:
                    raise
                self._is_pooled = True
            else:
                return
        named = {str(number): parameter for number, parameter in enumerate(parameters)}
        cursor.execute(PLAIN, named)

    def _execute_prepared(self, cursor: Any, parameters: Sequence[Any]) -> None:
        session = connection.connection
        if session not in self._prepared:
            cursor.execute(PREPARE)
            self._prepared.add(session)
        cursor.execute(EXECUTE, parameters)


PREPARATION = Preparation()


def insert_upload(rows: Sequence[FrameRow], batch: BatchRow, *, sent: int) -> set[FrameKey]:
    """The keys of the rows that were new; with them come their traces and the batch's own row.

    `sent` is how many frames the batch held: those that are not new count as duplicates. All of it
    is stored or nothing is.
    """
    is_postgresql = connection.vendor == "postgresql"
    if is_postgresql and not connection.in_atomic_block:
        return insert_at_once(rows, batch, sent)
    with transaction.atomic():
        if is_postgresql:
            return insert_at_once(rows, batch, sent)
        new = insert_frames(rows, batch.received_at)
        record_news([row for row in rows if row.key in new])
        insert_batch(batch, stored=len(new), duplicate=sent - len(new))
    return new


def insert_at_once(rows: Sequence[FrameRow], batch: BatchRow, sent: int) -> set[FrameKey]:
    """As `insert_upload`, in one statement, which is a transaction by itself (PostgreSQL)."""
    columns = zip(*(encode_row(row) for row in rows), strict=True)
    parameters = [
        *(list(column) for column in columns),
        adapt_moment(batch.received_at),
        json.dumps(list_slots(rows), separators=(",", ":")),
        adapt_uuid(uuid4()),
        adapt_uuid(batch.client_id),
        sent,
        batch.rejected,
        json.dumps(batch.sources),
    ]
    with connection.cursor() as cursor:
        PREPARATION.execute(cursor, parameters)
        return {(source, read_moment(at), seq) for source, at, seq in cursor.fetchall()}
