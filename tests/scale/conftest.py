import pytest

from tests.flows.api_user import become_admin
from tests.servers.fleet import run_fleet
from tests.servers.nginx import MISSING, find_nginx

# Short intervals, so that a test sees in seconds what takes a minute in the field.
QUICK = {"SWARM_HEARTBEAT_SECONDS": "2", "SWARM_HOST_INTERVAL_SECONDS": "1"}


@pytest.fixture(scope="module")
def fleet(postgresql_server):
    """Two of each kind of process on one PostgreSQL and one Redis, behind nginx."""
    if find_nginx() is None:
        pytest.skip(MISSING)
    with run_fleet(postgresql_server, QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def admin(fleet):
    return become_admin(fleet)
