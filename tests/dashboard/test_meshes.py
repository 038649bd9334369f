"""The grid of a mesh, and the forms of tests between two clients."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dashboard.selectors.meshes import ALIKE, LEVELS, build_grid, rank_values
from apps.tests.models import Test
from tests.dashboard.test_forms import PING, errors_of
from tests.factories.accounts import make_user
from tests.factories.clients import make_site
from tests.factories.kinds import install_kinds
from tests.factories.pairs import list_ends_by_name, make_end, make_mesh, make_pair
from tests.factories.tests import make_run, make_test

pytestmark = pytest.mark.django_db

TALK = {name: text for name, text in PING.items() if not name.startswith("ping-")} | {
    "kind": "talk",
    "target": "",
    "topology": "pair",
    "directions": "",
}


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    install_kinds(monkeypatch)


@pytest.fixture
def ends():
    return [make_end(name) for name in ("a", "b", "c")]


def note(test, source, target, seconds, *, is_success=True):
    test.assignments.filter(client=source, peer=target).update(
        last_values={"net.rtt.median": seconds}, last_is_success=is_success
    )


# The grid


def test_the_best_and_the_worst_are_told_by_colour_mark_and_word(page, ends):
    a, b, c = ends
    test = make_mesh(*ends)
    note(test, a, b, 0.001)
    note(test, b, c, 0.2, is_success=False)
    html = page.get(f"/tests/{test.id}/mesh/").content.decode()
    assert 'title="a → b: Passing, best fifth"' in html
    assert 'title="b → c: Failing, worst fifth"' in html
    assert 'title="c → a: No result yet"' in html
    assert "1.00\N{NO-BREAK SPACE}ms" in html or "1\N{NO-BREAK SPACE}ms" in html


def test_each_cell_leads_to_its_pair(page, ends):
    a, b, _c = ends
    test = make_mesh(*ends)
    address = f"/tests/{test.id}/?client={a.id}&amp;peer={b.id}"
    assert page.get(f"/tests/{test.id}/mesh/").content.decode().count(address) == 2
    shown = page.get(f"/tests/{test.id}/?client={a.id}&peer={b.id}")
    chosen = shown.context["chosen"]
    assert (chosen.client, chosen.peer) == (a, b)
    assert f"/tests/{test.id}/assignments/{chosen.id}/history.json" in shown.content.decode()


def test_more_is_better_for_some_metrics_and_for_some_nothing_is():
    values = {("a", "b"): 1.0, ("b", "a"): 2.0}

    def list_levels(key):
        return {pair: level.name for pair, level in rank_values(key, values).items()}

    assert list_levels("net.rtt.median") == {("a", "b"): "best", ("b", "a"): "worst"}
    assert list_levels("net.availability.ratio") == {("a", "b"): "worst", ("b", "a"): "best"}
    assert list_levels("net.packet.sent") == {}
    assert rank_values("net.rtt.median", {("a", "b"): 1.0}) == {}


@pytest.mark.parametrize(
    ("key", "values", "levels"),
    [
        ("net.rtt.median", [0.0132, 0.0134, 0.0130], ["alike"] * 3),
        ("net.rtt.median", [0.0002, 0.0011], ["alike"] * 2),
        ("net.rtt.median", [0.0132, 0.0134, 0.030], ["best", "best", "worst"]),
        ("net.rtt.median", [0.013, 0.09, 0.030, 0.031], ["best", "worst", "middle", "middle"]),
        ("net.rtt.median", [0.5, 0.5], ["alike"] * 2),
        ("net.packet.loss.ratio", [0.0, 0.004], ["alike"] * 2),
        ("net.packet.loss.ratio", [0.0, 0.05], ["best", "worst"]),
        ("net.availability.ratio", [0.9, 1.0], ["worst", "best"]),
        ("net.throughput.tcp.receive", [19e6, 20e6, 90e6], ["worst", "worst", "best"]),
    ],
)
def test_values_that_hardly_differ_have_one_shade(key, values, levels):
    ranked = rank_values(key, dict(enumerate(values)))
    assert [ranked[pair].name for pair in range(len(values))] == levels


@given(st.lists(st.floats(0, 10), min_size=2))
def test_no_value_is_ranked_below_a_worse_one(values):
    order = [name for name, _, _ in (*LEVELS, ALIKE)]
    ranked = rank_values("net.rtt.median", dict(enumerate(values)))
    places = [order.index(ranked[pair].name) for pair in sorted(ranked, key=values.__getitem__)]
    assert places == sorted(places)


def test_the_legend_says_what_is_alike(page, ends):
    a, b, c = ends
    test = make_mesh(*ends)
    note(test, a, b, 0.0132)
    note(test, b, c, 0.0134)
    html = page.get(f"/tests/{test.id}/mesh/").content.decode()
    assert 'title="b → c: Passing, all alike"' in html
    assert "within 20 % or 1 ms of each other: one shade" in html
    assert "worst fifth" not in html


def test_only_pairs_of_clients_in_reach_are_in_the_grid(ends):

    ends[0].site = make_site("vienna")
    ends[0].save()
    test = make_mesh(*ends)
    viewer = make_user("viewer", "viewer", site="vienna")
    grid = build_grid(viewer, test, "net.rtt.median")
    pairs = {(row.client.name, one.assignment.peer.name) for row in grid.rows for one in row.pairs}
    assert pairs == {("a", "b"), ("a", "c"), ("b", "a"), ("c", "a")}


def test_the_owner_of_the_far_end_sees_the_pair_without_the_way_to_the_near_one(client):
    near, far = make_end("near", site="vienna"), make_end("far", site="graz")
    row = make_pair(near, far)
    run = make_run(row, state="finished")
    client.force_login(make_user("viewer", "viewer", site="graz"))
    for address in (f"/tests/{row.test.id}/", f"/runs/{run.id}/", "/runs/"):
        html = client.get(address).content.decode()
        assert "near" in html, address
        assert f"/clients/{near.id}/" not in html, address
    client.force_login(make_user("other", "viewer", site="vienna"))
    assert f"/clients/{near.id}/" in client.get(f"/runs/{run.id}/").content.decode()


def test_a_test_of_one_has_nothing_in_its_grid(page, ends):
    test = make_test("Loopback", ends[0])
    html = page.get(f"/tests/{test.id}/mesh/").content.decode()
    assert "No two clients measure between each other yet" in html
    assert "As a grid" not in page.get(f"/tests/{test.id}/").content.decode()


def test_a_hostile_name_stays_text_in_the_grid(page, ends):
    hostile = make_end("<img src=x onerror=alert(1)>")
    test = make_mesh(hostile, ends[0])
    html = page.get(f"/tests/{test.id}/mesh/").content.decode()
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "<img src=x" not in html


def test_the_grid_asks_the_database_as_often_for_many_pairs(page, django_assert_max_num_queries):
    test = make_mesh(*[make_end(f"probe-{number}") for number in range(8)])
    page.get(f"/tests/{test.id}/mesh/")
    with django_assert_max_num_queries(12):
        answer = page.get(f"/tests/{test.id}/mesh/")
    assert answer.content.decode().count("No result yet") == 2 * 56


# Forms and pages


def test_the_form_asks_for_participants_where_a_kind_needs_two(page, ends):
    shown = page.post("/tests/parameters/", TALK).content.decode()
    assert 'name="topology"' in shown
    assert 'name="hub"' in shown
    assert 'name="target"' not in shown
    alone = page.post("/tests/parameters/", PING).content.decode()
    assert 'name="topology"' not in alone
    assert 'name="target"' in alone


def test_a_pair_is_made_and_changed_as_typed(page, ends):
    a, b, c = ends
    page.post("/tests/new/", {**TALK, "hub": str(a.id), "clients": [str(b.id)]})
    test = Test.objects.get()
    assert list_ends_by_name(test) == [("a", "b")]
    form = page.get(f"/tests/{test.id}/edit/").context["form"]
    assert (form["hub"].value(), form["topology"].value()) == (a.id, "pair")
    assert [client.name for client, is_chosen in form.client_choices if is_chosen] == ["b"]
    changed = {**TALK, "topology": "mesh", "hub": "", "clients": [str(b.id), str(c.id)]}
    answer = page.post(f"/tests/{test.id}/edit/", changed)
    assert answer.status_code == 302, errors_of(answer)
    assert list_ends_by_name(test) == [("b", "c"), ("c", "b")]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({}, "hub", "Is needed for a pair or star"),
        ({"peer_address": "home"}, "peer_address", "Must be an IPv4 or IPv6 address"),
        ({"topology": "mesh", "directions": "back"}, "directions", "both in a mesh"),
    ],
)
def test_errors_stand_at_their_fields(page, ends, changes, field, words):
    answer = page.post("/tests/new/", {**TALK, **changes, "clients": [str(ends[1].id)]})
    assert answer.status_code == 422
    assert words in errors_of(answer)[field]


def test_two_far_ends_of_a_pair_are_refused_at_the_clients(page, ends):
    a, b, c = ends
    answer = page.post("/tests/new/", {**TALK, "hub": str(a.id), "clients": [str(b.id), str(c.id)]})
    assert "a star takes several" in errors_of(answer)["clients"]


def test_a_dry_run_counts_the_pairs(page, ends):
    wanted = {**TALK, "topology": "mesh", "clients": [str(client.id) for client in ends]}
    html = page.post("/tests/dry-run/", wanted).content.decode()
    assert "Pairs" in html
    assert ">6<" in "".join(html.split())


def test_the_page_says_who_measures_to_whom_and_where(page, ends):
    far = make_end("far", "192.0.2.2")
    near = make_end("near", "192.0.2.1")
    row = make_pair(near, far)
    html = page.get(f"/tests/{row.test.id}/").content.decode()
    assert "pair, from near" in html
    assert "near → far" in html
    assert "192.0.2.2:8620: an interface in the same network" in html


def test_a_disturbed_run_says_so_on_its_page_and_in_lists(page, ends):
    row = make_pair(ends[0], ends[1])
    run = make_run(row, state="finished", is_overlapped=True)
    assert "disturbed by an exclusive run" in page.get(f"/runs/{run.id}/").content.decode()
    assert ">disturbed<" in page.get("/runs/").content.decode()


def test_lists_say_the_topology_or_the_far_end_where_others_have_a_target(page, ends):
    make_mesh(*ends)
    assert "Mesh: each with each" in page.get("/tests/").content.decode()
    assert "Mesh: each with each" in page.get("/search/?q=mesh").content.decode()
    assert "→ b" in page.get(f"/clients/{ends[0].id}/tests/").content.decode()
    for address in ("/tests/", "/search/?q=mesh", f"/clients/{ends[0].id}/tests/"):
        assert ">None<" not in page.get(address).content.decode()
