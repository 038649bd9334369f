"""Frames as an agent sends them, of metrics that pages draw."""

import hashlib
import json
import uuid
from datetime import UTC, datetime

HOST_KEYS = ("system.cpu.utilization", "system.cpu.load_average.1m", "system.memory.utilization")
FIRST_SEQUENCE = 2**40


def build_host_body(at: datetime, number: int) -> bytes:
    """One upload with one frame of the host's figures, the `number`th of its client."""
    layout = hashlib.sha256("\n".join(HOST_KEYS).encode()).hexdigest()[:16]
    frame = {
        "source": {"kind": "host", "subject": ""},
        "seq": FIRST_SEQUENCE + number,
        "layout": layout,
        "values": [0.25, 0.5, 0.75],
        "absent": {},
    }
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    record = {"id": f"frame-{number}", "kind": "frame", "at": moment, "data": frame}
    body = {"batch": str(uuid.uuid4()), "layouts": {layout: HOST_KEYS}, "records": [record]}
    return json.dumps(body).encode()
