"""What pages say: figures with units, reasons for gaps, what to do next."""

import json
from datetime import timedelta

import pytest

from apps.clients.models import Client
from apps.core.clock import read_now
from apps.dashboard.views.documentation import POLICY
from apps.tests.models import Run
from apps.tests.services import pause_test
from tests.dashboard.markup import inspect
from tests.dashboard.scene import note_last, record_host_frame
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_result, make_run, make_test

pytestmark = pytest.mark.django_db


def read(page, path):
    answer = page.get(path)
    assert answer.status_code == 200
    return answer.content.decode().replace("\u00a0", " ").replace("\u202f", " ")


def make_online(name, **fields):
    now = read_now()
    return make_client(name, presence="online", presence_since=now, last_heartbeat_at=now, **fields)


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/", "Enrol a client"),
        ("/clients/", "Enrol a client"),
        ("/tests/", "Make the first test"),
        ("/runs/", "To the tests"),
        ("/tests/new/", "There is no client to choose yet"),
        ("/clients/?q=nobody", "Show all clients"),
        ("/tests/?kind=dns", "Show all tests"),
    ],
)
def test_an_empty_page_says_what_to_do_next(page, path, advice):
    assert advice in read(page, path)


def test_a_viewer_is_not_told_to_do_what_only_operators_can(client):
    client.force_login(make_user("vera", "viewer"))
    assert "Make the first test" not in read(client, "/tests/")
    assert "Enrol a client" not in read(client, "/clients/")


def test_what_follows_from_an_absent_client_is_not_a_concern_of_its_own(page):
    gone = make_online("gone")
    there = make_online("there")
    for client in (gone, there):
        assignment = make_assignment(client, f"watch-{client.name}")
        note_last(assignment, make_result(assignment, is_success=False))
    Client.objects.filter(id=gone.id).update(presence="offline")
    titles = [concern.title for concern in page.get("/").context["concerns"]]
    assert titles == ["gone is offline", "watch-there fails"]


def test_one_test_failing_on_many_clients_is_one_concern(page):
    clients = [make_online(f"probe-{number}") for number in range(12)]
    test = make_test("Backbone", *clients)
    for assignment in test.assignments.all():
        note_last(assignment, make_result(assignment, is_success=False))
    [concern] = page.get("/").context["concerns"]
    assert (concern.title, concern.detail[:13]) == ("Backbone fails", "on 12 clients")


def test_a_wrong_clock_and_lost_records_are_concerns(page):
    make_online("early", clock_offset_seconds=-7.5)
    make_online("lossy", spool_dropped=3)
    make_online("fine", clock_offset_seconds=0.02)
    titles = {concern.title for concern in page.get("/").context["concerns"]}
    assert titles == {"early has a wrong clock", "lossy dropped records"}


def test_at_most_eight_concerns_are_listed(page):
    for number in range(12):
        make_client(f"gone-{number}", presence="offline", last_heartbeat_at=read_now())
    assert len(page.get("/").context["concerns"]) == 8


def test_a_cell_of_the_honeycomb_tells_its_state_in_words(page):
    client = make_online("probe")
    assignment = make_assignment(client, "watch")
    note_last(assignment, make_result(assignment, is_success=False))
    text = read(page, "/")
    assert 'class="cell cell-failing"' in text
    assert "probe: Failing" in text


def test_the_trend_gives_percentiles_and_loss_in_base_units(page):
    assignment = make_assignment(make_online("probe"))
    for milliseconds in range(1, 101):
        values = {"net.rtt.median": milliseconds / 1000, "net.packet.loss.ratio": 0.02}
        make_result(assignment, values=values, is_success=milliseconds > 10)
    trend = page.get("/overview/trend.json").json()
    filled = [place for place, count in enumerate(trend["runs"]) if count]
    assert sum(trend["runs"]) == 100
    assert sum(trend["failures"]) == 10
    if len(filled) == 1:
        assert trend["round_trip_p50"][filled[0]] == pytest.approx(0.0505)
        assert trend["round_trip_p95"][filled[0]] == pytest.approx(0.09505)
    assert trend["loss"][filled[0]] == pytest.approx(0.02)
    assert len({len(trend[name]) for name in ("at", "runs", "loss", "round_trip_p95")}) == 1


