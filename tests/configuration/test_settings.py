"""Settings an administrator changes: checked, stored, read back, and never showing a secret."""

import io
import logging
from contextlib import suppress

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import AuditEntry
from apps.accounts.services.settings import change_settings, reset_settings
from apps.configuration.checking import check_value
from apps.configuration.definitions import BY_NAME, DEFINITIONS
from apps.configuration.models import Setting
from apps.configuration.published import SettingsChanged
from apps.configuration.sealing import open_secret, seal_secret
from apps.configuration.selectors import (
    list_settings,
    read_flag,
    read_number,
    read_secret,
    read_text,
    read_whole,
    read_words,
)
from apps.configuration.services import forget_settings, store_settings
from apps.core import bus
from apps.core.errors import Invalid
from tests.factories.accounts import bearer, make_token, make_user

SECRET = "hunter2 is no password"

WRONG = [
    ("smtp_server", "http://mail.example.org", "must be a host name"),
    ("smtp_server", "a b", "must be a host name"),
    ("smtp_server", 5, "must be text"),
    ("smtp_port", 0, "from 1 to 65535"),
    ("smtp_port", 65536, "from 1 to 65535"),
    ("smtp_port", 25.5, "whole number"),
    ("smtp_port", True, "whole number"),
    ("smtp_security", "ssl", "must be one of starttls, tls, none"),
    ("smtp_user", "a\r\nb", "one line without control characters"),
    ("smtp_user", "x" * 501, "at most 500 characters"),
    ("smtp_password", "a\nb", "one line without control characters"),
    ("mail_sender", "swarm", "e-mail address"),
    ("alert_recipients", "ann@example.org", "must be a list"),
    ("alert_recipients", ["ann@example.org", "bob"], "'bob' is not"),
    ("alert_recipients", [f"a{number}@example.org" for number in range(51)], "at most 50"),
    ("alert_cooldown_minutes", -1, "from 0 to 10080 min"),
    ("cpu_threshold_percent", 0.5, "from 1 to 100 %"),
    ("cpu_threshold_percent", 101, "from 1 to 100 %"),
    ("cpu_threshold_percent", float("nan"), "must be a number"),
    ("cpu_threshold_percent", "80", "must be a number"),
    ("bandwidth_threshold_mbps", 0, "from 0.001 to 1000000 Mbit/s"),
    ("ping_timeout_seconds", 31, "from 0.01 to 30 s"),
    ("host_interval_seconds", 0.5, "from 1 to 3600 s"),
    ("network_interval_seconds", 4000, "from 1 to 3600 s"),
    ("session_idle_minutes", 721, "from 1 to 720 min"),
    ("admin_two_factor_required", "yes", "must be true or false"),
    ("no_such_setting", 1, "is no setting of this server"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value", "rule"), WRONG)
def test_a_wrong_value_is_refused_with_its_limit_and_nothing_is_stored(name, value, rule):
    with pytest.raises(Invalid) as caught:
        store_settings(values={"disk_threshold_percent": 50, name: value})
    (error,) = caught.value.errors
    assert error.field == name
    assert rule in error.detail
    assert not Setting.objects.exists()


@pytest.mark.django_db
def test_each_wrong_value_is_named():
    with pytest.raises(Invalid) as caught:
        store_settings(values={"smtp_port": 0, "x": 1, "cpu_threshold_percent": 0})
    assert [error.field for error in caught.value.errors] == [
        "smtp_port",
        "x",
        "cpu_threshold_percent",
    ]


REFUSED = object()


def try_value(definition, value):
    with suppress(ValueError):
        return check_value(definition, value)
    return REFUSED


@given(value=st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.booleans(),
                       st.lists(st.text(max_size=5), max_size=3)))  # fmt: skip
def test_a_checked_value_passes_the_check_again(value):
    for definition in DEFINITIONS:
        kept = try_value(definition, value)
        assert kept is REFUSED or check_value(definition, kept) == kept


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda one: one.name)
def test_every_seed_is_a_right_value(definition, settings):
    seed = settings.SWARM_SEEDS[definition.name]
    kept = check_value(definition, seed)
    assert (list(kept) if isinstance(kept, tuple) else kept) == (
        list(seed) if isinstance(seed, tuple) else seed
    )


