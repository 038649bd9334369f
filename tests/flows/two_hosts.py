"""Two hosts that measure between each other, and the runs of their tests."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.flows.agents import AgentHost, enrol_host
from tests.flows.api_user import ApiUser
from tests.servers.stack import find_free_port
from tests.servers.waiting import wait_until

REACH_SECONDS = 60


@contextmanager
def run_two_hosts(
    server: Any, admin: ApiUser, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[AgentHost, AgentHost]]:
    """Agents `near` and `far` of which the server knows that each answers at its own port."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-pair-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)

        def start(name: str) -> AgentHost:
            host = enrol_host(folder / name, server.base_url, server.issue_token(), name)
            cleanup.callback(host.end)
            port = {"SWARM_AGENT_RESPONDER_PORT": str(find_free_port())}
            host.start({**port, **(environment or {})})
            return host

        near, far = start("near"), start("far")
        for host in (near, far):
            wait_until(
                lambda host=host: (
                    "responder" in admin.get(f"clients/{host.client_id}/")["inventory"]
                    and "socket_open" in host.read_log()
                ),
                seconds=REACH_SECONDS,
                what="an inventory that says who answers, and the socket",
            )
        yield near, far


def create_pair(
    admin: ApiUser, hosts: tuple[AgentHost, AgentHost], name: str, **definition: Any
) -> dict[str, Any]:
    """A test from near to far that runs only when asked to."""
    near, far = hosts
    return admin.create_test(
        name, far.client_id, target="", topology="pair", hub=near.client_id,
        schedule_kind="once", start_at="2036-01-01T00:00:00Z", **definition,
    )  # fmt: skip


def ask_for_run(admin: ApiUser, test: Mapping[str, Any]) -> str:
    """The id of the run that begins now."""
    (run,) = admin.post(f"tests/{test['id']}/run-now/", {})
    return str(run["id"])


def wait_for_state(admin: ApiUser, run_id: str, *states: str) -> dict[str, Any]:
    """The run as the API tells it, once it is in one of the states."""
    found: dict[str, Any] = {}

    def has_state() -> bool:
        found.update(admin.get(f"runs/{run_id}/"))
        return found["state"] in states

    wait_until(has_state, seconds=REACH_SECONDS, what=f"a run that is {' or '.join(states)}")
    return found
