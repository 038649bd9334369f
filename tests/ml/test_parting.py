"""When to learn, from which rows, and about what."""

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ml.algorithms.scopes import Scope, parse_scope
from apps.ml.algorithms.splitting import split_by_time
from apps.ml.algorithms.triggers import (
    Situation,
    Trigger,
    explain_trigger,
    find_tail,
    find_trigger,
    is_called_wrong,
)
from tests.factories.learning import draw_rows

ID = "8c1e9a0e-5b1c-4c8e-9d7e-0c1f2a3b4c5d"
DAY = timedelta(days=1)
AGENT = {"agent": "2"}


def be(**values):
    return Situation(**{"row_count": 100, "provisional": 50, **values})


@pytest.mark.parametrize(
    ("situation", "trigger"),
    [
        (be(row_count=49), None),
        (be(), Trigger.FIRST),
        (be(since_training=DAY, trained_row_count=100), None),
        (be(since_training=DAY, trained_row_count=84), None),
        (be(since_training=DAY, trained_row_count=83), Trigger.NEW_ROWS),
        (be(since_training=7 * DAY, trained_row_count=100), Trigger.WEEKLY),
        (be(since_training=DAY, trained_row_count=100, is_drifted=True), Trigger.DRIFT),
        (be(since_training=DAY / 30, trained_row_count=10, is_drifted=True), None),
        (
            be(since_training=DAY, trained_row_count=100, feedback_count=10, false_count=6),
            Trigger.FEEDBACK,
        ),
        # More than three tenths, but as likely as not by chance.
        (be(since_training=DAY, trained_row_count=100, feedback_count=10, false_count=5), None),
        (be(since_training=DAY, trained_row_count=100, feedback_count=9, false_count=9), None),
        (
            be(since_training=DAY, trained_row_count=100, before={"agent": "1"}, now=AGENT),
            Trigger.SURROUNDINGS,
        ),
        (be(since_training=DAY / 2, trained_row_count=100, before={"agent": "1"}, now=AGENT), None),
        (be(since_training=DAY, trained_row_count=100, before={}, now=AGENT), None),
        (be(since_training=DAY, trained_row_count=100, before=AGENT, now={}), None),
        (be(since_training=DAY, trained_row_count=100, before=AGENT, now=AGENT), None),
    ],
)
def test_what_asks_for_a_training(situation, trigger):
    assert find_trigger(situation) == trigger


@pytest.mark.parametrize(
    ("trigger", "situation", "reason"),
    [
        (Trigger.FIRST, be(), "100 rows are there, 50 are needed"),
        (Trigger.DRIFT, be(drifted_share=0.4), "40% of the features have drifted"),
        (
            Trigger.FEEDBACK,
            be(false_count=7, feedback_count=10),
            "7 of 10 findings were called wrong",
        ),
        (Trigger.NEW_ROWS, be(trained_row_count=80), "100 rows are there, it was 80"),
        (Trigger.WEEKLY, be(since_training=8 * DAY), "the last training was 8 days ago"),
        (
            Trigger.SURROUNDINGS,
            be(before={"agent": "1", "path": "a"}, now={"agent": "2", "path": "b"}),
            "the agent is 2, it was 1; the path to the target is another one",
        ),
        (Trigger.MANUAL, be(), ""),
    ],
)
def test_the_reason_is_told_with_its_figures(trigger, situation, reason):
    assert explain_trigger(trigger, situation) == reason


@given(count=st.integers(1, 60), hits=st.integers(0, 60), share=st.floats(0.01, 0.99))
def test_the_tail_of_the_binomial_distribution_is_that_of_its_definition(count, hits, share):
    terms = [
        math.comb(count, one) * share**one * (1 - share) ** (count - one)
        for one in range(hits, count + 1)
    ]
    assert find_tail(hits, count, share) == pytest.approx(sum(terms), rel=1e-9, abs=1e-300)


def test_a_crowd_of_words_is_counted_without_overflow():
    assert is_called_wrong(40_000, 100_000)
    assert not is_called_wrong(30_000, 100_000)


def test_the_newest_fifth_is_held_and_its_eve_left_out():
    split = split_by_time(np.arange(100.0), purge_seconds=5, champion_until=None)
    assert np.flatnonzero(split.held).tolist() == list(range(80, 100))
    assert np.flatnonzero(split.fitted).tolist() == list(range(75))
    assert split.is_unseen


def test_rows_that_the_champion_knows_judge_nothing_while_there_are_enough_others():
    split = split_by_time(np.arange(200.0), purge_seconds=0, champion_until=165.0)
    assert (np.flatnonzero(split.held)[0], split.is_unseen) == (166, True)
    assert np.count_nonzero(split.fitted) == 166
    few = split_by_time(np.arange(200.0), purge_seconds=0, champion_until=190.0)
    assert (np.count_nonzero(few.held), few.is_unseen) == (40, False)
    old = split_by_time(np.arange(200.0), purge_seconds=0, champion_until=20.0)
    assert (np.count_nonzero(old.held), old.is_unseen) == (40, True)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(0, 5))
def test_no_row_is_on_both_sides_and_equal_times_stay_together(times, purge):
    at = np.sort(np.array(times, float))
    split = split_by_time(at, purge_seconds=purge, champion_until=None)
    assert not (split.fitted & split.held).any()
    assert split.held.any()
    for moment in set(times):
        assert len(set(split.held[at == moment])) == 1


@pytest.mark.parametrize("text", ["all", "kind:ping", f"client:{ID}", f"assignment:{ID}"])
def test_a_scope_is_its_text(text):
    assert parse_scope(text).text == text


@pytest.mark.parametrize(
    "text", ["", "all:x", "kind", "kind:", "client:17", "planet:earth", f"kind:{'x' * 120}"]
)
def test_other_texts_are_no_scopes(text):
    with pytest.raises(ValueError, match=r"scope|UUID|badly"):
        parse_scope(text)
    assert Scope().text == "all"


def test_rows_are_checked_and_chosen_together():
    rows = draw_rows(40)
    chosen = rows.take(rows.groups == 0)
    assert len(chosen) == 14
    assert set(chosen.groups) == {0}
    for change in ({"values": rows.values[:, :2]}, {"groups": rows.groups[1:]}, {"at": -rows.at}):
        names = ("features", "values", "at", "groups", "targets")
        with pytest.raises(ValueError, match=r"must|have"):
            type(rows)(**{**{name: getattr(rows, name) for name in names}, **change})
