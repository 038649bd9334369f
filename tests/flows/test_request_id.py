"""One id from a request to the worker's log, through the real web server, Redis and worker."""

import socket

import pytest

from tests.flows.api_user import ApiUser, become_admin
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.slow

REQUEST_ID = "feedfacefeedfacefeedfacefeedface"
NOTICE_SECONDS = 30


@pytest.fixture(scope="module")
def server():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    settings = {"SMTP_SERVER": "127.0.0.1", "SMTP_PORT": str(port), "SWARM_SMTP_SECURITY": "none"}
    with run_stack("sqlite", settings=settings, with_beat=False) as stack:
        yield stack


def test_a_task_logs_the_id_of_the_request_that_started_it(server):
    become_admin(server)
    made = server.manage(
        "token", "create", "--user=admin", "--name=flow", "--scope=admin", "--days=1"
    )
    admin = ApiUser(server.base_url, made.split()[-1])
    body = {"email": "new@example.org", "roles": [{"name": "viewer"}], "days": 1}
    answer = admin.http.post(
        "/api/v1/invitations/", json=body, headers={"X-Request-ID": REQUEST_ID}
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["X-Request-ID"] == REQUEST_ID
    worker = server.children["worker"]
    wait_until(lambda: "mail_fault" in worker.read_log(), seconds=NOTICE_SECONDS, what="the task")
    (line,) = [line for line in worker.read_log().splitlines() if "mail_fault" in line]
    assert f"request_id={REQUEST_ID}" in line
