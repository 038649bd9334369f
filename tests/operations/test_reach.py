"""manage.py test-connectivity and manage.py stats."""

import json
import socket
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from apps.configuration.services import store_settings
from apps.core.clock import read_now
from apps.operations import reach
from apps.operations.doctor import Verdict
from apps.operations.reach import check_agents, check_mail, reach_target
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment

LOOPBACK = "127.0.0.1"


@pytest.fixture
def listener():
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_listens_is_reached_and_another_is_not(listener):
    assert reach_target(f"{LOOPBACK}:{listener}").verdict is Verdict.OK
    with socket.create_server((LOOPBACK, 0)) as server:
        closed = server.getsockname()[1]
    finding = reach_target(f"{LOOPBACK}:{closed}")
    assert (finding.verdict, "refused" in finding.detail) == (Verdict.FAILED, True)


@pytest.mark.parametrize("code", [0, 1])
def test_a_host_without_a_port_is_pinged_once(code, monkeypatch):
    monkeypatch.setattr(reach.shutil, "which", lambda _name: "/bin/ping")
    asked = []

    def run(command, **_options):
        asked.append(command)
        return code

    finding = reach_target("192.0.2.1", run=run)
    assert finding.verdict is (Verdict.OK if code == 0 else Verdict.FAILED)
    assert asked == [["/bin/ping", "-n", "-c", "1", "-W", "3", "192.0.2.1"]]


def test_a_ping_that_hangs_has_failed(monkeypatch):
    monkeypatch.setattr(reach.shutil, "which", lambda _name: "/bin/ping")

    def hang(command, **_options):
        raise subprocess.TimeoutExpired(command, 9)

    assert reach_target("192.0.2.1", run=hang).verdict is Verdict.FAILED


@pytest.mark.parametrize("target", ["-f", "a b", "", "host:0", "host:70000", "a;b", "[::1]:x"])
def test_what_is_no_target_is_never_tried(target):
    def run(*_arguments, **_options):
        raise AssertionError("nothing may be started")

    assert reach_target(target, run=run).verdict is Verdict.FAILED


@pytest.mark.parametrize("target", [f"{'a' * 64}:80", "a..b:80", "\udc80:80"])
def test_what_is_no_name_of_a_host_is_a_finding_too(target):
    finding = reach_target(target)
    assert (finding.verdict, finding.detail) == (Verdict.FAILED, "is no name that a host can have")


@pytest.mark.django_db
def test_mail_is_refused_or_not_set():
    assert check_mail()[0].verdict is Verdict.SKIPPED
    with socket.create_server((LOOPBACK, 0)) as server:
        closed = server.getsockname()[1]
    store_settings(values={"smtp_server": LOOPBACK, "smtp_port": closed, "smtp_security": "none"})
    (finding,) = check_mail()
    assert (finding.verdict, "nothing listens" in finding.detail) == (Verdict.FAILED, True)


@pytest.mark.django_db
def test_agents_fail_only_when_none_is_heard_of():
    assert check_agents()[0].verdict is Verdict.SKIPPED
    now = read_now()
    make_client("near", last_heartbeat_at=now)
    assert check_agents()[0].verdict is Verdict.OK
    make_client("far", last_heartbeat_at=now - timedelta(hours=1))
    (finding,) = check_agents()
    assert (finding.verdict, "far" in finding.hint) == (Verdict.WARNING, True)


@pytest.mark.django_db
def test_agents_that_are_all_silent_fail():
    make_client("far", last_heartbeat_at=read_now() - timedelta(hours=1))
    assert check_agents()[0].verdict is Verdict.FAILED


@pytest.mark.django_db
def test_the_exit_code_says_whether_anything_failed(monkeypatch, listener):
    monkeypatch.setattr("apps.operations.management.commands.test_connectivity.CHECKS", {})
    output = StringIO()
    target = f"{LOOPBACK}:{listener}"
    call_command("test_connectivity", "--target", target, "--json", stdout=output)
    assert json.loads(output.getvalue())["is_well"] is True
    with pytest.raises(SystemExit) as stopped:
        call_command("test_connectivity", "--target", "host:0", stdout=StringIO())
    assert stopped.value.code == 1


def test_the_command_has_its_name_with_a_hyphen_too():
    words = [sys.executable, "manage.py", "test-connectivity", "--help"]
    shown = subprocess.run(words, capture_output=True, check=True, timeout=120, text=True)
    assert "--target" in shown.stdout


@pytest.mark.django_db
def test_stats_count_what_there_is():
    make_assignment(make_client("probe-1", presence="online"))
    output = StringIO()
    call_command("stats", "--json", stdout=output)
    document = json.loads(output.getvalue())
    assert document["clients"] == {"online": 1}
    assert (document["tests"], document["assignments"]) == (1, 1)
    assert document["database_bytes"] > 0
    text = StringIO()
    call_command("stats", stdout=text)
    assert "1 online" in text.getvalue()
