"""The cards of throughput, QoS, HTTP throughput, TCP and own-host tests."""

import pytest

from apps.dashboard.cards.course import MOST_BARS, MOST_POINTS, UNITS, draw_bars, draw_line
from apps.dashboard.cards.qos import name_dscp, tell_ecn, tell_mark
from tests.dashboard.markup import inspect
from tests.dashboard.scene import HOSTILE
from tests.factories.clients import make_client
from tests.factories.kinds import ANSWERING
from tests.factories.pairs import make_end, make_pair
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db
PAIRED = ("throughput", "qos")
TARGETS = {"http_throughput": "https://example.org/big", "host": "agent", "hardware": "agent"}
PARAMETERS = {"tcp": {"port": 443}}
TIMELINE = [
    {"at_seconds": 0.1 * place, "sent_bytes": 1000, "rtt_seconds": 0.02 + 0.01 * place,
     "window_segments": 10 + place, "retransmits": place // 2}
    for place in range(10)
]  # fmt: skip
UPLOAD = {
    "bits_per_second": 94.2e6, "rates": [90e6, 95e6, 94e6], "timeline": TIMELINE,
    "retransmits": [4], "bottleneck": "path_loss",
}  # fmt: skip
THROUGHPUT = {
    "directions": {"upload": UPLOAD, "download": {**UPLOAD, "bottleneck": "path"}},
    "bufferbloat_grade": "C", "idle_rtt_seconds": [0.020, 0.021, 0.022],
}  # fmt: skip
PAIR_CLASS = {"sent": 100, "answered": 90, "median_seconds": 0.02, "ecn": 0}
CLASSES = [
    {**PAIR_CLASS, "dscp": 0, "forward": {"0": 95}, "reverse": {"0": 90}},
    {**PAIR_CLASS, "dscp": 46, "forward": {"0": 95}, "reverse": {"136": 90}},
    {**PAIR_CLASS, "dscp": 0, "ecn": 2, "forward": {"2": 90, "3": 10}, "reverse": {"0": 90}},
]
SWEEP = {
    "offered_bits_per_second": 20e6, "arrived_bits_per_second": 10.1e6, "loss_ratio": 0.49,
    "rate_bits_per_second": 10e6, "burst_bytes": 32768, "added_delay_seconds": 0.0004,
}  # fmt: skip


@pytest.fixture
def assign(db):
    def make(kind, **parameters):
        if kind not in PAIRED:
            return make_assignment(
                make_client("probe-1"), "Fast", kind=kind, target=TARGETS.get(kind, "192.0.2.9"),
                parameters={**PARAMETERS.get(kind, {}), **parameters},
            )  # fmt: skip
        inventory = {**ANSWERING, "probes": [kind], "responder": {"port": 8620, "kinds": [kind]}}
        ends = [make_end(name, inventory=inventory) for name in ("probe-1", "probe-2")]
        return make_pair(*ends, kind=kind, parameters=parameters)

    return make


@pytest.fixture
def show(page, assign):
    def run(kind, parameters=None, **result):
        made = make_result(assign(kind, **(parameters or {})), **result)
        answer = page.get(f"/runs/{made.run_id}/")
        assert answer.status_code == 200
        markup = answer.content.decode()
        assert inspect(markup).problems == []
        return " ".join(markup.replace("\u00a0", " ").replace("\u202f", "").split())

    return run


def test_each_direction_has_its_rate_its_course_and_what_held_it_back(show):
    shown = show(
        "throughput",
        document=THROUGHPUT,
        values={"net.latency.loaded.upload": 0.141, "net.throughput.tcp.efficiency": 0.9987},
        facts={"net.tcp.congestion.algorithm": "cubic"},
    )
    for words in (
        "To the peer", "From the peer", "94.2 Mbit/s", "Losses on the path held it back",
        "The path itself", "idle 21.0 ms: load adds 120 ms", "calls and games feel",
        "Congestion window, segments", "up to 110 ms", "99.9 %", "<strong>cubic</strong>",
    ):  # fmt: skip
        assert words in shown
    assert shown.count("<polyline") == 6


FLOW = {
    "bits_per_second": 9.5e6, "rates": [9.4e6, 9.6e6], "timeline": [], "bottleneck": "path_drops",
    "packets": {"sent_count": 4000, "lost_count": 200, "dropped_count": 12},
}  # fmt: skip


def test_packets_of_udp_have_their_fate(show):
    shown = show(
        "throughput", {"protocol": "udp", "rate_megabits": 10},
        document={"directions": {"upload": FLOW, "download": {**FLOW, "bottleneck": "rate"}}},
        values={
            "net.throughput.udp.receive{direction=forward}": 9.5e6,
            "net.throughput.udp.loss.ratio{direction=forward}": 0.05,
            "net.throughput.udp.jitter{direction=reverse}": 0.0021,
        },
    )  # fmt: skip
    for words in (
        "4000 sent, 200 lost", "12 of these in the receiving host", "5.0 %", "2.10 ms",
        "Packets got lost at this rate", "The limit that the test sets itself",
    ):  # fmt: skip
        assert words in shown


def test_iperf3_is_named_with_its_version_and_server(show):
    upload = {"bits_per_second": 94e6, "rates": [93e6, 95e6], "timeline": TIMELINE}
    shown = show(
        "iperf3", {"direction": "upload"},
        document={"directions": {"upload": upload}, "version": "3.12", "address": "192.0.2.9"},
        values={"net.throughput.tcp.receive": 94e6, "net.throughput.tcp.streams": 1.0},
        facts={"net.tcp.congestion.algorithm": "bbr"},
    )  # fmt: skip
    for words in ("iperf3 3.12 against 192.0.2.9", "To the peer", "94.0 Mbit/s", "bbr"):
        assert words in shown


@pytest.mark.parametrize(("capacity", "is_shown"), [(90e6, False), (100e6, True)])
def test_a_capacity_below_what_was_carried_is_no_headline(show, capacity, is_shown):
    values = {"net.capacity.packet_pair": capacity}
    shown = show("throughput", document=THROUGHPUT, values=values)
    assert ("Capacity by packet pairs" in shown) == is_shown


def test_a_rate_that_the_test_limits_is_no_finding_about_the_path(show):
    shown = show("throughput", {"rate_megabits": 100}, document=THROUGHPUT)
    assert "The limit that the test sets itself" in shown
    assert "Losses on the path held it back" not in shown


def test_the_limit_of_a_test_that_was_changed_since_says_nothing(page, assign):
    result = make_result(assign("throughput", rate_megabits=100), document=THROUGHPUT)
    result.run.schedule_revision -= 1
    result.run.save()
    shown = page.get(f"/runs/{result.run_id}/").content.decode()
    assert "Losses on the path held it back" in shown


def test_http_has_its_rate_its_seconds_and_its_failures(show):
    shown = show(
        "http_throughput",
        {"max_megabits": 50},
        document={"address": "192.0.2.9", "bytes": 30_000_000, "streams": 4, "grade": "F",
                  "seconds": [6_000_000, 6_250_000, 10], "failures": {"status 503": 3}},
        values={"net.throughput.http.download": 49.5e6, "net.bufferbloat.delta": 0.5},
    )  # fmt: skip
    for words in (
        "Download", "49.5 Mbit/s", "all else stalls", "28.6 MiB over 4 connections",
        "up to 50.0 Mbit/s", "The limit that the test sets itself", "status 503", "3 times",
    ):  # fmt: skip
        assert words in shown
    assert "<span>2 s</span>" in shown


def test_classes_stand_side_by_side_with_what_became_of_their_marks(show):
    shown = show(
        "qos",
        document={"classes": CLASSES},
        values={"qos.ecn.negotiated": 1.0, "qos.class.differentiation": 0.012},
    )
    for words in (
        "best effort", "EF", "10.0 %", "bleached to 0", "remarked to 34 (AF41)", "ECT(0)",
        "marked as congested: 10.0 %", "bleached", "TCP agrees on ECN", "ahead by 12.0 ms",
    ):  # fmt: skip
        assert words in shown


def test_the_priority_in_the_tag_stands_beside_the_mark_that_came_back(show):
    values = {"qos.cos.pcp{dscp=0}": 0.0, "qos.cos.pcp{dscp=46}": 5.0}
    shown = show("qos", document={"classes": CLASSES}, values=values)
    assert "VLAN priority 0" in shown
    assert "VLAN priority 5" in shown


def test_what_came_without_a_tag_has_no_priority(show):
    assert "VLAN priority" not in show("qos", document={"classes": CLASSES})


def test_priorities_that_this_host_does_not_show_have_a_remedy(show):
    missing = {"code": "P", "what": "priorities in VLAN tags", "remedy": "setcap cap_net_raw+ep x"}
    shown = show("qos", document={"classes": CLASSES, "missing": [missing]})
    assert "priorities in VLAN tags" in shown
    assert "setcap cap_net_raw+ep x" in shown


def test_a_class_that_is_ahead_by_chance_is_not_ahead(show):
    values = {"qos.class.differentiation": 0.0004}
    shown = show("qos", document={"classes": CLASSES}, values=values)
    assert "No class is ahead of the others" in shown


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("policer", "throws away what exceeds 10.0 Mbit/s, after a burst of 32.0 KiB"),
        ("shaper", "lets through 10.0 Mbit/s and makes the rest wait"),
        ("none", "20.0 Mbit/s went through"),
        ("unclear", "cannot be told"),
        (HOSTILE, "cannot be told"),
    ],
)
def test_a_sweep_ends_in_a_sentence(show, verdict, sentence):
    shown = show("qos", document={"classes": [], "sweep": {**SWEEP, "verdict": verdict}})
    assert sentence in shown


