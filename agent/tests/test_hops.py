"""The hops of a trace as the terminal shows them."""

import io

from rich.console import Console

from streamswarm_agent.cli.hops import build_hop_table


def show(hops):
    screen = io.StringIO()
    Console(file=screen, width=120).print(build_hop_table({"hops": hops}))
    return screen.getvalue()


def describe(address, **fields):
    return {
        "address": address, "name": "", "flows": [0, 1], "rtt_min": 0.001, "rtt_median": 0.002,
        "rtt_max": 0.003, "labels": [], "text": "", **fields,
    }  # fmt: skip


def test_a_hop_shows_who_answered_how_fast_and_why_it_seems_to_lose():
    stations = [
        describe("192.0.2.1", name="core.example", labels=[{"label": 24001}]),
        describe("192.0.2.2"),
    ]
    hop = {"ttl": 2, "loss_ratio": 0.25, "is_rate_limited": True, "stations": stations}
    first, second = show([hop]).splitlines()[1:]
    assert first.split() == [
        "2", "192.0.2.1", "(core.example)", "25", "%", "1.000", "ms", "2.000", "ms", "3.000", "ms",
        "2", "MPLS", "24001;", "limits", "its", "answers",
    ]  # fmt: skip
    assert second.split()[:3] == ["192.0.2.2", "1.000", "ms"]


def test_a_silent_hop_is_a_star():
    hop = {"ttl": 3, "loss_ratio": 1.0, "is_rate_limited": False, "stations": []}
    assert show([hop]).splitlines()[1].split() == ["3", "*", "100", "%"]


def test_what_is_no_trace_has_no_table():
    assert build_hop_table({"address": "192.0.2.1"}) is None
