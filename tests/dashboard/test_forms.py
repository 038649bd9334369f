"""Forms: limits are named at the field, nothing typed is lost, services do the work."""

from datetime import UTC, datetime

import pytest

from apps.accounts.models import AuditEntry
from apps.clients.models import Client, EnrolmentToken, Key
from apps.core.clock import read_now
from apps.dashboard.forms.parameters import build_fields
from apps.dashboard.forms.wording import HELP
from apps.tests.kinds import KINDS
from apps.tests.models import Run, Test
from tests.factories.accounts import make_user
from tests.factories.clients import INVENTORY, make_client, make_key, make_site
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

PING = {
    "name": "Backbone",
    "kind": "ping",
    "target": "192.0.2.7",
    "schedule_kind": "every",
    "every_seconds": "60",
    "slip_seconds": "0",
    "duration_seconds": "10",
    "sample_interval_seconds": "1",
    "start_at": "",
    "ping-interval_seconds": "0.5",
    "ping-timeout_seconds": "2",
    "ping-size_bytes": "56",
    "ping-method": "auto",
    "ping-tcp_port": "443",
    "ping-ip_version": "any",
    "ping-dscp": "0",
}


def errors_of(answer):
    return {name: " ".join(texts) for name, texts in answer.context["form"].errors.items()}


def test_a_test_is_made_as_typed_and_given_to_the_clients(page):
    probe = make_client()
    answer = page.post("/tests/new/", {**PING, "clients": [str(probe.id)]})
    test = Test.objects.get()
    assert answer.headers["Location"] == f"/tests/{test.id}/"
    assert (test.name, test.target.address, test.every_seconds) == ("Backbone", "192.0.2.7", 60)
    assert test.parameters["interval_seconds"] == 0.5
    assert [row.client for row in test.assignments.all()] == [probe]
    assert AuditEntry.objects.filter(action="create", actor_label="root", via="ui").exists()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_made_with_what_its_form_offers(page, kind):
    fields = build_fields(KINDS[kind])
    offered = {name: field.initial for name, field in fields.items() if field.initial is not None}
    needed = {"tcp-port": 443, "dns-name": "example.com"}
    targets = {"url": "https://example.com/", "agent": ""}
    target = targets.get(KINDS[kind].target_form, "192.0.2.7")
    wanted = {**PING, **needed, **offered, "kind": kind, "target": target, "topology": "mesh"}
    page.post("/tests/new/", wanted)
    test = Test.objects.get()
    assert test.parameters == KINDS[kind].fill_defaults(
        {name.partition("-")[2]: value for name, value in needed.items() if name in fields}
    )


def test_an_unticked_box_means_no(page):
    wanted = {**PING, "kind": "http", "target": "https://example.com/"}
    page.post("/tests/new/", wanted)
    assert Test.objects.get().parameters["is_certificate_verified"] is False


@pytest.mark.parametrize(
    ("changes", "field", "limit"),
    [
        ({"name": ""}, "name", "required"),
        ({"name": "x" * 101}, "name", "100"),
        ({"target": "not a host"}, "target", "neither a host name"),
        ({"kind": "nonsense"}, "kind", "nonsense"),
        ({"duration_seconds": "0.5"}, "duration_seconds", "from 1 to 86400 seconds"),
        ({"duration_seconds": "ten"}, "duration_seconds", "number"),
        ({"sample_interval_seconds": "0.1"}, "sample_interval_seconds", "from 0.2 to 3600"),
        ({"sample_interval_seconds": "30"}, "sample_interval_seconds", "duration (10 s)"),
        ({"every_seconds": "5"}, "every_seconds", "from 10 to"),
        ({"every_seconds": ""}, "every_seconds", "needed"),
        ({"slip_seconds": "55"}, "slip_seconds", "from 0 to 50"),
        ({"start_at": "someday"}, "start_at", "valid date"),
        ({"ping-interval_seconds": "0.001"}, "ping-interval_seconds", "0.01"),
        ({"ping-size_bytes": "9000"}, "ping-size_bytes", "8972"),
        ({"ping-size_bytes": "many"}, "ping-size_bytes", "whole number"),
        ({"ping-method": "magic"}, "ping-method", "magic"),
        ({"clients": "00000000-0000-4000-8000-000000000000"}, "clients", "not one of"),
    ],
)
def test_a_wrong_field_names_its_limit_and_all_that_was_typed_stays(page, changes, field, limit):
    typed = {**PING, **changes}
    answer = page.post("/tests/new/", typed)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert limit in errors_of(answer)[field]
    assert not Test.objects.exists()
    for name in ("name", "target", "every_seconds", "ping-timeout_seconds"):
        assert not typed[name] or f'value="{typed[name]}"' in text


def test_all_that_is_out_of_its_limits_is_named_at_once(page):
    wrong = {
        "target": "not a host",
        "duration_seconds": "0.5",
        "ping-interval_seconds": "0",
        "ping-dscp": "64",
    }
    assert set(errors_of(page.post("/tests/new/", {**PING, **wrong}))) == set(wrong)


