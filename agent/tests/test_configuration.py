"""Who says what about a setting, whose word counts, and what is refused."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.collectors import COLLECTORS
from streamswarm_agent.errors import ConfigurationRefused
from streamswarm_agent.runtime.configuration import sources as configuration_sources
from streamswarm_agent.runtime.configuration.kinds import Choice, Networks, Number, Switch
from streamswarm_agent.runtime.configuration.resolution import Configuration, Sources
from streamswarm_agent.runtime.configuration.sources import (
    find_line,
    list_unknown_variables,
    read_server,
)
from streamswarm_agent.runtime.configuration.table import SETTINGS, Origin, Rule
from streamswarm_agent.wire.messages import CollectorSettings, Config


@pytest.fixture
def say(tmp_path):
    """The configuration that a file, variables and options make."""

    def read(file="", environment=None, options=()):
        path = tmp_path / "agent.toml"
        path.write_text(file)
        return Sources(environment or {}, str(path), tuple(options)).read()

    return read


def refusal(say, **said):
    with pytest.raises(ConfigurationRefused) as caught:
        say(**said)
    return str(caught.value)


def test_without_a_word_the_built_in_values_hold():
    configuration = Configuration()
    assert configuration.read_number("budget.memory_megabytes") == 60
    assert configuration.read_number("budget.cpu_percent") == 1
    assert configuration.read_text("server.proxy") is None
    assert configuration.resolve("log.level").origins == ()


def test_the_command_line_is_stronger_than_environment_file_and_enrolment(say):
    file = '[server]\nurl = "https://file.example.org"\n'
    environment = {"SWARM_AGENT_SERVER": "https://environment.example.org"}
    options = ["server.url=https://option.example.org"]
    everybody = say(file, environment, options).with_enrolment("https://old.example.org", None)
    resolved = everybody.resolve("server.url")
    assert resolved.value == "https://option.example.org"
    assert [one.origin for one in resolved.overridden] == [
        Origin.ENVIRONMENT,
        Origin.FILE,
        Origin.ENROLMENT,
    ]
    assert say(file, environment).read_text("server.url") == "https://environment.example.org"
    with_file = say(file).with_enrolment("https://old.example.org", None)
    assert with_file.read_text("server.url") == "https://file.example.org"
    enrolled = Configuration().with_enrolment("https://old.example.org", "/ca.pem")
    assert enrolled.read_text("server.url") == "https://old.example.org"
    assert enrolled.read_text("server.ca_file") == "/ca.pem"


def test_a_value_knows_the_place_that_says_it(say, tmp_path):
    configuration = say("# ours\n\n[log]\nlevel = 'debug'\n", {"SWARM_AGENT_NICENESS": "5"})
    assert configuration.resolve("log.level").origins[0].place == f"{tmp_path / 'agent.toml'}:4"
    assert configuration.resolve("process.niceness").origins[0].place == "SWARM_AGENT_NICENESS"


@pytest.mark.parametrize(
    ("owner_seconds", "server_seconds", "in_force"), [(30, 10, 30), (10, 30, 30), (10, 10, 10)]
)
def test_the_owner_can_only_slow_a_collector_down(say, owner_seconds, server_seconds, in_force):
    configuration = say(f"[collectors.disk]\ninterval_seconds = {owner_seconds}\n")
    config = Config(collectors={"disk": CollectorSettings(server_seconds)})
    assert configuration.judge_collector("disk", config).interval_seconds == in_force
    resolved = configuration.resolve("collectors.disk.interval_seconds", config)
    assert len(resolved.overridden) == 1


@pytest.mark.parametrize("owner", [True, False])
@pytest.mark.parametrize("server", [True, False])
def test_a_collector_is_read_only_when_both_sides_want_it(say, owner, server):
    configuration = say(options=[f"collectors.disk.enabled={owner}"])
    config = Config(collectors={"disk": CollectorSettings(10, is_enabled=server)})
    assert configuration.judge_collector("disk", config).is_enabled == (owner and server)


def test_a_collector_that_nobody_names_keeps_its_own_pace():
    assert Configuration().judge_collector("processes", Config()) == CollectorSettings(60)
    assert Configuration().judge_collector("host", Config()) == CollectorSettings(10)


def test_a_collector_of_the_future_obeys_the_server():
    config = Config(collectors={"quantum": CollectorSettings(5, is_enabled=False)})
    assert Configuration().judge_collector("quantum", config) == config.collectors["quantum"]


def test_denied_networks_are_united_and_the_server_lifts_none(say):
    configuration = say(
        '[policy]\ndenied_networks = ["10.0.0.0/8"]\n',
        {"SWARM_AGENT_DENY": "192.0.2.1, 10.0.0.0/8"},
    )
    assert configuration.read_networks() == ("192.0.2.1", "10.0.0.0/8", "10.0.0.0/8")
    allowing = configuration.resolve("policy.denied_networks", Config(denied_networks=()))
    assert allowing.value == ("192.0.2.1", "10.0.0.0/8")
    adding = configuration.resolve("policy.denied_networks", Config(denied_networks=("::/0",)))
    assert adding.value == ("192.0.2.1", "10.0.0.0/8", "::/0")
    assert {one.origin for one in adding.origins} == {
        Origin.ENVIRONMENT,
        Origin.FILE,
        Origin.SERVER,
    }
    unheard = configuration.resolve("policy.denied_networks")
    assert set(Config().denied_networks) < set(unheard.value)


def test_what_the_server_alone_decides_comes_from_nowhere_else(say):
    config = Config(heartbeat_seconds=7)
    assert Configuration().resolve("timing.heartbeat_seconds", config).value == 7
    message = refusal(say, file="[timing]\nheartbeat_seconds = 5\n")
    assert "agent.toml:2: timing.heartbeat_seconds is decided by the server alone" in message
    for setting in SETTINGS.values():
        assert (setting.variable == "") == (setting.rule is Rule.SERVER)


def test_the_servers_word_on_a_collector_this_agent_has_not_is_left_out():
    config = Config(collectors={"quantum": CollectorSettings(5)})
    assert all("quantum" not in one.setting.name for one in read_server(config))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "[log]\nlvel = 'info'\n",
            "agent.toml:2: there is no setting log.lvel; did you mean log.le",
        ),
        ("colour = 1\n", "agent.toml:1: there is no setting colour"),
        ("[colectors.disk]\nenabled = true\n", "did you mean collectors.disk.enabled"),
        ("[collectors.telepathy]\nenabled = true\n", "no setting collectors.telepathy.enabled"),
        ("[nothing]\n", "agent.toml:1: there is no setting nothing"),
        ("log = 'info'\n", "agent.toml:1: there is no setting log"),
        ("[log]\nlevel = 'loud'\n", "agent.toml:2: log.level: 'loud' must be one of debug, info"),
        ("[log]\nlevel = 3\n", "log.level: 3 must be one of"),
        ("[log]\nfile = ' '\n", "log.file: ' ' must be a file"),
        ("[budget]\nmemory_megabytes = 5\n", "5 must be a number from 20 to 10000"),
        ("[budget]\nmemory_megabytes = '60'\n", "'60' must be a number from 20 to 10000"),
        ("[budget]\ncpu_percent = true\n", "budget.cpu_percent: True must be a number"),
        ("[budget]\ncpu_percent = nan\n", "budget.cpu_percent: nan must be a number from 0.1"),
        ("[process]\nniceness = 2.5\n", "2.5 must be a whole number from 0 to 19"),
        ("[collectors.disk]\nenabled = 'yes'\n", "'yes' must be true or false"),
        ("[collectors.disk]\ninterval_seconds = 0\n", "0 must be a number from 1 to 86400"),
        ("[policy]\ndenied_networks = '10.0.0.0/8'\n", "must be a list of networks"),
        ("[policy]\ndenied_networks = ['office']\n", "'office' must be a list of networks"),
        ("[policy]\ndenied_networks = [7]\n", "7 must be a list of networks"),
        ("[server]\nurl = 'swarm'\n", "'swarm' must be a URL like https://swarm.example.org"),
        ("[server]\nurl = 'https://'\n", "must be a URL"),
        ("[server]\nurl = 'https://a:b'\n", "must be a URL"),
        ("[log\n", "agent.toml: "),
        ("[[log]]\nlevel = 'info'\n", "there is no setting log"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line_and_its_limit(say, file, expected):
    assert expected in refusal(say, file=file)


def test_a_mistake_in_a_variable_or_an_option_is_named(say):
    environment = {"SWARM_AGENT_CPU_PERCENT": "much"}
    assert "SWARM_AGENT_CPU_PERCENT: budget.cpu_percent: 'much' must be a number" in refusal(
        say, environment=environment
    )
    assert "--set log.lvl: there is no setting" in refusal(say, options=["log.lvl=info"])
    assert "must look like NAME=VALUE" in refusal(say, options=["log.level"])
    assert "process.niceness: 'x' must be a whole number" in refusal(
        say, options=["process.niceness=x"]
    )


def test_a_refused_password_is_not_repeated(say):
    message = refusal(say, environment={"SWARM_AGENT_PROXY": "ftp://me:hidden@proxy"})
    assert "server.proxy: must be a URL" in message
    assert "hidden" not in message
    assert "hidden" not in refusal(say, options=["server.proxy=ftp://me:hidden@proxy"])


def test_a_file_that_was_asked_for_must_be_there(tmp_path):
    for sources in (
        Sources({}, str(tmp_path / "none.toml")),
        Sources({"SWARM_AGENT_CONFIG": str(tmp_path / "none.toml")}),
    ):
        with pytest.raises(ConfigurationRefused, match=r"none\.toml: No such file"):
            sources.read()


def test_the_usual_file_counts_when_it_is_there(tmp_path, monkeypatch):
    usual = tmp_path / "agent.toml"
    monkeypatch.setattr(configuration_sources, "DEFAULT_FILE", usual)
    assert Sources({}).read().file is None
    usual.write_text("[log]\nlevel = 'error'\n")
    assert Sources({}).read().read_text("log.level") == "error"
    other = tmp_path / "other.toml"
    other.write_text("")
    assert Sources({"SWARM_AGENT_CONFIG": str(other)}).read().file == other


def test_an_empty_variable_says_nothing(say):
    assert say(environment={"SWARM_AGENT_LOG_LEVEL": " "}).resolve("log.level").origins == ()


def test_variables_that_mean_nothing_are_listed():
    environment = {"SWARM_AGENT_MEMROY_MEGABYTES": "1", "SWARM_AGENT_DENY": "", "HOME": "/"}
    assert list_unknown_variables(environment) == [
        "SWARM_AGENT_MEMROY_MEGABYTES means nothing; did you mean SWARM_AGENT_MEMORY_MEGABYTES?"
    ]


@pytest.mark.parametrize("text", ["true", "Yes", " on ", "1"])
def test_a_switch_is_read_from_common_words(text):
    assert Switch().accept(Switch().read_text(text)) is True
    with pytest.raises(ConfigurationRefused, match="true or false"):
        Switch().accept(Switch().read_text("perhaps"))


def test_networks_are_read_with_commas_between_them():
    kind = Networks()
    assert kind.accept(kind.read_text("10.0.0.0/8,, ::1 ")) == ("10.0.0.0/8", "::1")


def test_a_choice_ignores_case():
    assert Choice(("debug", "info")).accept("DEBUG") == "debug"


@given(st.floats(), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_number_is_taken_exactly_within_its_limits(value, one_end, other_end):
    kind = Number(min(one_end, other_end), max(one_end, other_end))
    is_within = math.isfinite(value) and kind.lowest <= value <= kind.highest
    if is_within:
        assert kind.accept(value) == value
    else:
        with pytest.raises(ConfigurationRefused, match=re.escape(kind.expectation)):
            kind.accept(value)


def test_a_line_is_found_in_every_way_toml_is_written():
    text = 'a.b = 1\n["c"]\n"d" = 2\n[e]\nf = {g = 3}\n[h]\n'
    assert [find_line(text, name) for name in ("a.b", "c.d", "e.f.g", "h", "i")] == [
        1, 3, 5, 6, None,
    ]  # fmt: skip


def test_every_collector_has_its_settings_and_every_variable_one_meaning():
    for name in (*COLLECTORS, "agent"):
        assert f"collectors.{name}.enabled" in SETTINGS
        assert f"collectors.{name}.interval_seconds" in SETTINGS
    variables = [setting.variable for setting in SETTINGS.values() if setting.variable]
    assert len(variables) == len(set(variables))


def test_every_built_in_value_is_one_its_kind_takes():
    for setting in SETTINGS.values():
        if setting.built_in is not None:
            assert setting.kind.accept(setting.built_in) == setting.built_in


def test_the_readme_lists_exactly_the_settings_with_variables_limits_and_reloading():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    table = readme.partition("| in the file |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `([\w.*]+)`( \*)?.*$", table, re.MULTILINE))
    lines = {line.split("`")[1]: line for line in table.splitlines() if line.startswith("| `")}
    expected = {_name_in_readme(setting): setting for setting in SETTINGS.values()}
    assert set(rows) == set(expected)
    for name, setting in expected.items():
        assert bool(rows[name]) == setting.is_live
        if setting.variable and "NAME" not in name:
            assert f"`{setting.variable}`" in lines[name]
        if isinstance(setting.kind, Number) and setting.rule is not Rule.SERVER:
            limits = f"{setting.kind.lowest:,}-{setting.kind.highest:,}"
            assert limits in lines[name], name
    assert "`, `".join((*COLLECTORS, "agent")) in readme


def _name_in_readme(setting):
    if setting.rule is Rule.SERVER:
        return "timing.*"
    is_of_every_collector = setting.name.endswith((".enabled", ".interval_seconds"))
    return (
        re.sub(r"^collectors\.\w+", "collectors.NAME", setting.name)
        if (is_of_every_collector)
        else setting.name
    )
