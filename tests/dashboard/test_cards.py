"""The cards of traces and path MTUs: what changed, what is limited, and hostile documents."""

from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.dashboard.cards.path_graph import draw_paths
from apps.dashboard.cards.trace import find_changes, write_flows
from apps.metrics.services import know_source, record_fact
from apps.tests.models import Assignment, Result, Run
from tests.dashboard.markup import inspect
from tests.dashboard.scene import HOSTILE
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db


def describe_hop(ttl, *addresses, sent=4, **fields):
    return {
        "ttl": ttl, "sent": sent, "received": len(addresses), "loss_ratio": 0.0,
        "is_rate_limited": False,
        "stations": [
            {"address": address, "name": "", "flows": [0, 1], "rtt_min": 0.001,
             "rtt_median": 0.002, "rtt_max": 0.003, "labels": [], "text": ""}
            for address in addresses
        ],
        **fields,
    }  # fmt: skip


def describe_trace(*paths):
    columns = zip(*paths, strict=True)
    hops = [
        describe_hop(ttl, *sorted({one for one in column if one}))
        for ttl, column in enumerate(columns, start=1)
    ]
    flows = [{"flow": flow, "path": list(path)} for flow, path in enumerate(paths)]
    return {"first_ttl": 1, "hops": hops, "flows": flows}


def make_trace(assignment, document, *, minutes_ago=0):
    result = make_result(assignment, facts={"path.hash": "0" * 16}, document=document)
    at = read_now() - timedelta(minutes=minutes_ago)
    Run.objects.filter(id=result.run_id).update(start_at=at)
    return result.run


@pytest.fixture
def trace_test(db):
    return make_assignment(make_client("probe-1"), "Way home", kind="trace", target="192.0.2.9")


@pytest.fixture
def mtu_test(db):
    return make_assignment(make_client("probe-1"), "Size", kind="mtu", target="192.0.2.9")


def read(page, run):
    answer = page.get(f"/runs/{run.id}/")
    assert answer.status_code == 200
    assert inspect(answer.content.decode()).problems == []
    return " ".join(answer.content.decode().replace("\u00a0", " ").replace("\u202f", "").split())


def test_a_hop_table_says_who_answered_how_fast(page, trace_test):
    run = make_trace(trace_test, describe_trace(["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"]))
    shown = read(page, run)
    assert "10.0.0.2" in shown
    assert "2.00 ms" in shown
    assert "1\N{EN DASH}2" in shown
    assert "no run before to compare with" in shown
    assert "<circle" not in shown


def test_a_change_is_marked_at_its_hop_and_the_former_address_named(page, trace_test):
    make_trace(trace_test, describe_trace(["10.0.0.1", "10.0.0.2", "t"]), minutes_ago=5)
    run = make_trace(trace_test, describe_trace(["10.0.0.1", "10.9.9.9", "t"]))
    shown = read(page, run)
    assert "1 hop changed" in shown
    assert "was 10.0.0.2" in shown
    assert shown.count("trace-row-new") == 1


