"""Each variable that seeds the server, and what it changes there."""

import json
import os
import subprocess
import sys

import pytest

from apps.configuration.definitions import DEFINITIONS
from apps.dashboard.forms.tests import TestForm
from apps.operations.management.commands.up import describe_devices, describe_log, describe_site
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Test
from apps.tests.services import create_starter_tests
from streamswarm import env
from tests.configuration.conftest import accept_right_password
from tests.conventions import ROOT
from tests.dashboard.scene import build_scene
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import make_client, make_key
from tests.factories.wire import agent

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

# The names that people bring along from other monitors, FEATURES H11.
SEED_NAMES = (
    "DATABASE_URL", "SERVER_HOST", "SERVER_PORT", "DEFAULT_TEST_DURATION", "DEFAULT_TEST_INTERVAL",
    "SMTP_SERVER", "SMTP_PORT", "EMAIL_USER", "EMAIL_PASSWORD", "ALERT_RECIPIENTS",
    "BANDWIDTH_THRESHOLD_MBPS", "CPU_THRESHOLD_PERCENT", "MEMORY_THRESHOLD_PERCENT",
    "DISK_THRESHOLD_PERCENT", "PING_TIMEOUT_SECONDS", "NETWORK_CHECK_INTERVAL",
    "SYSTEM_CHECK_INTERVAL", "DEVICE_PING_INTERVAL", "MONITORED_DEVICES", "ALERT_COOLDOWN_MINUTES",
    "LOG_LEVEL", "LOG_FILE",
)  # fmt: skip
EFFECTS = {}


def shows_effect_of(*names):
    """Marks the test that shows what those variables change."""

    def decorate(test):
        EFFECTS.update(dict.fromkeys(names, test.__name__))
        return test

    return decorate


@pytest.fixture
def seed(settings):
    """Reads the variables as a start does, and lets their values hold."""

    def start(**variables):
        read = env.read_environment({"SWARM_VAR_DIR": str(settings.VAR_DIR), **variables})
        settings.ENVIRONMENT = read
        settings.SWARM_SEEDS = {one.name: read.values[one.variable] for one in DEFINITIONS}
        settings.SWARM_SEED_ORIGINS = {
            one.name: read.given_names[one.variable] for one in DEFINITIONS
        }

    return start


@pytest.fixture
def api(client):
    secret = make_token(make_user("ann", "admin"), "admin")

    def ask(method, path, **options):
        options = {"content_type": "application/json", **options}
        return getattr(client, method)(f"/api/v1/{path}", **options, **bearer(secret)).json()

    return ask


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


