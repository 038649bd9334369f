"""The recorded corpus: faults put into networks, and what real probes saw (tests/injection)."""

from collections import Counter
from pathlib import Path

import pytest

from apps.ml.diagnosis.judges import JUDGES
from apps.ml.diagnosis.symptoms import find_symptoms
from benchmarks.measuring.causes import NOTHING, build_confusion, find_accuracy, judge_all
from tests.injection.cases import read_corpus

CORPUS = Path(__file__).parent / "corpus" / "cases.jsonl"
GOAL_RATIO = 0.85
LEAST_RECALL = 0.6
RUNS_AT_LEAST = 10


@pytest.fixture(scope="module")
def recorded():
    return read_corpus(CORPUS)


@pytest.fixture(scope="module")
def held_out(recorded):
    return judge_all(one for one in recorded if one.is_held_out)


def test_every_class_was_recorded_often_enough_in_both_halves(recorded):
    runs = Counter(one.cause or NOTHING for one in recorded)
    assert set(runs) == {*JUDGES, NOTHING}
    assert min(runs.values()) >= RUNS_AT_LEAST
    for cause in runs:
        halves = {one.is_held_out for one in recorded if (one.cause or NOTHING) == cause}
        assert halves == {True, False}


def test_no_topology_is_in_both_halves(recorded):
    halves = {one.topology: set() for one in recorded}
    for one in recorded:
        halves[one.topology].add(one.is_held_out)
    assert all(len(found) == 1 for found in halves.values())


def test_the_first_cause_is_the_fault_that_was_put_in(held_out):
    wrong = [f"{one.run}: {one.first}" for one in held_out if not one.is_right]
    assert find_accuracy(held_out) >= GOAL_RATIO, wrong


@pytest.mark.parametrize("cause", [*JUDGES, NOTHING])
def test_no_class_is_bought_with_another(held_out, cause):
    runs = [one for one in held_out if one.truth == cause]
    assert sum(one.is_right for one in runs) >= LEAST_RECALL * len(runs)


def test_nothing_is_blamed_where_nothing_was_done(held_out):
    blamed = [one for one in held_out if one.truth == NOTHING and one.first != NOTHING]
    assert len(blamed) <= 0.15 * sum(one.truth == NOTHING for one in held_out)


def test_a_fault_need_not_show_in_the_result_that_is_asked_about(recorded):
    """Some faults leave no symptom in it, so the corpus is no list of thresholds passed."""
    asked = [one for one in recorded if one.cause and one.case.observed is not None]
    assert sum(not find_symptoms(one.case) for one in asked) >= RUNS_AT_LEAST


def test_the_table_counts_each_run_once(held_out):
    rows = build_confusion(held_out)
    assert sum(row[1] for row in rows) == len(held_out)
    assert sum(row[2] for row in rows) == sum(one.is_right for one in held_out)
