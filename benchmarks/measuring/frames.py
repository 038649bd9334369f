"""Frames as an agent sends them, of metrics that pages draw."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

HOST_KEYS = ("system.cpu.utilization", "system.cpu.load_average.1m", "system.memory.utilization")
FIRST_SEQUENCE = 2**40

# When it was measured, the how manieth of its source, its values.
Frame = tuple[datetime, int, list[float]]


def build_host_body(at: datetime, number: int) -> bytes:
    """One upload with one frame of the host's figures, the `number`th of its client."""
    return build_body("host", HOST_KEYS, [(at, number, [0.25, 0.5, 0.75])])


def build_body(kind: str, keys: Sequence[str], frames: Sequence[Frame]) -> bytes:
    """One upload of frames of one source."""
    layout = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
    records = [
        {
            "id": f"frame-{number}",
            "kind": "frame",
            "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "data": {
                "source": {"kind": kind, "subject": ""},
                "seq": FIRST_SEQUENCE + number,
                "layout": layout,
                "values": values,
                "absent": {},
            },
        }
        for at, number, values in frames
    ]
    body = {"batch": str(uuid.uuid4()), "layouts": {layout: keys}, "records": records}
    return json.dumps(body).encode()
