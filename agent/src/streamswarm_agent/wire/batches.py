"""Batches: the body of a `records` call."""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from uuid import uuid4

from streamswarm_agent.wire.records import SpooledRecord, encode_json

MAXIMUM_RECORDS = 500
MAXIMUM_WIRE_BYTES = 1_000_000
MAXIMUM_PLAIN_BYTES = 7_500_000
_GZIP_LEVEL = 5


def encode_batch(records: Iterable[SpooledRecord], layouts: Mapping[str, Sequence[str]]) -> bytes:
    """The gzipped JSON of a batch; payloads go in as they were measured, not parsed again."""
    head = encode_json({"batch": str(uuid4()), "layouts": layouts})
    entries = ",".join(
        f'{{"id":"{record.id}","kind":"{record.kind}","at":"{record.at}","data":{record.payload}}}'
        for record in records
    )
    return gzip.compress(f'{head[:-1]},"records":[{entries}]}}'.encode(), _GZIP_LEVEL)