@pytest.mark.parametrize(
    ("dscp", "name"), [(1, "LE"), (8, "CS1"), (10, "AF11"), (38, "AF43"), (46, "EF"), (63, "63")]
)
def test_a_class_is_called_as_the_standards_call_it(dscp, name):
    assert name_dscp(dscp) == name


@pytest.mark.parametrize("received", [None, {}, {"256": 1}, {"-4": 2}, {"x": 1}, {"184": -1}, 7])
def test_counts_that_cannot_be_are_no_arrivals(received):
    assert tell_mark(46, received).tone == tell_ecn(received).tone == "idle"


def test_the_kernel_tells_of_a_connection(show):
    shown = show(
        "tcp",
        document={"address": "192.0.2.9", "options": ["sack", "timestamps"], "failures": {}},
        values={"net.tcp.mss.send": 1448.0, "net.tcp.rto": 0.204},
        facts={"net.tcp.congestion.algorithm": "bbr", "net.tcp.congestion.state": "open"},
    )
    for words in (
        "Selective acknowledgement",
        "<dd>1448</dd>",
        "204 ms",
        "ECN: not agreed on",
        "bbr",
    ):
        assert words in shown


def test_each_source_of_the_host_has_its_figures(show):
    rows = [
        {"kind": "host", "subject": "", "values": {"system.cpu.utilization": 0.25}, "facts": {}},
        {"kind": "disk", "subject": "sda", "values": {}, "facts": {"system.os.name": "Debian"}},
        {"kind": "disk", "subject": "empty", "values": {}, "facts": {}},
    ]
    shown = show("host", document={"rows": rows})
    for words in ("sda", "25.0 %", "Debian"):
        assert words in shown
    assert ">empty<" not in shown