def test_the_overview_does_not_wait_for_the_trend_but_fetches_it_next(page):
    make_result(make_assignment(make_online("probe")), values={"net.rtt.median": 0.0123})
    first = page.get("/")
    assert 'hx-trigger="load, live from:body"' in first.content.decode()
    assert {tile.title: tile.value for tile in first.context["tiles"]}["Round trip"] == "…"
    part = page.get("/", headers={"HX-Request": "true"})
    values = {tile.title: tile.value for tile in part.context["tiles"]}
    assert values["Round trip"].replace("\u00a0", " ") == "12.3 ms"
    assert 'hx-trigger="live from:body"' in read(page, "/")


def test_figures_have_units_and_gaps_have_reasons(page):
    client = make_online("probe", spool_depth=1500)
    record_host_frame(client, read_now())
    text = read(page, f"/clients/{client.id}/")
    assert "50.0 %" in text
    assert "1 500" in text
    assert "No heartbeat has measured it yet." in text


def test_an_interface_that_is_missing_on_the_host_shows_no_chart(page):
    client = make_online("probe")
    record_host_frame(client, read_now())
    specs = page.get(f"/clients/{client.id}/").context["panels"]
    assert [spec["title"] for spec in specs[:4]] == ["Processor", "Memory", "Load", "Pressure"]
    assert {line["source"] for spec in specs for line in spec["lines"]} == {
        "host",
        "interface",
        "filesystem",
    }


def test_a_capability_that_is_missing_names_reason_and_remedy(page):
    capability = {"is_available": False, "reason": "not permitted", "remedy": "setcap cap_net_raw"}
    client = make_online("probe", inventory={"capabilities": {"icmp_raw": capability}})
    text = read(page, f"/clients/{client.id}/host/")
    assert "not permitted" in text
    assert "setcap cap_net_raw" in text


def test_a_ping_test_draws_its_median_inside_the_band_and_its_loss_as_bars(page):
    assignment = make_assignment(make_online("probe"))
    latency, loss = page.get(f"/tests/{assignment.test_id}/").context["panels"]
    assert [line["key"] for line in latency["lines"]] == ["net.rtt.median"]
    assert [line["key"] for line in latency["band"]] == ["net.rtt.min", "net.rtt.max"]
    assert (loss["lines"][0]["key"], loss["is_bars"]) == ("net.packet.loss.ratio", True)


def test_the_page_of_a_test_counts_down_to_its_next_run_unless_it_is_paused(page):
    assignment = make_assignment(make_online("probe"))
    start = read_now() + timedelta(seconds=30)
    Run.objects.filter(start_at__lte=start).delete()
    make_run(assignment, start_at=start)
    path = f"/tests/{assignment.test_id}/"
    assert page.get(path).context["next_start"] == start
    assert "data-countdown" in read(page, path)
    pause_test(test=assignment.test)
    assert "data-countdown" not in read(page, path)


def test_the_page_of_a_test_lists_failing_clients_first_and_draws_the_chosen_one(page):
    good, bad = make_online("a-good"), make_online("b-bad")
    test = make_test("Backbone", good, bad)
    for assignment in test.assignments.all():
        note_last(assignment, make_result(assignment, is_success=assignment.client == good))
    context = page.get(f"/tests/{test.id}/").context
    assert [row.client.name for row in context["shown"]] == ["b-bad", "a-good"]
    assert page.get(f"/tests/{test.id}/?client={good.id}").context["chosen"].client == good
    assert page.get(f"/tests/{test.id}/?client=nonsense").context["chosen"].client == bad


def test_a_run_shows_values_with_units_absences_with_reasons_and_all_of_it_as_json(page):
    result = make_result(
        make_assignment(make_online("probe")),
        values={"net.rtt.median": 0.0123, "net.packet.loss.ratio": 0.006, "net.packet.sent": 5e4},
        absent={"net.rtt.p99": "I"},
    )
    answer = page.get(f"/runs/{result.run_id}/")
    text = read(page, f"/runs/{result.run_id}/")
    assert all(part in text for part in ("12.3 ms", "0.60 %", "50 000", "too few samples"))
    assert json.loads(answer.context["json"])["absent"] == {"net.rtt.p99": "I"}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("running", "The run is going on"),
        ("missed", "No result came"),
        ("scheduled", "has not begun"),
        ("cancelled", "has no result"),
    ],
)
def test_a_run_without_a_result_says_why(page, state, sentence):
    run = make_run(make_assignment(make_online("probe")), state=state)
    assert sentence in read(page, f"/runs/{run.id}/")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=BER", ["berlin-1"]),
        ("q=192.0.2.9", ["oslo-1"]),
        ("presence=offline", ["oslo-1"]),
        ("site=berlin", ["berlin-1"]),
        ("tag=edge", ["berlin-1"]),
        ("sort=-name", ["oslo-1", "berlin-1"]),
        ("sort=nonsense&page=99", ["berlin-1", "oslo-1"]),
    ],
)
def test_the_list_of_clients_is_filtered_and_ordered_by_its_address(page, query, names):
    make_online("berlin-1", site="berlin", tags=["edge"])
    make_client("oslo-1", site="oslo", presence="offline", last_address="192.0.2.9")
    rows = page.get(f"/clients/?{query}").context["rows"]
    assert [row.client.name for row in rows] == names


