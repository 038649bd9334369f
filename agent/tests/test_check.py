"""What `check` says about the host, the way to the server and every setting."""

import json
import os
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from streamswarm_agent.cli.check import explain_overridden, format_value, hide_secret
from streamswarm_agent.cli.check_host import check_mode, check_process, check_spool
from streamswarm_agent.cli.check_line import check_tls, check_way
from streamswarm_agent.cli.main import main
from streamswarm_agent.collectors import ARGUMENTS_VARIABLE
from streamswarm_agent.probes import OWN_PROBES
from streamswarm_agent.runtime.configuration.resolution import Configuration, Sources
from streamswarm_agent.runtime.configuration.table import SETTINGS
from streamswarm_agent.runtime.status import write_restart
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.spool.state import Identity, StateDirectory
from streamswarm_agent.wire.messages import CollectorSettings, Config
from streamswarm_agent.wire.records import Record

PASSWORD_URL = "http://me:hidden@proxy.example.org:3128"


@pytest.fixture
def state(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SWARM_AGENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SWARM_AGENT_STATE_DIR", str(tmp_path / "state"))
    directory = StateDirectory(tmp_path / "state")
    directory.create()
    return directory


@pytest.fixture
def enrolled(server, state):
    assert main(["enrol", "--server", server.url, "--token", "token"]) == 0
    return state


def check(capsys, *options):
    """Exit code and answer of `check --json`."""
    capsys.readouterr()
    exit_code = main(["check", "--json", *options])
    return exit_code, json.loads(capsys.readouterr().out)


def find(answer, subject):
    return [one for one in answer["checks"] if one["subject"] == subject]


def setting(answer, name):
    return next(one for one in answer["settings"] if one["name"] == name)


def test_a_working_agent_is_well_in_every_required_point(enrolled, capsys):
    exit_code, answer = check(capsys)
    assert exit_code == 0
    assert answer["is_well"]
    for subject in ("configuration", "state directory", "name", "route", "server", "key", "spool"):
        assert [one["mark"] for one in find(answer, subject)] == ["ok"]
    kinds = find(answer, "kinds of test")[0]["detail"].split(", ")
    assert kinds == sorted(OWN_PROBES)
    assert [one["name"] for one in answer["settings"]] == list(SETTINGS)


def test_every_setting_says_where_its_value_comes_from_and_what_it_overrides(
    enrolled, capsys, tmp_path, monkeypatch
):
    file = tmp_path / "agent.toml"
    file.write_text("[collectors.host]\ninterval_seconds = 30\n[log]\nlevel = 'debug'\n")
    monkeypatch.setenv("SWARM_AGENT_LOG_LEVEL", "error")
    _, answer = check(capsys, "--config", str(file), "--set", "log.level=warning")
    level = setting(answer, "log.level")
    assert (level["value"], level["from"]) == ("warning", ["command line"])
    assert [(one["from"], one["value"]) for one in level["overrides"]] == [
        ("environment", "error"),
        ("file", "debug"),
    ]
    interval = setting(answer, "collectors.host.interval_seconds")
    assert (interval["value"], interval["places"]) == (30, [f"{file}:2"])
    assert interval["overrides"] == [{"from": "server", "place": "", "value": 10}]
    assert setting(answer, "timing.heartbeat_seconds")["from"] == ["server"]
    assert setting(answer, "budget.cpu_percent")["from"] == ["built-in"]


def test_the_table_for_people_shows_the_same(enrolled, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    file = tmp_path / "agent.toml"
    file.write_text("[collectors.host]\ninterval_seconds = 30\n")
    assert main(["check", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert f"file ({file}:2)" in shown
    assert "server says 10 s" in shown


def test_a_broken_file_fails_the_check_by_name_and_the_rest_is_still_shown(
    enrolled, capsys, tmp_path
):
    file = tmp_path / "agent.toml"
    file.write_text("[log]\nlevle = 'debug'\n")
    exit_code, answer = check(capsys, "--config", str(file))
    assert exit_code == 1
    (broken,) = find(answer, "configuration")
    assert broken["mark"] == "FAILED"
    assert (
        "agent.toml:2: there is no setting log.levle; did you mean log.level?" in (broken["detail"])
    )
    assert find(answer, "tcp connect")


def test_without_the_server_its_last_word_is_shown(enrolled, server, capsys):
    server.config["lease_seconds"] = 17
    enrolled.write_json("config.json", {"etag": '"1"', "config": server.config})
    server.close()
    exit_code, answer = check(capsys)
    assert exit_code == 1
    assert find(answer, "route")[0]["mark"] == "FAILED"
    assert find(answer, "server")[0]["mark"] == "FAILED"
    assert setting(answer, "timing.lease_seconds")["value"] == 17


def test_a_name_that_does_not_resolve_ends_the_way_there(monkeypatch):
    def refuse(*_arguments, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    (name,) = check_way(Identity("https://swarm.example.org", "c", "n", "k"), None)
    assert (name.mark, name.detail) == ("FAILED", "swarm.example.org: Name or service not known")


def test_behind_a_proxy_the_way_leads_to_the_proxy(unused_tcp_port):
    proxy = f"http://127.0.0.1:{unused_tcp_port}"
    way = list(check_way(Identity("https://swarm.example.org", "c", "n", "k"), proxy))
    assert [one.subject for one in way] == ["proxy", "name", "route"]
    assert not way[-1].is_good


@pytest.fixture
def certificate(tmp_path):
    """A function that makes a file with a key and a certificate for localhost."""

    def make(days):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=days, hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / "certificate.pem"
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
        return path

    return make


def shake_hands(certificate_file, trust):
    """What `check_tls` says about a server with this certificate."""
    here, there = socket.socketpair()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate_file)

    def answer():
        try:
            with server_side.wrap_socket(there, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            there.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        return check_tls(here, "localhost", trust)
    finally:
        here.close()
        thread.join()


def test_a_trusted_certificate_says_until_when_it_is_valid(certificate):
    file = certificate(days=90)
    found = shake_hands(file, ssl.create_default_context(cafile=file))
    assert found.is_good
    assert found.detail.startswith("TLSv1.3, valid until ")
    assert found.detail.endswith("(90 days)")


def test_a_certificate_that_ends_soon_is_told_before_it_hurts(certificate):
    file = certificate(days=13)
    found = shake_hands(file, ssl.create_default_context(cafile=file))
    assert (found.mark, found.remedy) == ("no", "renew the server's certificate")


def test_a_certificate_nobody_vouches_for_names_the_setting_that_would(certificate):
    found = shake_hands(certificate(days=90), ssl.create_default_context())
    assert found.mark == "FAILED"
    assert "self" in found.detail
    assert "server.ca_file" in found.remedy


@pytest.mark.parametrize(
    ("mode", "forbidden", "expected"),
    [
        (0o600, 0o066, ""),
        (0o640, 0o066, "others may read "),
        (0o620, 0o066, "others may change "),
        (0o666, 0o066, "others may read and change "),
        (0o644, 0o022, ""),
    ],
)
def test_files_that_others_can_reach_are_named(tmp_path, mode, forbidden, expected):
    file = tmp_path / "agent.json"
    file.write_text("{}")
    file.chmod(mode)
    found = check_mode(file, forbidden)
    assert found.is_good == (not expected)
    assert found.detail.startswith(expected or str(file))
    assert str(file) in found.remedy


def test_a_password_in_a_file_that_others_can_read_is_a_warning(enrolled, capsys, tmp_path):
    file = tmp_path / "agent.toml"
    file.write_text(f"[server]\nproxy = '{PASSWORD_URL}'\n")
    file.chmod(0o644)
    exit_code, answer = check(capsys, "--config", str(file))
    assert exit_code == 1
    assert f"others may read {file}" in find(answer, "privacy")[1]["detail"]
    assert "hidden" not in json.dumps(answer)
    file.chmod(0o600)
    assert [one["mark"] for one in find(check(capsys, "--config", str(file))[1], "privacy")] == [
        "ok",
        "ok",
    ]


def test_a_variable_that_means_nothing_is_a_warning(enrolled, capsys, monkeypatch):
    monkeypatch.setenv("SWARM_AGENT_LOG_LEVLE", "debug")
    exit_code, answer = check(capsys)
    assert exit_code == 0
    assert "did you mean SWARM_AGENT_LOG_LEVEL?" in find(answer, "environment")[0]["detail"]


def test_a_deny_list_that_is_not_understood_fails(enrolled, capsys):
    (enrolled.path / "deny").write_text("the cameras\n")
    exit_code, answer = check(capsys)
    assert exit_code == 1
    assert "the cameras" in find(answer, "deny list")[0]["detail"]


def test_an_agent_that_is_not_running_is_no_failure(state):
    agent, budget = check_process(state, Configuration())
    assert (agent.mark, agent.detail) == ("no", "not running")
    assert "60 MB and 1.0% of a core at rest" in budget.detail


def test_a_running_agent_tells_its_process_its_budget_and_its_last_restart(state):
    status = {"process_id": os.getpid(), "version": "9", "configuration_file": ""}
    state.write_json("status.json", status | {"budget": "no documents: memory 70 MB of 60 MB"})
    write_restart(state, 1_769_860_800, "memory 130 MB")
    with state.hold_lock():
        agent, budget, restart = check_process(state, Configuration())
    assert agent.detail == f"running as process {os.getpid()}, version 9"
    assert not budget.is_good
    assert budget.detail.startswith("no documents: memory 70 MB of 60 MB; ")
    assert restart.detail == "2026-01-31T12:00:00.000000Z: memory 130 MB"


@pytest.mark.parametrize("status", [None, {"process_id": 1}])
def test_a_status_that_is_not_there_yet_is_no_fault(state, status):
    if status is not None:
        state.write_json("status.json", status)
    with state.hold_lock():
        (agent,) = check_process(state, Configuration())
    assert agent.is_good


def test_the_spool_is_counted_while_an_agent_uses_it(state):
    assert check_spool(state, Configuration()).detail == "empty, 200 MB allowed"
    spool = Spool(state.spool_path)
    spool.add([Record("frame", "2026-01-31T12:00:00.000000Z", "x" * 900_000)])
    roomy = check_spool(state, Configuration())
    assert roomy.is_good
    assert roomy.detail == "1 records, 0.9 of 200 MB; 0 dropped, 0 refused by the server"
    small = Sources({}, None, ("state.spool_megabytes=1",)).read()
    assert not check_spool(state, small).is_good
    spool.close()
    assert check_spool(state, Configuration()).is_good


def test_a_damaged_spool_is_named(state):
    state.spool_path.write_text("no database")
    found = check_spool(state, Configuration())
    assert found.mark == "FAILED"
    assert str(state.spool_path) in found.detail


def test_values_read_well():
    assert format_value(SETTINGS["budget.memory_megabytes"], 60.0) == "60 MB"
    assert format_value(SETTINGS["collectors.disk.enabled"], False) == "no"
    assert format_value(SETTINGS["policy.denied_networks"], ()) == "none"
    assert format_value(SETTINGS["server.url"], None) == "-"
    assert hide_secret(SETTINGS["server.proxy"], PASSWORD_URL) == "http://…@proxy.example.org:3128"
    assert hide_secret(SETTINGS["server.proxy"], "http://proxy:1") == "http://proxy:1"


def test_what_is_overridden_is_a_sentence_and_what_is_equal_is_left_out():
    owner = Sources({}, None, ("collectors.disk.interval_seconds=30",)).read()
    config = Config(collectors={"disk": CollectorSettings(10)})
    slower = owner.resolve("collectors.disk.interval_seconds", config)
    assert explain_overridden(slower) == "server says 10 s"
    same = Config(collectors={"disk": CollectorSettings(30)})
    assert explain_overridden(owner.resolve("collectors.disk.interval_seconds", same)) == ""


def test_the_variable_for_command_lines_is_one_of_the_settings():
    shown = Sources({ARGUMENTS_VARIABLE: "yes"}).read().resolve("collectors.processes.arguments")
    assert shown.value is True
