import io
import json
from pathlib import Path

import pytest

from agent.tests.answering_server import LostAnswer, Refusal, Rejection
from streamswarm_agent.cli.check_line import check_clock
from streamswarm_agent.cli.enrol import is_private_line
from streamswarm_agent.cli.main import build_parser, main
from streamswarm_agent.cli.quantities import format_quantity
from streamswarm_agent.cli.test import parse_parameter
from streamswarm_agent.errors import ParametersRefused
from streamswarm_agent.spool.state import StateDirectory


@pytest.fixture
def state_dir(tmp_path, monkeypatch):
    path = tmp_path / "state"
    monkeypatch.setenv("SWARM_AGENT_STATE_DIR", str(path))
    return path


def enrol(server, *options):
    return main(["enrol", "--server", server.url, "--token", "token-1", *options])


def test_enrolling_keeps_an_identity(server, state_dir, capsys):
    assert enrol(server, "--name", "edge-1") == 0
    identity = StateDirectory(state_dir).read_identity()
    assert (identity.server_url, identity.name) == (server.url, "edge-1")
    assert "enrolled at" in capsys.readouterr().out
    assert server.violations == []
    assert server.bodies("enrol")[0]["token"] == "token-1"


def test_the_token_can_come_over_standard_input(server, state_dir, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-token\n"))
    assert main(["enrol", "--server", server.url, "--token", "-"]) == 0
    assert server.bodies("enrol")[0]["token"] == "secret-token"


@pytest.mark.parametrize("code", ["token_unknown", "token_expired", "token_used"])
def test_a_token_that_is_refused_says_what_the_server_says(server, state_dir, capsys, code):
    server.misbehave("enrol", Refusal(401, code))
    assert enrol(server) == 1
    assert "Not now." in capsys.readouterr().err
    assert not (state_dir / "agent.json").exists()


def test_an_enrolment_is_replaced_only_by_force(server, state_dir, capsys):
    assert enrol(server) == 0
    assert enrol(server) == 1
    assert "already enrolled" in capsys.readouterr().err
    assert enrol(server, "--force") == 0


def test_a_server_that_is_not_there_is_named(state_dir, unused_tcp_port, capsys):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    assert main(["enrol", "--server", url, "--token", "x"]) == 1
    assert "enrol:" in capsys.readouterr().err


def test_a_line_that_can_be_overheard_is_told_from_one_that_cannot():
    assert is_private_line("https://swarm.example.org")
    assert is_private_line("http://127.0.0.1:8000")
    assert is_private_line("http://localhost")
    assert not is_private_line("http://swarm.example.org")
    assert not is_private_line("http://192.0.2.1")


def test_running_without_enrolment_says_how_to_enrol(state_dir, capsys):
    assert main(["run"]) == 1
    assert "streamswarm-agent enrol --server" in capsys.readouterr().err


def test_check_passes_when_the_server_takes_the_key(server, state_dir, capsys):
    enrol(server)
    assert main(["check"]) == 0
    shown = capsys.readouterr().out
    assert "accepted" in shown
    assert "tcp connect" in shown
    assert server.bodies("heartbeat") == []


def test_check_fails_on_a_refused_key_and_says_what_to_do(server, state_dir, capsys):
    enrol(server)
    server.misbehave("config", Refusal(401, "key_revoked"))
    assert main(["check"]) == 1
    shown = capsys.readouterr().out
    assert "FAILED" in shown
    assert "enrol again" in shown


def test_check_fails_without_server_and_without_enrolment(server, state_dir, capsys):
    assert main(["check"]) == 1
    assert "not enrolled" in capsys.readouterr().out
    enrol(server)
    server.close()
    assert main(["check"]) == 1
    assert "server" in capsys.readouterr().out


def test_a_wrong_clock_is_seen_in_the_servers_date():
    date = "Sat, 31 Jan 2026 12:00:00 GMT"
    assert check_clock(date, now=1_769_860_800.4, journey_seconds=0.2).is_good
    wrong = check_clock(date, now=1_769_864_400.0, journey_seconds=0.2)
    assert not wrong.is_good
    assert "-3599.4 s" in wrong.detail
    assert "did not say" in check_clock("", now=0, journey_seconds=0).detail


def test_a_test_on_the_spot_needs_no_server(server, state_dir, capsys):
    port = server.url.rpartition(":")[2]
    options = ["--param", f"port={port}", "--duration", "0.3", "--interval", "0.1"]
    assert main(["test", "tcp", "127.0.0.1", *options]) == 0
    shown = capsys.readouterr().out
    assert "net.availability.ratio" in shown
    assert "100 %" in shown
    assert "success" in shown
    assert not state_dir.exists()


def test_a_test_on_the_spot_can_be_read_by_programs(state_dir, capsys, unused_tcp_port):
    options = ["--param", f"port={unused_tcp_port}", "--duration", "0.2", "--json"]
    assert main(["test", "tcp", "127.0.0.1", *options]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["outcome"]["is_success"] is False
    assert document["samples"]


def test_a_test_obeys_the_hosts_deny_list(state_dir, monkeypatch, capsys):
    monkeypatch.setenv("SWARM_AGENT_DENY", "127.0.0.0/8")
    assert main(["test", "tcp", "127.0.0.1", "--param", "port=9", "--duration", "0.2"]) == 1
    assert "policy denies 127.0.0.0/8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ping", "x", "--param", "interval_seconds=0.001"], "minimum of 0.01"),
        (["ping", "x", "--param", "interval_seconds=fast"], "is no number"),
        (["ping", "x", "--param", "speed=1"], "known for ping are"),
        (["ping", "x", "--param", "speed"], "known for ping are"),
        (["telepathy", "x", "--param", "a=b"], "unknown kind of test"),
    ],
)
def test_a_parameter_that_is_refused_is_named(state_dir, capsys, arguments, message):
    assert main(["test", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_parameters_take_the_type_their_kind_asks_for():
    assert parse_parameter("http", "expected_status=200") == ("expected_status", "200")
    assert parse_parameter("ping", "ip_version=4") == ("ip_version", "4")
    assert parse_parameter("http", "is_certificate_verified=false")[1] is False
    with pytest.raises(ParametersRefused, match="integer"):
        parse_parameter("tcp", "port=http")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("net.rtt.mean", 0.0123, "12.300 ms"),
        ("net.rtt.mean", 0.0000417, "41.7 µs"),
        ("net.rtt.mean", 1.5, "1.500 s"),
        ("net.rtt.mean", 0.0, "0.000 ms"),
        ("net.packet.loss.ratio", 0.125, "12.5 %"),
        ("http.response.size", 15_300.0, "15.3 kB"),
        ("system.network.io.rate{direction=receive}", 2.5e6, "2.5 Mbit/s"),
        ("net.packet.sent", 50.0, "50 packet"),
        ("no.such.metric", 3.0, "3"),
    ],
)
def test_quantities_read_well(key, value, text):
    assert format_quantity(key, value) == text