def test_the_list_of_tests_is_filtered_by_how_they_stand(page):
    client = make_online("probe")
    for name, is_success in (("good", True), ("bad", False), ("new", None)):
        assignment = make_assignment(client, name)
        if is_success is not None:
            note_last(assignment, make_result(assignment, is_success=is_success))
    pause_test(test=make_test("asleep", client))
    found = {
        state: [row.test.name for row in page.get(f"/tests/?state={state}").context["rows"]]
        for state in ("passing", "failing", "paused")
    }
    assert found == {"passing": ["good"], "failing": ["bad"], "paused": ["asleep"]}
    rows = {row.test.name: row.state for row in page.get("/tests/").context["rows"]}
    assert rows == {"good": "passing", "bad": "failing", "new": "waiting", "asleep": "paused"}


def test_the_list_of_tests_shows_the_mean_over_its_clients(page):
    test = make_test("Backbone", make_online("one"), make_online("two"))
    for assignment, seconds in zip(test.assignments.all(), (0.010, 0.020), strict=True):
        note_last(assignment, make_result(assignment, values={"net.rtt.median": seconds}))
    assert "15.0 ms" in read(page, "/tests/")


def test_runs_are_paged_by_their_start(page):
    assignment = make_assignment(make_online("probe"))
    now = read_now()
    for number in range(60):
        make_run(assignment, state="missed", start_at=now - timedelta(minutes=number))
    first = page.get("/runs/").context
    older = page.get("/runs/", {"before": first["older_before"].isoformat()}).context
    assert (len(first["runs"]), len(older["runs"])) == (50, 10)
    assert first["runs"][-1].run.start_at > older["runs"][0].run.start_at
    assert page.get("/runs/?before=nonsense").status_code == 200
    assert len(page.get("/runs/?state=finished").context["runs"]) == 0


def test_runs_that_have_not_begun_are_not_listed(page):
    assignment = make_assignment(make_online("probe"))
    make_run(assignment, start_at=read_now() + timedelta(hours=1))
    begun = make_run(assignment, state="running")
    assert Run.objects.count() > 1
    assert [row.run for row in page.get("/runs/").context["runs"]] == [begun]


def test_times_stand_in_the_users_zone(client):
    user = make_user("tokyo", "admin", is_staff=True)
    user.time_zone = "Asia/Tokyo"
    user.save()
    client.force_login(user)
    run = make_run(make_assignment(make_online("probe")), state="missed")
    text = read(client, f"/runs/{run.id}/")
    assert "JST" in text
    assert 'data-zone="Asia/Tokyo"' in text


def test_a_time_zone_that_is_not_known_here_does_no_harm(client):
    user = make_user("lost", "admin")
    user.time_zone = "Mars/Olympus"
    user.save()
    client.force_login(user)
    assert 'data-zone="UTC"' in read(client, "/")


def test_the_search_finds_clients_and_tests_in_reach(client):
    make_assignment(make_online("vienna-1", site="vienna"), "to vienna")
    make_assignment(make_online("graz-1", site="graz"), "to graz")
    client.force_login(make_user("vera", "viewer", site="vienna"))
    found = client.get("/search/?q=1").context["found"]
    tests = client.get("/search/?q=to").context["found"].tests
    assert [row.name for row in found.clients] == ["vienna-1"]
    assert [row.name for row in tests] == ["to vienna"]


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc/"])
def test_the_documentation_has_its_own_policy_without_another_host(page, path):
    answer = page.get(path)
    text = answer.content.decode()
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "http" not in POLICY
    assert inspect(text).problems == []


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc/"])
def test_the_documentation_is_for_those_who_sign_in(client, path):
    make_user("root", "admin")
    assert client.get(path).status_code == 302
