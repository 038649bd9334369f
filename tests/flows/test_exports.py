"""Exports of a real server: a download that is broken off, and a file that the worker makes."""

import hashlib

import httpx
import pytest

from tests.flows.api_user import become_admin
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

SECONDS = 120
ROWS = 300_000
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
    headers = dict(user.http.headers)
    # Read so slowly that the server waits for its caller, who then leaves.
    with httpx.stream(
        "GET", f"{server.base_url}/api/v1/exports/samples.ndjson", headers=headers, timeout=SECONDS
    ) as answer:
        assert answer.status_code == 200
        next(answer.iter_raw())
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