@pytest.mark.django_db
def test_the_environment_holds_until_somebody_changes_it_and_after_a_reset(settings):
    settings.SWARM_SEEDS = {**settings.SWARM_SEEDS, "cpu_threshold_percent": 70.0}
    assert read_number("cpu_threshold_percent") == 70
    store_settings(values={"cpu_threshold_percent": 60})
    assert read_number("cpu_threshold_percent") == 60
    forget_settings(names=["cpu_threshold_percent"])
    assert read_number("cpu_threshold_percent") == 70


@pytest.mark.django_db
def test_each_kind_is_read_back_as_what_it_is():
    store_settings(
        values={
            "admin_two_factor_required": True,
            "smtp_port": 2525.0,
            "cpu_threshold_percent": 70,
            "smtp_server": " mail.example.org ",
            "alert_recipients": ["ann@example.org", " ann@example.org", ""],
            "smtp_password": f" {SECRET} ",
        }
    )
    assert read_flag("admin_two_factor_required") is True
    assert read_whole("smtp_port") == 2525
    assert read_number("cpu_threshold_percent") == 70.0
    assert read_text("smtp_server") == "mail.example.org"
    assert read_words("alert_recipients") == ("ann@example.org",)
    assert read_secret("smtp_password") == f" {SECRET} "


@pytest.mark.django_db(transaction=True)
def test_a_change_is_published_after_the_commit(monkeypatch):
    seen = []
    monkeypatch.setitem(bus._subscribers, SettingsChanged, [seen.append])
    store_settings(values={"smtp_port": 25, "smtp_user": "x"})
    forget_settings(names=["smtp_port"])
    assert seen == [SettingsChanged(("smtp_port", "smtp_user")), SettingsChanged(("smtp_port",))]


@pytest.mark.django_db
@pytest.mark.parametrize("stored", [0, 1e9, "many", [], True])
def test_a_stored_value_that_is_wrong_now_gives_way_to_the_seed_and_is_logged(stored, caplog):
    Setting.objects.create(name="smtp_port", value=stored, changed_at="2026-01-01T00:00:00Z")
    with caplog.at_level(logging.WARNING):
        assert read_whole("smtp_port") == 587
    assert "setting_unusable" in caplog.text


@pytest.mark.django_db
def test_a_secret_stands_encrypted_and_needs_this_servers_key(settings, caplog):
    store_settings(values={"smtp_password": SECRET})
    stored = Setting.objects.get(name="smtp_password").value
    assert SECRET not in stored
    assert open_secret(stored) == SECRET
    settings.SECRET_KEY = "another " * 8
    with caplog.at_level(logging.WARNING):
        assert read_secret("smtp_password") == ""
    assert "another signing key" in caplog.text
    assert SECRET not in caplog.text


@given(secret=st.text(max_size=60).filter(lambda text: text.isprintable()))
def test_a_sealed_secret_opens_again(secret):
    assert open_secret(seal_secret(secret)) == secret


