"""Pages of tests: who runs them, the preview, the dry run, many at once, and quotas."""

import pytest

from apps.clients.models import Client
from apps.tests.models import Quota, Test
from apps.tests.services import choose_clients
from tests.dashboard.test_forms import PING, errors_of
from tests.factories.accounts import make_user
from tests.factories.clients import INVENTORY, make_client, make_site
from tests.factories.tests import make_assignment, make_test

pytestmark = pytest.mark.django_db

RULE = {**PING, "selection_kind": "any", "wanted_clients": "1", "sites": ["vienna"]}


@pytest.fixture
def probe():
    return make_client(site="vienna", inventory=INVENTORY, presence="online")


def text_of(answer):
    assert answer.status_code == 200, answer.content
    return " ".join(answer.content.decode().split())


def test_a_rule_is_made_by_the_form_and_shown_in_words_with_its_moves(page, probe):
    page.post("/tests/new/", RULE)
    test = Test.objects.get()
    assert [row.client for row in test.assignments.all()] == [probe]
    shown = text_of(page.get(f"/tests/{test.id}/"))
    assert "any 1 client at Vienna" in shown
    assert "+ probe-1" in shown


def test_the_form_of_a_rule_keeps_clients_that_only_the_api_names(page, probe):
    selector = {"clients": [str(probe.id)]}
    test = make_test("Backbone", selection_kind="all", selector=selector)
    page.post(f"/tests/{test.id}/edit/", {**PING, "selection_kind": "all"})
    test.refresh_from_db()
    assert test.selector["clients"] == [str(probe.id)]


@pytest.mark.parametrize(
    ("changes", "field", "limit"),
    [
        ({"wanted_clients": "0"}, "wanted_clients", "1 to 1000"),
        ({"wanted_clients": ""}, "wanted_clients", "needed"),
        ({"sites": ["nowhere"]}, "sites", "nowhere"),
        ({"schedule_kind": "cron"}, "cron_expression", "needed"),
        ({"schedule_kind": "cron", "cron_expression": "0 0 30 2 *", "time_zone": "UTC"},
         "cron_expression", "ever fires"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_said_at_its_field(page, probe, changes, field, limit):
    assert limit.lower() in errors_of(page.post("/tests/new/", {**RULE, **changes}))[field].lower()
    assert not Test.objects.exists()


def test_a_quota_is_said_at_the_clients(page, probe):
    Quota.objects.create(scope="client", tests=0)
    answer = page.post("/tests/new/", {**PING, "clients": [str(probe.id)]})
    assert "0 tests allowed" in errors_of(answer)["clients"]


def test_the_preview_names_who_would_run_it_and_the_next_starts(page, probe):
    make_client("deaf", site="vienna", inventory={"probes": []}, presence="online")
    cron = {"schedule_kind": "cron", "cron_expression": "0 2 * * *", "time_zone": "UTC"}
    shown = text_of(page.post("/tests/preview/", {**RULE, **cron, "name": ""}))
    assert "1 client would run it now" in shown
    assert "no probe for Ping" in shown
    assert shown.count("02:00") >= 5
    wrong = {**RULE, **cron, "cron_expression": "61 * * * *"}
    assert "malformed" in text_of(page.post("/tests/preview/", wrong))


def test_a_dry_run_shows_the_load_or_what_is_wrong_and_stores_nothing(page, probe):
    assert "4 packets/s" in text_of(page.post("/tests/dry-run/", RULE))
    assert "1 to 1000" in text_of(page.post("/tests/dry-run/", {**RULE, "wanted_clients": "0"}))
    assert not Test.objects.exists()


def test_chosen_tests_are_paused_and_the_list_comes_back_as_it_was(page, probe):
    tests = [make_test(name, probe) for name in "ab"]
    body = {"action": "pause", "test": [str(test.id) for test in tests]}
    answer = page.post("/tests/bulk/?kind=ping", body)
    assert answer.headers["Location"] == "/tests/?kind=ping"
    assert Test.objects.filter(is_paused=True).count() == 2
    for wrong in ({"action": "pause"}, {"action": "explode", "test": [str(tests[0].id)]}):
        assert page.post("/tests/bulk/", wrong).status_code == 302


def test_the_list_is_narrowed_by_site_and_has_pages_of_the_size_asked_for(page, probe):
    make_test("here", probe)
    make_test("nowhere")
    make_site("graz")
    rows = page.get("/tests/?site=vienna&size=25").context
    assert [row.test.name for row in rows["rows"]] == ["here"]
    assert rows["page"].paginator.per_page == 25
    assert page.get("/tests/?size=9999").context["page"].paginator.per_page == 50


def test_moves_of_clients_out_of_sight_are_only_counted(client, probe):
    make_client("secret", site="graz", inventory=INVENTORY, presence="online")
    test = make_test("Everywhere", selection_kind="all")
    choose_clients(test=test)
    client.force_login(make_user("vera", "viewer", site="vienna"))
    shown = text_of(client.get(f"/tests/{test.id}/"))
    assert "1 other" in shown
    assert "secret" not in shown


def test_a_move_says_why_a_client_went(page, probe):
    test = make_test("Everywhere", selection_kind="all", selector={"sites": ["vienna"]})
    assert probe.name in [row.client.name for row in test.assignments.all()]
    Client.objects.filter(id=probe.id).update(site=make_site("graz"))
    choose_clients(test=test)
    assert "by server · no longer matches" in text_of(page.get(f"/tests/{test.id}/"))


def test_limits_are_set_shown_and_removed_by_administrators_alone(page, client, probe):
    make_test("one", probe)
    limit = {"scope": "client", "owner": probe.name, "tests": "2"}
    assert page.post("/quotas/", limit).status_code == 302
    assert "1 / 2" in text_of(page.get("/quotas/"))
    assert "1 / 2" in text_of(page.get(f"/clients/{probe.id}/settings/"))
    wrong = page.post("/quotas/", {**limit, "owner": "nobody"})
    assert "nobody" in errors_of(wrong)["owner"]
    assert "tests" in errors_of(page.post("/quotas/", {**limit, "tests": "-1"}))
    page.post(f"/quotas/{Quota.objects.get().id}/remove/")
    assert not Quota.objects.exists()
    client.force_login(make_user("otto", "operator"))
    assert client.get("/quotas/").status_code == 403


def test_a_look_at_the_own_host_has_no_target_in_lists_and_heads(page):
    probe = make_client()
    test = make_assignment(probe, "Look", kind="host", target="agent").test
    for address in ("/tests/", "/search/?q=look", f"/clients/{probe.id}/tests/"):
        assert ">own host<" in page.get(address).content.decode(), address
    assert "<strong>agent</strong>" not in page.get(f"/tests/{test.id}/").content.decode()


def test_figures_that_no_client_has_take_no_column_from_the_others(page):
    row = make_assignment(make_client(), "Rate", kind="iperf3", target="192.0.2.1")
    address = f"/tests/{row.test.id}/"

    def list_columns():
        table = page.get(address).content.decode().partition('id="assigned"')[2]
        return table.partition("</thead>")[0].count('class="number"')

    assert list_columns() == 3
    row.last_values = {"net.throughput.udp.receive{direction=forward}": 8e6}
    row.save()
    assert list_columns() == 2
    assert "UDP to the peer" in text_of(page.get(address))