def test_a_text_parameter_has_limits_too(page):
    wanted = {**PING, "kind": "http", "target": "https://example.com/"}
    answer = page.post("/tests/new/", {**wanted, "http-expected_status": "fine"})
    assert "does not match" in errors_of(answer)["http-expected_status"]


def test_nan_is_no_number(page):
    answer = page.post("/tests/new/", {**PING, "every_seconds": "nan"})
    assert "number" in errors_of(answer)["every_seconds"]


def test_a_taken_name_is_said_at_the_name(page):
    page.post("/tests/new/", PING)
    answer = page.post("/tests/new/", PING)
    assert "Another test is called" in errors_of(answer)["name"]
    assert Test.objects.count() == 1


def test_another_kind_shows_its_parameters_and_keeps_what_was_typed_for_the_first(page):
    answer = page.post("/tests/parameters/", {**PING, "kind": "dns"})
    text = answer.content.decode()
    assert 'name="dns-record_type"' in text
    assert '<input type="hidden" name="ping-interval_seconds" value="0.5">' in text
    back = page.post("/tests/parameters/", {**PING, "kind": "ping", "dns-name": "example.com"})
    assert 'name="ping-interval_seconds" value="0.5"' in back.content.decode()
    assert '<input type="hidden" name="dns-name" value="example.com">' in back.content.decode()


def test_the_target_typed_survives_another_kind(page):
    answer = page.post("/tests/parameters/", {**PING, "kind": "tcp"})
    assert 'value="192.0.2.7"' in answer.content.decode()


def test_a_look_at_the_clients_own_host_asks_for_no_target(page):
    answer = page.post("/tests/parameters/", {**PING, "kind": "host"})
    assert 'id="id_target"' not in answer.content.decode()
    assert 'type="hidden" name="target" value="192.0.2.7"' in answer.content.decode()
    page.post("/tests/new/", {**PING, "kind": "host", "target": "192.0.2.7", "host-part": "cpu"})
    assert Test.objects.get().target.address == "agent"


def test_editing_keeps_the_first_start_and_begins_a_new_revision(page):
    assignment = make_assignment(make_client())
    test = assignment.test
    answer = page.post(f"/tests/{test.id}/edit/", {**PING, "clients": [str(assignment.client_id)]})
    changed = Test.objects.get()
    assert answer.headers["Location"] == f"/tests/{test.id}/"
    assert (changed.name, changed.start_at) == ("Backbone", test.start_at)
    assert changed.schedule_revision > test.schedule_revision


def test_a_start_is_read_in_the_users_time_zone(client):
    user = make_user("tokyo", "admin")
    user.time_zone = "Asia/Tokyo"
    user.save()
    client.force_login(user)
    client.post("/tests/new/", {**PING, "schedule_kind": "once", "start_at": "2031-05-01T09:00"})
    test = Test.objects.get()
    assert test.start_at == datetime(2031, 5, 1, 0, 0, tzinfo=UTC)
    assert "09:00" in client.get(f"/tests/{test.id}/edit/").content.decode()


def test_an_operator_gives_tests_only_to_clients_in_reach(client):
    make_client("near", site="vienna")
    far = make_client("far", site="graz")
    client.force_login(make_user("otto", "operator", site="vienna"))
    assert "far" not in client.get("/tests/new/").content.decode()
    answer = client.post("/tests/new/", {**PING, "clients": [str(far.id)]})
    assert "not one of" in errors_of(answer)["clients"]


def test_a_run_is_asked_for_paused_resumed_and_stopped(page):
    assignment = make_assignment(make_client())
    path = f"/tests/{assignment.test_id}"
    page.post(f"{path}/run/")
    assert Run.objects.filter(is_on_demand=True).count() == 1
    page.post(f"{path}/pause/")
    assert Test.objects.get().is_paused
    page.post(f"{path}/resume/")
    assert not Test.objects.get().is_paused
    running = make_run(assignment, state="running")
    page.post(f"{path}/stop/")
    running.refresh_from_db()
    assert running.state == "cancelled"
    page.post(f"{path}/delete/")
    assert not Test.objects.exists()


def test_running_a_test_nobody_is_assigned_to_says_so(page):
    page.post("/tests/new/", PING)
    answer = page.post(f"/tests/{Test.objects.get().id}/run/", follow=True)
    assert "No client is assigned to this test." in answer.content.decode()


def test_a_token_shows_one_command_once_and_the_arrival_of_its_client(page, client):
    answer = page.post(
        "/clients/enrol/",
        {"name": "branch", "life": "3600", "max_uses": "1", "allowed_network": "", "site": ""},
    )
    token = EnrolmentToken.objects.get()
    secret = answer.context["command"].split("--token ")[1].split()[0]
    path = f"/clients/enrol/{token.id}/"
    assert "streamswarm-agent enrol --server http://testserver" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Waiting for your agent" in page.get(path).content.decode()
    enrol(client, secret)
    arrived = page.get(path).content.decode()
    assert "newcomer" in arrived
    assert "Waiting" not in arrived
    assert secret not in page.get("/clients/enrol/").content.decode()