def test_a_source_that_only_repeats_the_result_has_no_drawer(show):
    values = {"system.cpu.utilization": 0.25}
    rows = [
        {"kind": "host", "subject": "", "values": values},
        {"kind": "interface", "subject": "eth9", "values": {"system.network.link.mtu": 1500.0}},
    ]
    shown = show("host", values=values, document={"rows": rows})
    assert "The host itself" not in shown
    assert "eth9" in shown


def test_a_look_at_one_thing_has_no_card_beside_its_figures(show):
    values = {"system.cpu.utilization": 0.25}
    rows = [{"kind": "host", "subject": "", "values": values}]
    assert "What else" not in show("host", values=values, document={"rows": rows})


@pytest.mark.parametrize("count", [1, 2, 119, 121, 3600])
def test_bars_stay_few_and_inside(count):
    drawn = draw_bars([float(place + 1) for place in range(count)])
    assert len(drawn.bars) <= MOST_BARS
    assert drawn.bars[-1].end == drawn.seconds == count
    assert all(bar.x + bar.width <= UNITS and 0 <= bar.y < UNITS for bar in drawn.bars)


@pytest.mark.parametrize("numbers", [[], [0.0, 0.0], [1e308] * 500])
def test_what_has_no_height_is_not_drawn(numbers):
    assert draw_bars(numbers) is None