def test_a_marking_is_told_where_it_changes_alone(page, trace_test):
    document = describe_trace(["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "t"])
    for hop, dscp in zip(document["hops"], (46, 46, 8, 8, "none"), strict=True):
        hop["stations"][0]["dscp"] = dscp
    run = make_trace(trace_test, document)
    Result.objects.filter(run=run).update(values={"qos.dscp.hop_changed{dscp=46}": 3.0})
    shown = read(page, run)
    assert shown.count("got DSCP") == 1
    assert "got DSCP 8" in shown


def test_best_effort_that_stays_best_effort_is_no_remark(page, trace_test):
    document = describe_trace(["10.0.0.1", "t"])
    for hop in document["hops"]:
        hop["stations"][0]["dscp"] = 0
    run = make_trace(trace_test, document)
    Result.objects.filter(run=run).update(absent={"qos.dscp.hop_changed{dscp=0}": "N"})
    assert "got DSCP" not in read(page, run)


def test_a_silent_hop_and_a_limited_one_are_no_loss_in_words(page, trace_test):
    document = describe_trace(["10.0.0.1", None, "t"])
    document["hops"][0] |= {"is_rate_limited": True, "loss_ratio": 0.5}
    make_trace(trace_test, describe_trace(["10.0.0.1", "10.0.0.2", "t"]), minutes_ago=5)
    shown = read(page, make_trace(trace_test, document))
    assert "limits its answers" in shown
    assert "no answer; what it forwards is not lost" in shown
    assert "same route as" in shown


def test_equal_paths_are_drawn_side_by_side(page, trace_test):
    ways = [["a", "b", "t"], ["a", "c", "t"], ["a", "b", "t"]]
    shown = read(page, make_trace(trace_test, describe_trace(*ways)))
    assert "2 paths" in shown
    assert shown.count("<circle") == 3
    assert shown.count("<line") == 5


def test_a_flow_that_a_router_did_not_answer_is_no_path_of_its_own(page, trace_test):
    ways = [["a", "b", "t"], ["a", None, "t"]]
    assert "<circle" not in read(page, make_trace(trace_test, describe_trace(*ways)))


def test_another_balance_of_the_same_paths_brings_no_new_address():
    before, now = {0: ("a", "b"), 1: ("a", "c")}, {0: ("a", "c"), 1: ("a", "b")}
    assert find_changes(now, before) == {1: (frozenset(), frozenset())}


def test_nodes_do_not_meet_and_edges_count_the_flows():
    graph = draw_paths({0: ("a", "b", "t"), 1: ("a", "c", "t"), 2: ("a", "b", "t")}, frozenset())
    assert len({(node.x, node.y) for node in graph.nodes}) == len(graph.nodes) == 5
    assert sorted(edge.flow_count for edge in graph.edges) == [1, 1, 2, 2, 3]
    assert max(node.x for node in graph.nodes) < graph.width
    assert max(node.label_y for node in graph.nodes) < graph.height
    assert draw_paths({0: ("a", "t"), 1: ("a", "t")}, frozenset()) is None


@pytest.mark.parametrize(
    ("flows", "text"),
    [([0, 1, 2, 6], "1\N{EN DASH}3, 7"), ([4], "5"), ([], ""), ("x", ""), ([None, "y"], "")],
)
def test_flows_are_written_as_people_count(flows, text):
    assert write_flows(flows) == text


@pytest.mark.parametrize(
    "document",
    [
        {"hops": HOSTILE, "flows": {HOSTILE: 1}, "first_ttl": HOSTILE},
        {"hops": [{"ttl": HOSTILE, "stations": [{"address": HOSTILE, "name": HOSTILE,
          "text": HOSTILE, "labels": [{"label": HOSTILE}], "rtt_min": HOSTILE}, HOSTILE]}]},
        {"hops": [describe_hop(1, HOSTILE)], "first_ttl": 1e300,
         "flows": [{"path": [HOSTILE, 7, None, {}]}, {"path": HOSTILE}, 3]},
        {"hops": [describe_hop(1e300, "a")], "first_ttl": -5},
        {"hops": [describe_hop(1, "a")] * 200, "flows": [{"path": ["a"] * 200}] * 200},
    ],
)  # fmt: skip
def test_whatever_a_trace_holds_a_sound_page_comes_out(page, trace_test, document):
    make_trace(trace_test, describe_trace(["a", "b"]), minutes_ago=5)
    shown = read(page, make_trace(trace_test, document))
    assert HOSTILE not in shown


MTU = {
    "mtu": 1300, "mss": 1260, "mss_received": None, "link": {"name": "eth0", "mtu": 1500},
    "kernel_mtu": 1500, "router": {"address": "10.0.0.2", "mtu": 1300}, "hop": 2, "vanished": None,
    "tried": [{"size": 1500, "verdict": "too_big", "address": "10.0.0.2", "mtu": 1300},
              {"size": 1301, "verdict": "lost", "address": "", "mtu": 0}],
}  # fmt: skip


def test_a_limit_is_shown_with_the_router_that_names_it(page, mtu_test):
    shown = read(page, make_result(mtu_test, document=MTU).run)
    assert "<strong>1300</strong> B" in shown
    assert "10.0.0.2 says that more is too big" in shown
    assert "names 1300 B" in shown
    assert "TCP segments of 1260 B fit" in shown
    assert 'width="867"' in shown


def test_a_black_hole_is_said_in_words(page, mtu_test):
    hole = {**MTU, "router": None, "hop": None, "vanished": [1301, 1500]}
    shown = read(page, make_result(mtu_test, document=hole).run)
    assert "Black hole: packets of 1301 to 1500 B vanish" in shown


@pytest.mark.parametrize(
    "document",
    [
        {"tried": [{"size": 1, "verdict": HOSTILE, "address": HOSTILE}], "link": HOSTILE},
        {"mtu": 0, "link": {"mtu": -1, "name": HOSTILE}, "kernel_mtu": 0, "vanished": [1]},
        {"mtu": 9, "vanished": [HOSTILE, HOSTILE], "router": [HOSTILE], "tried": HOSTILE},
        {HOSTILE: HOSTILE},
    ],
)
def test_whatever_an_mtu_result_holds_a_sound_page_comes_out(page, mtu_test, document):
    assert HOSTILE not in read(page, make_result(mtu_test, document=document).run)


def test_the_page_of_a_trace_says_how_often_the_route_changed_in_its_range(page, trace_test):
    source_id = know_source(trace_test.client_id, "assignment", str(trace_test.id))
    Assignment.objects.filter(id=trace_test.id).update(source_id=source_id)
    now = read_now()
    for hours_ago, value in ((90, "a"), (80, "b"), (0.5, "c"), (0.25, "c"), (0.1, "b")):
        record_fact(
            source_id=source_id,
            key="path.hash",
            value=value,
            since=now - timedelta(hours=hours_ago),
        )
    path = f"/tests/{trace_test.test_id}/"
    assert "changed 2 times" in page.get(f"{path}?range=1h").content.decode()
    assert "changed 3 times" in page.get(f"{path}?range=7d").content.decode()


def test_a_route_that_never_changed_is_said_to_be_steady(page, trace_test):
    shown = page.get(f"/tests/{trace_test.test_id}/").content.decode()
    assert "The route did not change in this time." in shown
