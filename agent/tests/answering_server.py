"""A small real HTTP server that answers an agent as docs/wire.md says, and misbehaves on demand."""

import gzip
import json
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

from jsonschema import Draft202012Validator

from streamswarm_agent.wire.times import format_time

WIRE = Path(__file__).parents[1] / "wire" / "v1"
KEY = "Ab3dEf6h." + "k" * 43
_SCHEMA = json.loads((WIRE / "schema.json").read_text())


def read_example(name):
    return json.loads((WIRE / "examples" / "valid" / f"{name}.json").read_text())


def list_violations(definition, document):
    schema = {**_SCHEMA, "$ref": f"#/$defs/{definition}"}
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


@dataclass
class Refusal:
    """An answer that says no."""

    status: int
    code: str
    headers: dict = field(default_factory=dict)


class LostAnswer:
    """The call takes effect, and the line breaks before the answer."""


@dataclass
class Rejection:
    """The records at these places of the batch are rejected, the others stored."""

    places: tuple
    code: str = "out_of_range"


class AnsweringServer:
    def __init__(self):
        self.lease = {
            **read_example("leases_answer"),
            "assignments": [],
            "runs": [],
            "cancelled": [],
        }
        self.config = read_example("config_answer")
        self.etag = '"1"'
        self.is_inventory_wanted = False
        self.largest_batch_records = 5000
        self.requests = []
        self.violations = []
        self.stored = {}
        self.duplicates = []
        self._script = defaultdict(deque)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._changed = threading.Condition()
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()

    def misbehave(self, call, *replies):
        """Give these replies to the next requests of a call, in order."""
        self._script[call].extend(replies)

    def bodies(self, call):
        return [body for name, body, _headers in list(self.requests) if name == call]

    def batch_sizes(self):
        return [len(body["records"]) for body in self.bodies("records")]

    def stored_of(self, kind):
        return [record for record in list(self.stored.values()) if record["kind"] == kind]

    def wait_until(self, condition, seconds=15):
        """Whether the condition came true; looked at after every request."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout=seconds)

    def answer(self, call, body, headers):
        received_at = format_time(time.time())
        with self._changed:
            self.requests.append((call, body, headers))
            reply = self._script[call].popleft() if self._script[call] else None
            try:
                if isinstance(reply, Refusal):
                    refusal = {"code": reply.code, "detail": "Not now.", "data": {}}
                    return reply.status, refusal, reply.headers
                if call != "config":
                    self.violations += list_violations(f"{call}_request", body)
                answer = getattr(self, f"_answer_{call}")(body, headers, received_at, reply)
                return (0, {}, {}) if isinstance(reply, LostAnswer) else answer
            finally:
                self._changed.notify_all()

    def _answer_enrol(self, body, headers, received_at, reply):
        answer = read_example("enrol_answer") | {"client_id": str(uuid4()), "name": body["name"]}
        return 201, answer, {}

    def _answer_heartbeat(self, body, headers, received_at, reply):
        answer = {
            "received_at": received_at,
            "answered_at": format_time(time.time()),
            "heartbeat_seconds": self.config["heartbeat_seconds"],
            "config_etag": self.etag,
            "schedule_revision": self.lease["schedule_revision"],
            "is_inventory_wanted": self.is_inventory_wanted,
        }
        return 200, answer, {}

    def _answer_leases(self, body, headers, received_at, reply):
        horizon_end = format_time(time.time() + body["horizon_seconds"])
        now = {"server_time": format_time(time.time()), "horizon_end": horizon_end}
        return 200, self.lease | now, {}

    def _answer_config(self, body, headers, received_at, reply):
        if headers.get("If-None-Match") == self.etag:
            return 304, None, {"ETag": self.etag}
        return 200, self.config, {"ETag": self.etag}

    def _answer_records(self, body, headers, received_at, reply):
        if len(body["records"]) > self.largest_batch_records:
            refusal = {"code": "too_large", "detail": "Too large.", "data": {}}
            return 413, refusal, {"Retry-After": "0"}
        answer = {"stored": [], "duplicate": [], "rejected": []}
        refused = reply.places if isinstance(reply, Rejection) else ()
        for place, record in enumerate(body["records"]):
            if place in refused:
                rejection = {
                    "id": record["id"],
                    "code": reply.code,
                    "field": "data",
                    "detail": "No.",
                }
                answer["rejected"].append(rejection)
            else:
                answer[self._store(body, record)].append(record["id"])
        return 200, answer, {}

    def _store(self, body, record):
        key = identify(record)
        if key in self.stored:
            self.duplicates.append(key)
            return "duplicate"
        if record["kind"] == "frame":
            keys = body["layouts"][record["data"]["layout"]]
            assert len(keys) == len(record["data"]["values"])
        self.stored[key] = record
        return "stored"


def identify(record):
    """What makes a record the same one again."""
    data = record["data"]
    if record["kind"] == "frame":
        source = data["source"]
        return ("frame", source["kind"], source["subject"], data["seq"], record["at"])
    if record["kind"] == "result":
        return ("result", data["run"])
    return (record["kind"], record["at"], json.dumps(data, sort_keys=True))


def _make_handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(length)
            if len(raw) < length:
                self.close_connection = True
                return
            if self.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            self._reply(json.loads(raw))

        def do_GET(self):
            self._reply(None)

        def _reply(self, body):
            prefix, _, call = self.path.rpartition("/")
            if prefix != "/api/v1/agent":
                self.send_error(404)
                return
            status, document, headers = server.answer(call, body, dict(self.headers))
            if status == 0:
                self.close_connection = True
                return
            raw = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args):
            pass

    return Handler