def test_a_line_stays_short_and_keeps_its_highest_value():
    course = [(float(place), 9.0 if place == 1501 else 1.0) for place in range(3000)]
    drawn = draw_line("x", "number", course)
    assert len(drawn.points.split()) <= MOST_POINTS
    assert drawn.highest == 9.0
    assert "0" in {point.split(",")[1] for point in drawn.points.split()}


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("throughput", {"directions": HOSTILE}),
        ("throughput", {"directions": {"upload": HOSTILE, "download": {}},
                        "bufferbloat_grade": [HOSTILE], "idle_rtt_seconds": HOSTILE}),
        ("throughput", {"directions": {"upload": {
            "bits_per_second": 10**400, "bottleneck": HOSTILE,
            "rates": [HOSTILE, 1e308, 1e308, -1, True],
            "timeline": [HOSTILE, {"at_seconds": HOSTILE}, {"at_seconds": 1, "rtt_seconds": 1e308},
                         {"at_seconds": 0, "rtt_seconds": 2}, {"at_seconds": -1e308}]}},
            "bufferbloat_grade": HOSTILE, "idle_rtt_seconds": [HOSTILE, 1e308]}),
        ("throughput", {"directions": {"upload": {"bits_per_second": 1, "packets": HOSTILE},
                        "download": {"packets": {"sent_count": 1e308, "lost_count": -1}}}}),
        ("iperf3", {"directions": {"upload": {"packets": {"sent_count": 3, "lost_count": 2,
                    "dropped_count": HOSTILE}}}, "version": HOSTILE, "address": [HOSTILE]}),
        ("http_throughput", {"seconds": [HOSTILE, 1e308], "failures": {HOSTILE: 2, "x": HOSTILE},
                             "grade": HOSTILE, "address": HOSTILE, "bytes": HOSTILE}),
        ("http_throughput", {"seconds": HOSTILE, "failures": HOSTILE, "grade": {}}),
        ("qos", {"classes": [{"dscp": 1e308, "ecn": HOSTILE, "sent": -1, "answered": 1e308,
                              "median_seconds": 1e308, "forward": {HOSTILE: 1}, "reverse": [1]},
                             {"dscp": 8, "ecn": [2], "answered": 1e308, "median_seconds": 1e308,
                              "forward": {HOSTILE: 1, "9" * 5000: 1}, "reverse": [1]},
                             {"dscp": HOSTILE, "ecn": [2]}, {"dscp": 1, "ecn": 2}, HOSTILE],
                 "sweep": dict.fromkeys(SWEEP, HOSTILE)}),
        ("qos", {"classes": HOSTILE, "sweep": HOSTILE}),
        ("qos", {"classes": CLASSES, "missing": [HOSTILE, {"code": [1], "what": HOSTILE,
                 "remedy": HOSTILE}], "priorities": HOSTILE}),
        ("tcp", {"options": [HOSTILE, 7], "failures": {HOSTILE: 1}, "address": HOSTILE}),
        ("tcp", {"options": HOSTILE, "failures": [HOSTILE]}),
        ("host", {"rows": [{"kind": HOSTILE, "subject": HOSTILE, "values": {HOSTILE: 1.0},
                            "facts": {HOSTILE: HOSTILE}}, {"values": HOSTILE}, HOSTILE] * 90}),
        ("hardware", {"rows": HOSTILE}),
    ],
)  # fmt: skip
def test_whatever_a_result_holds_a_sound_page_comes_out(show, kind, document):
    facts = {"net.tcp.congestion.algorithm": HOSTILE}
    assert HOSTILE not in show(kind, document=document, facts=facts)
