"""Exports of a real server: a download that is broken off, and a file that the worker makes."""

import hashlib
import socket
import threading

import httpx
import pytest

from streamswarm.site import LONG_ANSWER_SECONDS
from tests.flows.api_user import become_admin
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

SECONDS = 120
ROWS = 300_000
RECEIVE_BYTES = 65_536
FILL = (
    "import sys; import django; django.setup()\n"
    "from benchmarks.measuring.exports import fill_samples\n"
    "fill_samples(int(sys.argv[1]))"
)


@pytest.fixture(scope="module")
def server():
    with run_stack("sqlite", with_beat=False) as stack:
        stack.run_python("-c", FILL, str(ROWS))
        yield stack


@pytest.fixture(scope="module")
def user(server):
    return become_admin(server)


def test_a_download_that_is_broken_off_stops_reading(server, user):
    web = server.children["web"]
    address = f"{server.base_url}/api/v1/exports/samples.ndjson"
    # Not compressed, it is far more than the sockets buffer: the server has to wait for its
    # caller, who takes one piece, nothing for a while, and leaves.
    headers = user.http.headers.copy()
    headers["Accept-Encoding"] = "identity"
    little = httpx.HTTPTransport(
        socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)]
    )
    with (
        httpx.Client(transport=little, headers=headers, timeout=SECONDS) as caller,
        caller.stream("GET", address) as answer,
    ):
        assert answer.status_code == 200
        pieces = answer.iter_raw()
        next(pieces)
        threading.Event().wait(2 * LONG_ANSWER_SECONDS)
        assert "export_streamed" not in web.read_log()
    wait_until(lambda: "export_abandoned" in web.read_log(), seconds=SECONDS, what="the end")
    assert "export_streamed" not in web.read_log()


def test_a_whole_download_says_so(user):
    answer = user.http.get("/api/v1/exports/samples.csv", timeout=SECONDS)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.text.endswith(f"# complete: {ROWS} rows\r\n")
    assert answer.text.count("\r\n") == ROWS + 2


def test_the_worker_makes_the_file_in_turns(user):
    export = user.post("exports/", {"dataset": "samples", "format": "csv", "is_gzip": True})

    def is_ready():
        return user.get(f"exports/{export['id']}/")["state"] == "ready"

    wait_until(is_ready, seconds=SECONDS, what="the file")
    export = user.get(f"exports/{export['id']}/")
    assert export["row_count"] == ROWS
    content = user.http.get(f"/api/v1/exports/{export['id']}/file/", timeout=SECONDS).content
    assert hashlib.sha256(content).hexdigest() == export["sha256"]
