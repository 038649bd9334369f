"""What an agent sends."""

import gzip
import itertools
import json
from datetime import timedelta
from uuid import uuid4

from apps.core.clock import format_moment, read_now
from apps.metrics.services import hash_layout
from tests.factories.clients import agent

CPU_KEYS = ("system.cpu.utilization", "system.cpu.load_average.1m")
PING_KEYS = ("net.rtt.median", "net.packet.loss.ratio")
_numbers = itertools.count(1)


def layout(keys=CPU_KEYS):
    return {hash_layout(keys): list(keys)}


def record(kind, data, *, id=None, at=None):
    moment = at or read_now()
    return {
        "id": id or f"r{next(_numbers)}",
        "kind": kind,
        "at": moment if isinstance(moment, str) else format_moment(moment),
        "data": data,
    }


def frame(values=(0.25, 0.5), *, keys=CPU_KEYS, source=("host", ""), seq=None, **options):
    """A frame record; options are id, at and what goes into its data."""
    envelope = {name: options.pop(name) for name in ("id", "at") if name in options}
    data = {
        "source": {"kind": source[0], "subject": source[1]},
        "seq": next(_numbers) if seq is None else seq,
        "layout": hash_layout(keys),
        "values": list(values),
        "absent": {},
        **options,
    }
    return record("frame", data, **envelope)


def result(assignment, *, run, slot=None, revision=1, at=None, **fields):
    started_at = at or read_now() - timedelta(seconds=10)
    data = {
        "run": str(run),
        "assignment": str(assignment),
        "slot": slot,
        "revision": revision,
        "started_at": format_moment(started_at),
        "finished_at": format_moment(started_at + timedelta(seconds=10)),
        "outcome": "completed",
        "reason": "",
        "is_success": True,
        "method": "icmp",
        "values": {"net.rtt.median": 0.01},
        "absent": {},
        "facts": {},
        "document": {},
        **fields,
    }
    return record("result", data)


def fact(key="os.name", value="Debian", *, source=("host", ""), **envelope):
    data = {"source": {"kind": source[0], "subject": source[1]}, "key": key, "value": value}
    return record("fact", data, **envelope)


def batch(*records, keys=(CPU_KEYS, PING_KEYS)):
    layouts = {}
    for names in keys:
        layouts |= layout(names)
    return {"batch": str(uuid4()), "layouts": layouts, "records": list(records)}


def post(http, path, body, secret, **options):
    """The answer of an agent's call; `body` is a document or the bytes themselves."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {**agent(secret)["headers"], **options.pop("headers", {})}
    return http.post(
        f"/api/v1/agent/{path}", content, content_type="application/json", headers=headers
    )


def post_zipped(http, body, secret):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return post(
        http, "records", gzip.compress(content), secret, headers={"content-encoding": "gzip"}
    )


def send(http, secret, *records, **options):
    """What the server answers to a batch of these records."""
    answer = post(http, "records", batch(*records, **options), secret)
    assert answer.status_code == 200, answer.content
    return answer.json()


def codes(answer):
    """The rejection codes by record."""
    return {item["id"]: item["code"] for item in answer["rejected"]}