@pytest.mark.django_db
def test_changes_are_audited_with_before_and_after_and_secrets_hidden():
    change_settings(values={"smtp_port": 25, "smtp_password": SECRET})
    change_settings(values={"smtp_port": 25, "smtp_password": f"{SECRET}!"})
    reset_settings(names=["smtp_port", "smtp_user"])
    entries = list(AuditEntry.objects.order_by("id"))
    assert [(entry.action, entry.object_id) for entry in entries] == [
        ("change", "smtp_port"),
        ("change", "smtp_password"),
        ("change", "smtp_password"),
        ("reset", "smtp_port"),
        ("change", "smtp_password"),
    ]
    assert (entries[0].before, entries[0].after) == ({"smtp_port": 587}, {"smtp_port": 25})
    assert entries[1].before == {"smtp_password": ""}
    assert entries[2].before == entries[2].after == {"smtp_password": "[hidden]"}
    assert entries[3].after == {"smtp_port": 587}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [{"smtp_server": "other.example.org"}, {"smtp_port": 25}, {"smtp_security": "none"}],
)
def test_the_password_of_one_mail_server_does_not_go_to_another(settings, change):
    change_settings(values={"smtp_server": "mail.example.org", "smtp_password": SECRET})
    change_settings(values={"smtp_user": "ann", "smtp_port": 587})
    assert read_secret("smtp_password") == SECRET
    change_settings(values=change)
    assert read_secret("smtp_password") == ""
    entry = AuditEntry.objects.first()
    assert (entry.object_id, entry.after) == ("smtp_password", {"smtp_password": ""})
    change_settings(values={"smtp_port": 2525, "smtp_password": f"{SECRET}!"})
    assert read_secret("smtp_password") == f"{SECRET}!"


@pytest.mark.django_db
def test_the_environments_password_is_for_the_environments_server_alone(settings):
    settings.SWARM_SEEDS = {**settings.SWARM_SEEDS, "smtp_password": "seed secret"}
    change_settings(values={"smtp_server": "other.example.org"})
    assert read_secret("smtp_password") == ""
    reset_settings(names=["smtp_server"])
    assert read_secret("smtp_password") == "seed secret"


@pytest.mark.django_db
def test_resetting_a_setting_that_does_not_exist_is_refused_by_name():
    with pytest.raises(Invalid) as caught:
        reset_settings(names=["smtp_port", "nothing"])
    assert [error.field for error in caught.value.errors] == ["nothing"]


@pytest.mark.django_db
def test_the_list_never_holds_a_secret(settings):
    settings.SWARM_SEEDS = {**settings.SWARM_SEEDS, "smtp_password": "seed secret"}
    store_settings(values={"smtp_password": SECRET})
    states = {state.definition.name: state for state in list_settings()}
    assert list(states) == list(BY_NAME)
    assert (states["smtp_password"].value, states["smtp_password"].seed) == (True, True)
    assert SECRET not in repr(list(states.values()))


def run(*arguments):
    screen = io.StringIO()
    call_command("setting", *arguments, stdout=screen)
    return screen.getvalue()


@pytest.mark.django_db
def test_the_command_line_changes_shows_and_resets(monkeypatch):
    run("set", "cpu_threshold_percent", "65.5")
    run("set", "alert_recipients", "ann@example.org, bob@example.org")
    run("set", "admin_two_factor_required", "no")
    monkeypatch.setattr("builtins.input", lambda: SECRET)
    run("set", "smtp_password", "-")
    assert run("get", "cpu_threshold_percent") == "65.5\n"
    assert run("get", "alert_recipients") == "ann@example.org,bob@example.org\n"
    assert run("get", "smtp_password") == "(set, hidden)\n"
    listed = run("list")
    assert len(listed.splitlines()) == len(DEFINITIONS)
    assert SECRET not in listed
    assert read_secret("smtp_password") == SECRET
    run("reset", "cpu_threshold_percent")
    assert run("get", "cpu_threshold_percent") == "80.0\n"
    assert set(AuditEntry.objects.values_list("via", flat=True)) == {AuditEntry.Via.COMMAND}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "smtp_port", "0"), "smtp_port: must be from 1 to 65535"),
        (("set", "smtp_port", "many"), "smtp_port: must be a whole number"),
        (("set", "admin_two_factor_required", "perhaps"), "must be true or false"),
        (("set", "nothing", "1"), "nothing: is no setting of this server"),
        (("get", "nothing"), "nothing: is no setting of this server"),
        (("reset", "nothing"), "nothing: is no setting of this server"),
    ],
)
def test_the_command_line_names_what_is_wrong(arguments, said):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert said in str(caught.value)


