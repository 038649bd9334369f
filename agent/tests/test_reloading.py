"""Settings of a running agent: read again, directed, and obeyed by a real process."""

import json
import logging
import signal
import sys

import pytest

from agent.tests.agent_process import AgentProcess, make_quick_config
from streamswarm_agent.cli import options
from streamswarm_agent.cli.main import main
from streamswarm_agent.cli.run import lower_priority
from streamswarm_agent.errors import ConfigurationRefused
from streamswarm_agent.runtime.configuration.resolution import Configuration, Sources
from streamswarm_agent.runtime.logs import direct_log
from streamswarm_agent.runtime.parts import AgentOptions, build_parts
from streamswarm_agent.runtime.reloading import reload_configuration
from streamswarm_agent.runtime.status import read_last_restart
from streamswarm_agent.spool.state import Identity

RESTARTING = """
import sys
from streamswarm_agent.runtime import budget
budget.SHORTEST_LIFE_SECONDS, budget.OBSERVE_SECONDS = 1.5, 0.5
from streamswarm_agent.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def agent(server, tmp_path):
    server.config = make_quick_config()
    started = AgentProcess(server.url, tmp_path)
    yield started
    started.end()


@pytest.fixture
def root_log():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "agent.toml"


@pytest.fixture
async def parts(kept, server, file, root_log):
    file.write_text("")
    sources = Sources({}, str(file))
    identity = Identity(server.url, "client", "edge", "k" * 52)
    configuration = sources.read().with_enrolment(identity.server_url, None)
    built = build_parts(
        kept.state, identity, AgentOptions({}, configuration, sources), on_damage=pytest.fail
    )
    yield built, sources
    await built.line.client.close()
    built.storage.close()


async def test_what_is_live_holds_at_once_and_the_rest_is_named(parts, kept, file, caplog):
    built, sources = parts
    file.write_text(
        "[log]\nlevel = 'debug'\nfile = '/x'\n[budget]\nmemory_megabytes = 90\n"
        "[policy]\ndenied_networks = ['192.0.2.0/24']\n[collectors.host]\nenabled = false\n"
    )
    caplog.set_level(logging.INFO)
    reload_configuration(built, sources, kept.state)
    assert built.budget.limits.memory_bytes == 90e6
    assert built.resolver.find_denial("192.0.2.1") is not None
    assert built.settings.read_collector("host").is_enabled is False
    assert logging.getLogger().level == logging.DEBUG
    assert "setting_needs_restart name=log.file" in caplog.text
    assert "setting_changed name=budget.memory_megabytes" in caplog.text
    assert "server.url" not in caplog.text


@pytest.mark.parametrize("broken", ["file", "deny"])
async def test_a_broken_file_is_named_and_the_former_settings_go_on(
    parts, kept, file, caplog, broken
):
    built, sources = parts
    file.write_text("[collectors.host]\nenabled = false\n")
    reload_configuration(built, sources, kept.state)
    if broken == "file":
        file.write_text("[budget]\nmemory_megabytes = 1\n")
    else:
        file.write_text("[budget]\nmemory_megabytes = 90\n")
        (kept.state.path / "deny").write_text("everything\n")
    reload_configuration(built, sources, kept.state)
    assert "configuration_refused reason=" in caplog.text
    assert {"file": "agent.toml:2", "deny": "everything"}[broken] in caplog.text
    assert built.budget.limits.memory_bytes == 60e6
    assert built.settings.read_collector("host").is_enabled is False


def test_the_log_goes_to_a_file_that_is_begun_anew_when_it_is_full(tmp_path, root_log):
    log = tmp_path / "agent.log"
    given = (f"log.file={log}", "log.file_megabytes=0.01", "log.file_count=2", "log.level=warning")
    direct_log(Sources({}, None, given).read())
    for number in range(1000):
        logging.getLogger("x").warning("line %d", number)
    logging.getLogger("x").info("quiet")
    assert sorted(path.name for path in tmp_path.glob("agent.log*")) == [
        "agent.log",
        "agent.log.1",
        "agent.log.2",
    ]
    assert all(path.stat().st_size <= 10_000 for path in tmp_path.glob("agent.log*"))
    assert "line 999" in log.read_text()
    assert "quiet" not in log.read_text()


def test_a_verbose_agent_logs_everything(root_log):
    direct_log(Configuration(), is_verbose=True)
    assert root_log.level == logging.DEBUG


def test_a_log_file_that_cannot_be_written_stops_the_start(tmp_path, root_log):
    missing = tmp_path / "none" / "agent.log"
    with pytest.raises(ConfigurationRefused, match=r"log\.file: .*No such file"):
        direct_log(Sources({}, None, (f"log.file={missing}",)).read())


def test_a_start_with_an_unknown_key_is_refused_by_name(file, capsys):
    file.write_text("[sever]\nurl = 'https://x'\n")
    assert main(["run", "--config", str(file)]) == 1
    assert "agent.toml:2: there is no setting sever.url; did you mean server.url?" in (
        capsys.readouterr().err
    )


def test_priority_is_only_ever_lowered(monkeypatch):
    steps = []
    monkeypatch.setattr("os.nice", lambda step: steps.append(step) or 5)
    lower_priority(7)
    lower_priority(3)
    assert steps == [0, 2, 0]


def test_the_state_folder_can_stand_in_the_file(file, tmp_path, monkeypatch):
    monkeypatch.delenv("SWARM_AGENT_STATE_DIR", raising=False)
    file.write_text(f"[state]\nfolder = '{tmp_path / 'elsewhere'}'\n")
    state = options.open_state(None, Sources({}, str(file)).read())
    assert state.path == tmp_path / "elsewhere"


def test_enrolling_takes_the_servers_address_from_the_file(server, file, tmp_path, monkeypatch):
    monkeypatch.setenv("SWARM_AGENT_STATE_DIR", str(tmp_path / "state"))
    file.write_text(f"[server]\nurl = '{server.url}'\n")
    assert main(["enrol", "--token", "t", "--config", str(file)]) == 0
    assert len(server.bodies("enrol")) == 1


def test_enrolling_without_an_address_says_where_it_goes(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SWARM_AGENT_STATE_DIR", str(tmp_path / "state"))
    assert main(["enrol", "--token", "t"]) == 1
    assert "--server URL or as server.url" in capsys.readouterr().err


def frames_of(server, kind):
    return [one for one in server.stored_of("frame") if one["data"]["source"]["kind"] == kind]


@pytest.mark.faults
def test_a_running_agent_reads_its_file_again_and_survives_a_broken_one(server, agent, file):
    file.write_text("[collectors.cpu]\nenabled = false\n")
    agent.start(SWARM_AGENT_CONFIG=str(file))
    assert server.wait_until(lambda seen: frames_of(seen, "agent") and frames_of(seen, "host"))
    assert frames_of(server, "cpu") == []
    file.write_text("[collectors.cpu]\nenabled = perhaps\n")
    agent.process.send_signal(signal.SIGHUP)
    assert server.wait_until(lambda _seen: "configuration_refused" in agent.log.read_text())
    file.write_text("[collectors.cpu]\ninterval_seconds = 1\n")
    agent.process.send_signal(signal.SIGHUP)
    assert server.wait_until(lambda seen: frames_of(seen, "cpu"))
    assert agent.stop() == 0
    assert (
        "agent.toml"
        in json.loads((agent.state.path / "status.json").read_text())["configuration_file"]
    )


@pytest.mark.faults
def test_an_agent_far_over_its_memory_begins_anew_and_says_why(server, agent, monkeypatch):
    server.config["collectors"]["agent"]["interval_seconds"] = 0.3
    monkeypatch.setattr(agent, "command", [sys.executable, "-c", RESTARTING, "run"])
    agent.start(SWARM_AGENT_MEMORY_MEGABYTES="20", SWARM_AGENT_RUNNING_MEMORY_MEGABYTES="20")
    first_process_id = agent.process.pid
    assert server.wait_until(
        lambda seen: any(one["data"]["key"] == "agent.restart" for one in seen.stored_of("fact"))
    )
    assert agent.process.pid == first_process_id
    assert agent.process.poll() is None
    log = agent.log.read_text()
    assert "agent_restarts reason=memory" in log
    assert log.count("agent_started") >= 2
    assert "is over the hard limit of 40 MB" in read_last_restart(agent.state)