def enrol(client, secret):
    body = {
        "token": secret,
        "name": "newcomer",
        "agent_version": "0.1.0",
        "inventory": INVENTORY,
    }
    answer = client.post("/api/v1/agent/enrol", body, content_type="application/json")
    assert answer.status_code == 201, answer.content


@pytest.mark.parametrize(
    ("changes", "field", "limit"),
    [
        ({"max_uses": "0"}, "max_uses", "1"),
        ({"max_uses": "10001"}, "max_uses", "10000"),
        ({"allowed_network": "192.0.2.1/33"}, "allowed_network", "192.0.2.1/33"),
        ({"name": ""}, "name", "required"),
        ({"life": "1"}, "life", "valid choice"),
    ],
)
def test_a_wrong_token_names_its_limit(page, changes, field, limit):
    typed = {"name": "x", "life": "3600", "max_uses": "1", "allowed_network": "", **changes}
    answer = page.post("/clients/enrol/", typed)
    assert limit in errors_of(answer)[field]
    assert not EnrolmentToken.objects.exists()


def test_an_operator_makes_no_token_for_a_place_out_of_reach(client):
    graz = make_site("graz")
    make_site("vienna")
    make_client("near", site="vienna")
    client.force_login(make_user("otto", "operator", site="vienna"))
    typed = {"name": "x", "life": "3600", "max_uses": "1", "allowed_network": ""}
    answers = [client.post("/clients/enrol/", {**typed, "site": str(graz.id)})]
    answers.append(client.post("/clients/enrol/", typed))
    assert ["site" in errors_of(answer) for answer in answers] == [True, True]
    assert not EnrolmentToken.objects.exists()


def test_a_client_is_renamed_moved_and_deleted(page):
    probe = make_client()
    vienna = make_site("vienna")
    page.post(f"/clients/{probe.id}/change/", {"name": "renamed", "site": str(vienna.id)})
    probe.refresh_from_db()
    assert (probe.name, probe.site) == ("renamed", vienna)
    page.post(f"/clients/{probe.id}/delete/", {"name": "renamed"})
    assert not Client.objects.filter(deleted_at=None).exists()


def test_a_name_another_client_has_is_refused_at_the_field(page):
    make_client("taken")
    probe = make_client("mine")
    answer = page.post(f"/clients/{probe.id}/change/", {"name": "taken", "site": ""})
    assert answer.status_code == 422
    assert "Another client is called" in errors_of(answer)["name"]


def test_a_new_key_is_shown_once_and_all_keys_can_be_revoked(page):
    probe = make_client()
    make_key(probe)
    answer = page.post(f"/clients/{probe.id}/rotate/")
    secret = answer.context["secret"]
    assert secret in answer.content.decode()
    assert secret not in page.get(f"/clients/{probe.id}/settings/").content.decode()
    page.post(f"/clients/{probe.id}/revoke/")
    assert not Key.objects.filter(revoked_at=None).exists()
    assert Key.objects.filter(revoked_at__lte=read_now()).count() == 2


@pytest.mark.parametrize(
    ("place", "led_to"),
    [("/tests/?q=x", "/tests/?q=x"), ("https://evil.example/", "/"), ("//evil.example", "/")],
)
def test_the_theme_is_kept_and_leads_back_to_the_page(page, admin, place, led_to):
    answer = page.post("/preferences/theme/", {"theme": "dark", "next": place})
    admin.refresh_from_db()
    assert (admin.theme, answer.headers["Location"]) == ("dark", led_to)
    assert 'data-bs-theme="dark"' in page.get("/").content.decode()


def test_an_unknown_theme_is_refused(page, admin):
    assert page.post("/preferences/theme/", {"theme": "pink"}).status_code == 400
    admin.refresh_from_db()
    assert admin.theme == "system"


def test_parameters_have_words_for_choices_and_help_beside_their_limits(page):
    html = page.post("/tests/parameters/", {"kind": "trace"}).content.decode()
    assert '<option value="icmp">ICMP</option>' in html
    assert "1 to 64 · More flows find more of the parallel paths of a load balancer." in html
    assert "0 to 63 · 0 is best effort" in html


def test_help_is_there_for_parameters_that_exist_only():
    names = {(kind.name, name) for kind in KINDS.values() for name in kind.schema["properties"]}
    known = names | {("", name) for _kind, name in names}
    assert HELP.keys() - known == set()


def test_a_default_that_is_a_whole_number_is_written_as_one(page):
    html = page.post("/tests/parameters/", {"kind": "ping"}).content.decode()
    assert 'name="ping-timeout_seconds" value="2"' in html
