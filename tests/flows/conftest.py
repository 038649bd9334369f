import shutil
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.flows.agents import enrol_host
from tests.flows.api_user import become_admin
from tests.servers.stack import run_stack

# Short intervals, so that a test sees in seconds what takes a minute in the field.
QUICK = {"SWARM_HEARTBEAT_SECONDS": "2", "SWARM_HOST_INTERVAL_SECONDS": "1"}
_names = (f"edge-{number}" for number in count(1))


@pytest.fixture(scope="module")
def server():
    """A real server on SQLite: Redis, web, worker and beat."""
    with run_stack("sqlite", settings=QUICK) as stack:
        yield stack


@pytest.fixture(scope="module")
def server_settings():
    """The settings of `any_server`; a module may have others."""
    return QUICK


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def any_server(request, server_settings):
    """A real server on each database in turn."""
    is_postgresql = request.param == "postgresql"
    cluster = request.getfixturevalue("postgresql_server") if is_postgresql else None
    with run_stack(request.param, postgresql=cluster, settings=server_settings) as stack:
        yield stack


@pytest.fixture
def make_host():
    """Enrols hosts at a server; their agents end with the test."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-hosts-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)

        def make(stack, *, server_url=""):
            name = next(_names)
            url = server_url or stack.base_url
            host = enrol_host(folder / name, url, stack.issue_token(), name)
            cleanup.callback(host.end)
            return host

        yield make


@pytest.fixture(scope="module")
def admin(any_server):
    return become_admin(any_server)