@pytest.fixture
def ann(db):
    user = make_user("ann", "admin")
    user.email = "ann@example.org"
    user.save()
    return user


@pytest.fixture
def api(client, ann):
    secret = make_token(ann, "admin")

    def ask(method, path="", **options):
        options = {"content_type": "application/json", **options}
        return getattr(client, method)(f"/api/v1/settings/{path}", **options, **bearer(secret))

    return ask


def by_name(answer):
    assert answer.status_code == 200, answer.content
    return {row["name"]: row for row in answer.json()}


def test_the_api_changes_shows_and_resets_without_a_secret(api):
    changed = api("patch", data={"smtp_port": 25, "smtp_password": SECRET})
    rows = by_name(changed)
    assert rows["smtp_port"]["value"] == 25
    assert rows["smtp_port"]["environment_value"] == 587
    assert (rows["smtp_port"]["origin"], rows["smtp_port"]["changed_by"]) == ("changed", "ann")
    assert (rows["smtp_password"]["value"], rows["smtp_password"]["is_set"]) == (None, True)
    assert rows["smtp_user"]["origin"] == "built_in"
    assert SECRET not in changed.content.decode() + api("get").content.decode()
    rows = by_name(api("patch", data={"smtp_port": None, "smtp_user": "robot"}))
    assert (rows["smtp_port"]["value"], rows["smtp_port"]["changed_by"]) == (587, "")
    assert rows["smtp_user"]["value"] == "robot"


def test_the_api_says_which_variable_gives_a_value(api, settings):
    settings.SWARM_SEED_ORIGINS = {**settings.SWARM_SEED_ORIGINS, "smtp_port": "SMTP_PORT"}
    row = by_name(api("get"))["smtp_port"]
    assert (row["origin"], row["variable"]) == ("environment", "SMTP_PORT")


@pytest.mark.parametrize(
    ("body", "field"),
    [({"smtp_port": 0}, "smtp_port"), ({"nothing": 1}, "nothing"), ({"nothing": None}, "nothing"),
     ([], "body"), ("x", "body")],
)  # fmt: skip
def test_the_api_names_what_is_wrong(api, body, field):
    answer = api("patch", data=body)
    assert answer.status_code == 400
    assert answer.json()["data"]["errors"][0]["field"] == field
    assert not Setting.objects.exists()


def test_an_administrator_of_one_site_has_no_say_in_the_servers_settings(client, db):
    secret = make_token(make_user("sid", "admin", site="vienna"), "admin")
    assert client.get("/api/v1/settings/", **bearer(secret)).status_code == 403


def test_a_test_message_goes_to_oneself_or_to_the_recipients(api, mail_server):
    mailbox = mail_server()
    assert api("post", "mail-test/").json() == {"sent_to": ["ann@example.org"]}
    store_settings(values={"alert_recipients": ["ops@example.org"]})
    answer = api("post", "mail-test/", data={"to": "alert_recipients"})
    assert answer.json() == {"sent_to": ["ops@example.org"]}
    assert [one.rcpt_tos for one in mailbox.envelopes] == [["ann@example.org"], ["ops@example.org"]]


@pytest.mark.parametrize(
    ("to", "email", "code"),
    [("me", "", "no_address"), ("alert_recipients", "ann@example.org", "no_address"),
     ("me", "ann@example.org", "mail_not_configured")],
)  # fmt: skip
def test_a_test_message_says_what_is_missing(api, ann, to, email, code):
    ann.email = email
    ann.save()
    answer = api("post", "mail-test/", data={"to": to})
    assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_a_test_message_to_somebody_else_is_refused(api):
    answer = api("post", "mail-test/", data={"to": "eve@example.org"})
    assert answer.status_code == 400
    assert answer.json()["data"]["errors"][0]["field"] == "to"
