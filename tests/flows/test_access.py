"""Who gets in: enrolment tokens on the real command line, revoked keys, and who is present."""

import re
import signal

import httpx
import pytest

from tests.faults.oracle import Database
from tests.flows.agents import AgentHost
from tests.flows.api_user import become_admin
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.slow

NOTICE_SECONDS = 30
EXPIRE = (
    "import django; django.setup()\n"
    "from apps.clients.models import EnrolmentToken\n"
    "from django.utils import timezone\n"
    "EnrolmentToken.objects.update(expires_at=timezone.now())"
)


@pytest.fixture(scope="module")
def operator(server):
    return become_admin(server)


@pytest.fixture
def newcomer(tmp_path):
    return AgentHost(tmp_path)


def issue(operator, **fields):
    return operator.post("enrolment-tokens/", {"name": "roll-out", **fields})


def check_refused(newcomer, server, secret, sentence):
    """The command fails with the server's own sentence and leaves nothing behind."""
    result = newcomer.enrol(server.base_url, secret, "newcomer")
    assert result.returncode == 1
    assert re.search(sentence, result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    assert not (newcomer.state_folder / "agent.json").exists()


def test_a_wrong_token_is_refused_with_the_servers_sentence(server, newcomer):
    check_refused(newcomer, server, "wrong", "This enrolment token is not known here")


def test_a_token_lets_in_as_many_as_it_says(server, operator, newcomer, make_host):
    secret = issue(operator, max_uses=1)["token"]
    assert newcomer.enrol(server.base_url, secret, "first").returncode == 0
    second = AgentHost(newcomer.folder / "second")
    second.folder.mkdir()
    check_refused(second, server, secret, "was used 1 of 1 times")


def test_an_expired_token_is_refused_with_its_time(server, operator, newcomer):
    secret = issue(operator)["token"]
    server.run_python("-c", EXPIRE)
    check_refused(newcomer, server, secret, r"expired at \d{4}-\d\d-\d\dT")


def test_a_revoked_token_is_refused(server, operator, newcomer):
    token = issue(operator)
    operator.post(f"enrolment-tokens/{token['id']}/revoke/")
    check_refused(newcomer, server, token["token"], "was revoked")


def test_a_token_of_another_network_is_refused(server, operator, newcomer):
    secret = issue(operator, allowed_network="192.0.2.0/24")["token"]
    check_refused(newcomer, server, secret, "is for hosts in 192.0.2.0/24, not 127.0.0.1")


def test_a_revoked_key_ends_uploading_not_measuring(server, operator, make_host):
    host = make_host(server)
    host.start()
    database = Database.of(server.environment)
    wait_until(
        lambda: database.list_measurements(host.client_id), seconds=NOTICE_SECONDS, what="frames"
    )
    operator.post(f"clients/{host.client_id}/revoke-keys/")
    refused = "key_refused code=key_revoked"
    wait_until(lambda: refused in host.read_log(), seconds=NOTICE_SECONDS, what="its complaint")
    stored, measured = database.list_measurements(host.client_id), len(host.read_ledger())
    wait_until(
        lambda: len(host.read_ledger()) > measured + 10, seconds=NOTICE_SECONDS, what="measuring"
    )
    assert database.list_measurements(host.client_id) == stored
    check = host.check()
    assert check.returncode == 1
    assert "enrol again" in check.stdout
    answer = httpx.get(
        f"{server.base_url}/api/v1/agent/config",
        headers={"Authorization": f"Agent {host.identity.key}"},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "key_revoked")


def test_a_silent_client_turns_offline_and_comes_back(server, operator, make_host):
    host = make_host(server)
    host.start()

    def has_presence(wanted):
        return operator.read_presence(host.client_id) == wanted

    wait_until(lambda: has_presence("online"), seconds=NOTICE_SECONDS, what="online")
    host.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: has_presence("offline"), seconds=NOTICE_SECONDS, what="offline")
    host.process.send_signal(signal.SIGCONT)
    wait_until(lambda: has_presence("online"), seconds=NOTICE_SECONDS, what="online again")