def run_program(tmp_path, *arguments, **variables):
    """A program of the server in a process of its own, with nothing else in its environment."""
    environment = {
        "PATH": os.environ["PATH"],
        "SWARM_VAR_DIR": str(tmp_path / "var"),
        "SWARM_ENV_FILE": os.devnull,
        **variables,
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@shows_effect_of("DATABASE_URL")
def test_the_database_url_chooses_the_database(tmp_path):
    path = tmp_path / "other.sqlite3"
    code = "from django.conf import settings; print(settings.DATABASES['default']['NAME'])"
    shown = run_program(tmp_path, "shell", "-v0", "-c", code, DATABASE_URL=f"sqlite:///{path}")
    assert shown.stdout.strip() == str(path), shown.stderr


@shows_effect_of("SERVER_HOST", "SERVER_PORT")
def test_the_web_server_listens_where_the_environment_says(seed):
    seed(SERVER_HOST="192.0.2.9", SERVER_PORT="8123")
    assert describe_site().address == "http://192.0.2.9:8123"


@shows_effect_of("DEFAULT_TEST_DURATION", "DEFAULT_TEST_INTERVAL")
def test_a_new_test_takes_duration_and_interval_from_the_environment(seed, api):
    seed(DEFAULT_TEST_DURATION="77", DEFAULT_TEST_INTERVAL="7")
    body = {"name": "t", "kind": "ping", "target": "127.0.0.1", "every_seconds": 100}
    made = api("post", "tests/", data=body)
    assert (made["duration_seconds"], made["sample_interval_seconds"]) == (77, 7)
    form = TestForm(user=make_user("root", "admin"))
    shown = [form[name].value() for name in ("duration_seconds", "sample_interval_seconds")]
    assert [float(value) for value in shown] == [77, 7]


@shows_effect_of("PING_TIMEOUT_SECONDS")
def test_a_new_ping_waits_as_long_as_the_environment_says(seed, api):
    seed(PING_TIMEOUT_SECONDS="3.5")
    body = {"name": "t", "kind": "ping", "target": "127.0.0.1", "every_seconds": 400}
    assert api("post", "tests/", data=body)["parameters"]["timeout_seconds"] == 3.5
    schema = api("get", "kinds/ping/")["parameters"]
    assert schema["properties"]["timeout_seconds"]["default"] == 3.5
    form = TestForm(user=make_user("root", "admin"))
    assert form["ping-timeout_seconds"].value() == 3.5
    assert KINDS["ping"].fill_defaults({"timeout_seconds": 1})["timeout_seconds"] == 1


@shows_effect_of("SMTP_SERVER", "SMTP_PORT", "EMAIL_USER", "EMAIL_PASSWORD", "ALERT_RECIPIENTS")
def test_mail_leaves_by_the_server_and_password_of_the_environment(seed, api, mail_server):
    mailbox = mail_server(
        authenticator=accept_right_password, auth_required=True, auth_require_tls=False
    )
    port = {row["name"]: row["value"] for row in api("get", "settings/")}["smtp_port"]
    api("patch", "settings/", data=dict.fromkeys(("smtp_server", "smtp_port", "smtp_security")))
    seed(
        SMTP_SERVER="127.0.0.1",
        SMTP_PORT=str(port),
        EMAIL_USER="robot@example.org",
        EMAIL_PASSWORD="right horse",
        ALERT_RECIPIENTS="ops@example.org, ann@example.org",
        SWARM_SMTP_SECURITY="none",
    )
    api("post", "settings/mail-test/", data={"to": "alert_recipients"})
    (envelope,) = mailbox.envelopes
    assert envelope.mail_from == "robot@example.org"
    assert envelope.rcpt_tos == ["ops@example.org", "ann@example.org"]


THRESHOLDS = {
    "CPU_THRESHOLD_PERCENT": "system.cpu.utilization",
    "MEMORY_THRESHOLD_PERCENT": "system.memory.utilization",
    "DISK_THRESHOLD_PERCENT": "system.filesystem.utilization",
}


@shows_effect_of(*THRESHOLDS)
@pytest.mark.parametrize("variable", THRESHOLDS)
def test_a_value_above_its_threshold_is_high_in_words(client, seed, variable):
    scene = build_scene_now()
    client.force_login(make_user("root", "admin"))
    quiet = dict.fromkeys(THRESHOLDS, "100")
    for percent, count in (("49", 1), ("50", 0)):
        seed(**{**quiet, variable: percent})
        page = client.get(f"/clients/{scene.vienna.client.id}/").content.decode()
        assert page.count('title="above ') == count
        panels = read_panels(page)
        limits = [panel["threshold"] for panel in panels if holds(panel, THRESHOLDS[variable])]
        assert limits == [float(percent) / 100]


@shows_effect_of("BANDWIDTH_THRESHOLD_MBPS")
def test_the_traffic_threshold_is_drawn_in_the_charts_of_interfaces(client, seed):
    scene = build_scene_now()
    client.force_login(make_user("root", "admin"))
    seed(BANDWIDTH_THRESHOLD_MBPS="2.5")
    panels = read_panels(client.get(f"/clients/{scene.vienna.client.id}/").content.decode())
    (panel,) = [one for one in panels if holds(one, "system.network.io.rate{direction=receive}")]
    assert panel["threshold"] == 2_500_000
    assert "2.5" in panel["threshold_text"]


def build_scene_now():
    from apps.core.clock import read_now

    return build_scene(read_now())


def read_panels(page):
    start = page.index('id="panel-specs"')
    text = page[page.index(">", start) + 1 : page.index("</script>", start)]
    return json.loads(text)


def holds(panel, key):
    return any(line["key"] == key for line in panel["lines"])


@shows_effect_of("SYSTEM_CHECK_INTERVAL", "NETWORK_CHECK_INTERVAL")
def test_agents_sample_as_often_as_the_environment_says(client, seed):
    seed(SYSTEM_CHECK_INTERVAL="21", NETWORK_CHECK_INTERVAL="13")
    answer = client.get("/api/v1/agent/config", **agent(make_key(make_client())))
    collectors = answer.json()["collectors"]
    assert collectors["interface"]["interval_seconds"] == 13
    assert {collectors[name]["interval_seconds"] for name in ("host", "cpu", "disk")} == {21}


@shows_effect_of("MONITORED_DEVICES", "DEVICE_PING_INTERVAL")
def test_monitored_devices_are_pinged_from_the_first_start_on(seed):
    seed(MONITORED_DEVICES="router=198.51.100.1, 198.51.100.7", DEVICE_PING_INTERVAL="45")
    probe = make_client()
    create_starter_tests(
        client_id=probe.id, web_url="http://127.0.0.1:8000", devices=describe_devices()
    )
    made = Test.objects.filter(target__address__startswith="198.51.100.", kind="ping")
    assert sorted(made.values_list("name", "target__address", "every_seconds")) == [
        ("198.51.100.7", "198.51.100.7", 45),
        ("router", "198.51.100.1", 45),
    ]
    assert Assignment.objects.filter(client=probe, test__in=made).count() == 2


@shows_effect_of("ALERT_COOLDOWN_MINUTES")
def test_the_quiet_time_of_notices_comes_from_the_environment(seed, api):
    seed(ALERT_COOLDOWN_MINUTES="42")
    (row,) = [row for row in api("get", "settings/") if row["name"] == "alert_cooldown_minutes"]
    assert (row["value"], row["origin"]) == (42, "environment")
    assert row["variable"] == "ALERT_COOLDOWN_MINUTES"


@shows_effect_of("LOG_FILE", "LOG_LEVEL")
def test_a_process_appends_to_the_log_file_what_its_level_lets_through(tmp_path):
    path = tmp_path / "log" / "swarm.log"
    code = (
        "import structlog; log = structlog.get_logger('test');"
        "log.info('quiet'); log.warning('loud', header='Bearer 0123456789abcdef')"
    )
    for level in ("WARNING", "INFO"):
        done = run_program(
            tmp_path, "shell", "-v0", "-c", code, LOG_FILE=str(path), LOG_LEVEL=level
        )
        assert done.returncode == 0, done.stderr
    lines = path.read_text().splitlines()
    assert [line.count("event=quiet") for line in lines] == [0, 1, 0]
    assert "0123456789abcdef" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_the_supervisor_writes_and_rotates_the_log_file_of_the_environment(seed, tmp_path):
    seed(LOG_FILE=str(tmp_path / "x.log"), SWARM_LOG_MAX_MEGABYTES="3", SWARM_LOG_KEEP="2")
    environment = describe_site().environment
    log = describe_log(env.read_environment({"LOG_FILE": str(tmp_path / "x.log")}).log_file)
    assert (log.path, log.max_megabytes, log.keep) == (tmp_path / "x.log", 3, 2)
    assert environment["SWARM_LOG_FILE"] == ""


def test_every_variable_of_the_list_has_a_test_of_its_effect():
    assert set(EFFECTS) == set(SEED_NAMES)
    read = {name for one in env.VARIABLES for name in (one.name, one.seed_name)}
    assert set(SEED_NAMES) <= read


WRONG = [
    ("SMTP_SERVER", "mail.example.org:25", "host name"),
    ("SMTP_PORT", "mail", "a number"),
    ("SMTP_PORT", "70000", "from 1 to 65535"),
    ("SWARM_SMTP_SECURITY", "ssl", "starttls, tls, none"),
    ("SWARM_MAIL_FROM", "swarm", "e-mail address"),
    ("ALERT_RECIPIENTS", "ann@example.org, bob", "e-mail address"),
    ("CPU_THRESHOLD_PERCENT", "0", "from 1 to 100 %"),
    ("MEMORY_THRESHOLD_PERCENT", "101", "from 1 to 100 %"),
    ("DISK_THRESHOLD_PERCENT", "nan", "a number"),
    ("BANDWIDTH_THRESHOLD_MBPS", "0", "from 0.001"),
    ("PING_TIMEOUT_SECONDS", "60", "from 0.01 to 30 s"),
    ("NETWORK_CHECK_INTERVAL", "0", "from 1 to 3600 s"),
    ("SYSTEM_CHECK_INTERVAL", "soon", "a number"),
    ("DEVICE_PING_INTERVAL", "1", "from 10 to 86400 seconds"),
    ("MONITORED_DEVICES", "router=", "name=address"),
    ("MONITORED_DEVICES", "=192.0.2.1", "name=address"),
    ("MONITORED_DEVICES", "a b", "name=address"),
    ("MONITORED_DEVICES", "a=192.0.2.1,a=192.0.2.2", "alike"),
    ("MONITORED_DEVICES", ",".join(f"192.0.2.{number}" for number in range(51)), "at most 50"),
    ("MONITORED_DEVICES", f"{'x' * 101}=192.0.2.1", "at most 100"),
    ("ALERT_COOLDOWN_MINUTES", "-1", "from 0 to 10080 min"),
    ("LOG_LEVEL", "LOUD", "one of DEBUG"),
    ("SWARM_LOG_MAX_MEGABYTES", "0", "from 1 to 10000"),
    ("SWARM_LOG_KEEP", "0", "from 1 to 100"),
]


@pytest.mark.parametrize(("name", "text", "rule"), WRONG)
def test_a_wrong_value_is_refused_by_name_value_and_rule(name, text, rule):
    with pytest.raises(env.WrongSettingError) as caught:
        env.read_environment({name: text})
    assert str(caught.value).startswith(f"{name}={text!r}: ")
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    "variable", [one for one in env.VARIABLES if one.seed_name], ids=lambda one: one.seed_name
)
def test_our_name_wins_over_the_older_one(variable):
    ours, older = variable.default or "", "definitely wrong \n"
    read = env.read_environment({variable.name: ours, variable.seed_name: older})
    assert read.values[variable.name] == env.read_environment({}).values[variable.name]


def test_a_start_with_a_wrong_line_in_the_file_names_it(tmp_path):
    path = tmp_path / "wrong.env"
    path.write_text("SWARM_PORT=8001\nhunter2\n")
    started = run_program(tmp_path, "up", SWARM_ENV_FILE=str(path))
    assert started.returncode == 1
    last = started.stderr.splitlines()[-1]
    assert f"{path}, line 2: must be NAME=value" in last
    assert "hunter2" not in started.stderr
