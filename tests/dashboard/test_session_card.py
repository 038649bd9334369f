"""The card of a UDP session: both directions, calls, the peer's clock, and hostile documents."""

import pytest

from apps.dashboard.cards.udp_session import LEAST_BUCKETS_SHOWN
from tests.dashboard.markup import inspect
from tests.dashboard.scene import HOSTILE
from tests.factories.kinds import ANSWERING
from tests.factories.pairs import make_end, make_pair
from tests.factories.tests import make_result

pytestmark = pytest.mark.django_db

DIRECTIONS = {
    "forward": {"sent": 600, "received": 594, "lost": 6, "longest_burst": 4, "duplicates": 2,
                "reordered": 3},
    "reverse": {"received": 590, "lost": 5, "longest_burst": 1, "reordered": 0},
}  # fmt: skip
VALUES = {
    "net.rtt.min": 0.020, "net.rtt.median": 0.025, "net.rtt.p95": 0.031,
    "net.packet.loss.forward.ratio": 0.01, "net.packet.loss.reverse.ratio": 5 / 594,
    "net.jitter.rfc3550": 0.002, "net.voip.r_factor": 88.4, "net.voip.mos": 4.3,
    "net.clock.peer_offset": -0.004, "net.clock.peer_skew": 1.5,
    "net.ipdv.forward.mean_abs": 0.0012, "net.ipdv.reverse.mean_abs": 0.0004,
}  # fmt: skip
DELAYS = {
    "net.owd.forward.median": 0.015, "net.owd.forward.p95": 0.02, "net.owd.asymmetry": 0.005,
    "net.owd.reverse.median": 0.010, "net.owd.reverse.p95": 0.02, "net.owd.error_estimate": 0.0015,
}  # fmt: skip
HISTOGRAM = {"bounds": [0.02, 0.025, 0.03], "counts": [0, 10, 4, 1]}


@pytest.fixture
def session(db):
    inventory = {
        **ANSWERING,
        "probes": ["udp_session"],
        "responder": {"port": 8620, "kinds": ["udp_session"]},
    }
    ends = [make_end(name, inventory=inventory) for name in ("probe-1", "probe-2")]
    return make_pair(*ends, kind="udp_session")


def read(page, assignment, *, document=None, **fields):
    document = {"directions": DIRECTIONS} if document is None else document
    run = make_result(assignment, **{"values": VALUES, "document": document, **fields}).run
    answer = page.get(f"/runs/{run.id}/")
    assert answer.status_code == 200
    markup = answer.content.decode()
    assert inspect(markup).problems == []
    text = markup.replace("\u00a0", " ").replace("\u202f", "")
    return " ".join(text.split())


def test_losses_and_order_are_told_of_each_direction(page, session):
    shown = read(page, session)
    for words in ("Both directions", "to the peer", "and back", "1.0 %", "600", "596"):
        assert words in shown


def test_a_call_has_its_score_and_a_word(page, session):
    shown = read(page, session)
    assert "MOS 4.30, R 88.4" in shown
    assert "high" in shown
    poor = read(page, session, values={**VALUES, "net.voip.r_factor": 30.0, "net.voip.mos": 1.6})
    assert "not to be recommended" in poor


def test_the_clock_of_the_peer_has_the_bound_of_its_error(page, session):
    assert "-4.00 ms ± 10.0 ms" in read(page, session)


def test_delays_have_their_error_beside_them(page, session):
    shown = read(page, session, values=VALUES | DELAYS)
    assert '15.0 ms <span class="text-secondary">± 1.50 ms</span>' in shown
    assert "withheld" not in shown
    assert "takes longer by" in shown


def test_delays_that_clocks_spoil_are_withheld_with_the_reason(page, session):
    shown = read(page, session, absent={"net.owd.forward.median": "N"})
    assert shown.count("withheld") == 2
    assert "only while both clocks are synchronised" in shown


def test_round_trips_are_drawn_as_a_histogram(page, session):
    shown = read(page, session, document={"directions": DIRECTIONS, "net.rtt.histogram": HISTOGRAM})
    assert "20.0 ms to 25.0 ms: 10" in shown
    axis = shown.partition('class="session-axis"')[2].partition("</p>")[0]
    ticks = [axis.index(f">{tick}<") for tick in ("0 ms", "25.0 ms", "30.0 ms")]
    assert ticks == sorted(ticks)


def test_few_bars_stand_in_the_middle_of_an_axis_with_bounds(page, session):
    bounds = [number / 100 for number in range(1, 41)]
    counts = [0] * 20 + [190, 10] + [0] * 19
    histogram = {"bounds": bounds, "counts": counts}
    shown = read(page, session, document={"directions": DIRECTIONS, "net.rtt.histogram": histogram})
    assert shown.count("<rect") == LEAST_BUCKETS_SHOWN
    axis = shown.partition('class="session-axis"')[2].partition("</p>")[0]
    ticks = [axis.index(f">{tick} ms<") for tick in ("160", "210", "260")]
    assert ticks == sorted(ticks)


def test_a_silent_peer_leaves_dashes(page, session):
    silent = {"directions": {"forward": {"sent": 600}, "reverse": {"received": 0}}}
    shown = read(page, session, values={"net.packet.loss.ratio": 1.0}, document=silent)
    assert "Both directions" in shown
    assert "only while both clocks" not in shown


@pytest.mark.parametrize(
    "document",
    [
        {"directions": HOSTILE},
        {"directions": {"forward": HOSTILE, "reverse": [HOSTILE]}, "net.rtt.histogram": HOSTILE},
        {"directions": {"forward": {"sent": HOSTILE, "lost": HOSTILE, "duplicates": HOSTILE}}},
        {"directions": DIRECTIONS, "net.rtt.histogram": {"bounds": [HOSTILE], "counts": [1, -5]}},
        {"directions": DIRECTIONS, "net.rtt.histogram": {"bounds": [1] * 500, "counts": [9] * 501}},
        {"directions": DIRECTIONS, "net.rtt.histogram": {"bounds": [], "counts": [HOSTILE]}},
    ],
)
def test_whatever_a_session_holds_a_sound_page_comes_out(page, session, document):
    shown = read(page, session, document=document, facts={"agent.timestamp.source": HOSTILE})
    assert HOSTILE not in shown
