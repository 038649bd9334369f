"""Hops and paths out of answers: gaps, ends, loss that is none, equal paths, changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.trace_answers import Answer
from streamswarm_agent.probes.trace_path import (
    Trial,
    count_distinct,
    estimate_asymmetry,
    fill_gaps,
    find_paths,
    has_loop,
    hash_paths,
    list_hops,
)
from streamswarm_agent.probes.trace_report import explain_end, measure_path, survey_trials


def walk(flow, addresses, *, is_reached=True, seconds=0.01):
    """A trial for each address from hop 1 on; None is silence, the last one the target."""
    trials = []
    for ttl, address in enumerate(addresses, start=1):
        verdict = "reached" if is_reached and ttl == len(addresses) else "passed"
        answer = Answer(address, seconds * ttl, verdict) if address else None
        trials.append(Trial(flow, ttl, answer))
    return trials


def paths_of(*trials):
    return find_paths([trial for some in trials for trial in some], 1)


def test_a_flow_ends_at_the_first_answer_of_the_target():
    trials = [*walk(0, ["a", "b", "t"]), Trial(0, 4, Answer("t", 0.1, "reached"))]
    (path,) = find_paths(trials, 1)
    assert (path.path, path.end_ttl, path.is_reached) == (("a", "b", "t"), 3, True)
    assert [hop.ttl for hop in list_hops(trials, [path])] == [1, 2, 3]


def test_a_silent_hop_is_a_gap_and_silence_behind_the_last_answer_is_nothing():
    (path,) = paths_of(walk(0, ["a", None, "c", None, None], is_reached=False))
    assert (path.path, path.end_ttl, path.is_reached) == (("a", None, "c"), None, False)


def test_the_more_frequent_address_of_a_flow_stands_for_its_hop():
    rounds = [*walk(0, ["a", "x", "t"]), *walk(0, ["a", "b", "t"]), *walk(0, ["a", "b", "t"])]
    (path,) = find_paths(rounds, 1)
    assert path.path == ("a", "b", "t")
    assert [station.address for station in list_hops(rounds, [path])[1].stations] == ["b", "x"]


def test_what_a_flow_lost_counts_as_far_as_the_others_reach():
    trials = [*walk(0, ["a", "b", "t"]), *walk(1, ["a", None, None], is_reached=False)]
    hops = list_hops(trials, find_paths(trials, 1))
    assert [(hop.sent_count, hop.received_count) for hop in hops] == [(2, 2), (2, 1), (2, 1)]
    assert count_distinct(find_paths(trials, 1)) == 1


def test_a_hop_that_answers_less_than_those_behind_it_loses_nothing():
    trials = [*walk(0, ["a", "b", "t"]), *walk(0, ["a", None, "t"])]
    first, second, last = list_hops(trials, find_paths(trials, 1))
    assert (second.loss_ratio, second.forwarding_loss_ratio, second.is_rate_limited) == (0.5, 0, 1)
    assert not first.is_rate_limited
    assert not last.is_rate_limited


def test_loss_that_goes_on_to_the_target_is_loss():
    trials = [*walk(0, ["a", "b", "t"]), *walk(0, ["a", None, None])]
    _, second, last = list_hops(trials, find_paths(trials, 1))
    assert second.forwarding_loss_ratio == last.loss_ratio == 0.5
    assert not second.is_rate_limited


@pytest.mark.parametrize(
    ("ways", "width"),
    [
        ([["a", "b", "t"], ["a", "c", "t"]], 2),
        ([["a", "b", "t"], ["a", None, "t"]], 1),
        ([["a", "b", "t"], ["a", "b", "c", "t"]], 2),
        ([["a", None, "t"], ["a", None, "t"]], 1),
        ([[None, None, "t"], ["a", "b", "t"], ["a", "c", "t"]], 2),
    ],
)
def test_distinct_paths_are_counted_without_making_gaps_into_paths(ways, width):
    assert count_distinct(paths_of(*(walk(flow, way) for flow, way in enumerate(ways)))) == width


def test_a_hop_that_falls_silent_keeps_its_name_while_all_else_agrees():
    former = {0: ("a", "b", "t")}
    silent = paths_of(walk(0, ["a", None, "t"]))
    assert hash_paths(fill_gaps(silent, former)) == hash_paths(former)
    moved = paths_of(walk(0, ["a", None, "u"]))
    assert hash_paths(fill_gaps(moved, former)) != hash_paths(former)


def test_a_target_that_falls_silent_is_no_other_route():
    former = {0: ("a", "b", "t")}
    cut = paths_of(walk(0, ["a", "b", None], is_reached=False))
    assert fill_gaps(cut, former) == former
    other = paths_of(walk(0, ["a", "c"], is_reached=False))
    assert fill_gaps(other, former) == {0: ("a", "c")}


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=8))
def test_filling_never_changes_what_answered(addresses):
    paths = paths_of(walk(0, [*addresses, "t"]))
    former = {0: tuple(address or "z" for address in [*addresses, "t"])}
    assert fill_gaps(paths, former) == former
    assert fill_gaps(paths, {})[0] == paths[0].path


def test_a_path_has_a_loop_when_an_address_comes_again():
    assert has_loop(("a", "b", "a"))
    assert not has_loop(("a", None, None, "b"))


@pytest.mark.parametrize(
    ("hop_count", "received_ttl", "expected"),
    [(3, 62, 0), (3, 60, -2), (5, 64, 4), (4, 252, 0), (10, 119, 0), (3, 70, None), (3, 300, None)],
)
def test_the_way_back_follows_from_the_ttl_that_is_left(hop_count, received_ttl, expected):
    assert estimate_asymmetry(hop_count, received_ttl) == expected


def test_the_figures_of_a_trace_that_arrived():
    trials = [
        *walk(0, ["a", "b", "t"], seconds=0.01),
        *walk(1, ["a", "c", "t"], seconds=0.02),
    ]
    measures = measure_path(survey_trials(trials, 1))
    assert measures["path.hop.count"] == 3
    assert measures["path.hop.rtt.median"] == pytest.approx(0.045)
    assert measures["path.ecmp.width"] == 2
    assert measures["path.ecmp.flow_spread"] == pytest.approx(0.03)
    assert measures["net.rtt.gateway"] == pytest.approx(0.015)
    assert measures["path.change.count"] == "I"
    assert measures["path.ttl.received"] == "U"


@pytest.mark.parametrize(
    ("former", "count"), [({0: ("a", "b", "t")}, 0), ({0: ("a", "c", "t")}, 1)]
)
def test_a_change_is_counted_against_the_run_before(former, count):
    survey = survey_trials(walk(0, ["a", "b", "t"]), 1, former)
    assert measure_path(survey)["path.change.count"] == count


def test_silence_of_all_hops_is_absent_and_not_zero():
    survey = survey_trials(walk(0, [None, None]), 1)
    measures = measure_path(survey)
    assert {measures[key] for key in ("path.hop.count", "path.hash", "path.ecmp.width")} == {"T"}
    assert explain_end(survey) == "no hop answered"


def test_a_target_that_is_not_reached_has_no_distance():
    survey = survey_trials(walk(0, ["a", "b", None], is_reached=False), 1)
    measures = measure_path(survey)
    assert measures["path.hop.count"] == measures["path.hop.loss.ratio"] == "T"
    assert measures["path.hop.unresponsive"] == 0
    assert explain_end(survey) == "silence behind hop 2, b"


def test_a_refusal_on_the_way_is_named():
    trials = [*walk(0, ["a"], is_reached=False), Trial(0, 2, Answer("b", 0.1, "refused", "no"))]
    assert explain_end(survey_trials(trials, 1)) == "hop 2, b, says: no"