def simulate(server, *options, clients=5, rate=20, duration=2):
    return main(
        [
            "simulate",
            *("--server", server.url, "--token", "many", "--clients", str(clients)),
            *("--rate", str(rate), "--duration", str(duration), "--json", *options),
        ]
    )


def read_summary(capsys):
    return json.loads(capsys.readouterr().out)


def test_simulated_agents_account_for_every_frame(server, capsys, tmp_path):
    ledger = tmp_path / "ledger"
    assert simulate(server, "--ledger", str(ledger)) == 0
    summary = read_summary(capsys)
    assert summary["frames"] == summary["accepted"] == 200
    assert summary["is_exactly_once"]
    assert summary["latency_p50_ms"] > 0
    assert server.violations == []
    assert len(server.bodies("enrol")) == 5
    lines = ledger.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 200
    assert lines[0].split()[1:3] == ["host", "-"]


def test_a_simulation_retries_and_explains_the_duplicates_of_lost_answers(server, capsys):
    server.misbehave("records", LostAnswer(), Refusal(503, "busy", {"Retry-After": "0"}))
    assert simulate(server, clients=1, rate=5, duration=1) == 0
    summary = read_summary(capsys)
    assert summary["errors"] == 2
    assert summary["duplicate"] >= 1
    assert summary["accepted"] + summary["duplicate"] == 5


def test_a_simulation_fails_when_a_record_is_refused(server, capsys):
    server.misbehave("records", Rejection(places=(0,), code="unknown_metric"))
    assert simulate(server, clients=1, rate=5, duration=1) == 1
    summary = read_summary(capsys)
    assert summary["refused"] == 1
    assert summary["refusals"] == {"unknown_metric data": 1}


def test_a_simulation_fails_on_a_duplicate_that_nothing_explains(server, capsys):
    server._store = lambda _body, _record: "duplicate"
    assert simulate(server, clients=1, rate=5, duration=1) == 1
    assert not read_summary(capsys)["is_exactly_once"]


def test_a_simulation_without_a_valid_token_says_so(server, capsys):
    server.misbehave("enrol", *[Refusal(401, "token_expired")] * 5)
    assert simulate(server) == 1
    assert "enrolment of simulated-000" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--clients", "0"], ["--rate", "-1"], ["--duration", "nan"], ["--clients", "x"]],
)
def test_a_senseless_number_is_a_misuse(arguments, capsys):
    needed = ["--server", "http://x", "--token", "t", "--clients", "1", "--rate", "1"]
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["simulate", *needed, "--duration", "1", *arguments])
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_too_many_metrics_for_a_layout_are_refused_by_name(server, capsys):
    assert simulate(server, "--metrics", "257") == 1
    assert "metrics: 257" in capsys.readouterr().err


def test_the_service_file_starts_the_agents_own_command():
    unit = (Path(__file__).parents[1] / "systemd" / "streamswarm-agent.service").read_text()
    assert "streamswarm-agent run" in unit
    for wanted in ("Restart=always", "NoNewPrivileges=true", "CAP_NET_RAW", "ProtectSystem=strict"):
        assert wanted in unit
