"""The scoring of NAB in the benchmark: its fixed points, and cases worked out by hand."""

import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measuring.nab import (
    LOW_FALSE_ALARMS,
    LOW_MISSES,
    PROFILES,
    STANDARD,
    LabelledSeries,
    Scorer,
    read_corpus,
)

ROWS = 1000
WINDOWS = ((300, 399), (600, 699))
START = datetime(2026, 1, 1)  # noqa: DTZ001 - as NAB writes its times


def make_series(name="family/one.csv", windows=WINDOWS):
    times = [START + timedelta(minutes=5 * n) for n in range(ROWS)]
    return LabelledSeries(name, times, np.zeros(ROWS), windows)


def say(*rows):
    scores = np.zeros(ROWS)
    scores[list(rows)] = 1.0
    return {"family/one.csv": scores}


def sigmoid(position):
    return 2 / (1 + math.exp(5 * position)) - 1


@pytest.fixture
def scorer():
    return Scorer([make_series()])


@pytest.mark.parametrize("profile", PROFILES)
def test_silence_is_0_and_speaking_where_each_window_begins_is_100(scorer, profile):
    assert scorer.score(say(), 0.5, profile) == 0
    assert scorer.score(say(300, 600), 0.5, profile) == pytest.approx(100)


def test_a_late_hit_is_worth_less_and_the_best_of_a_window_counts(scorer):
    # The middle of the first window; the second is missed.
    middle = sigmoid(-0.5) / sigmoid(-1)
    expected = 100 * (middle - 1 + 2) / 4
    assert scorer.score(say(350), 0.5) == pytest.approx(expected)
    assert scorer.score(say(350, 360, 398), 0.5) == pytest.approx(expected)


def test_a_false_alarm_costs_its_weight_and_less_just_behind_a_window(scorer):
    far = 100 * -0.11 / 4
    assert scorer.score(say(200), 0.5) == pytest.approx(far)
    assert scorer.score(say(200), 0.5, LOW_FALSE_ALARMS) == pytest.approx(2 * far)
    assert scorer.score(say(200), 0.5, LOW_MISSES) == pytest.approx(100 * -0.11 / 6)
    just_behind = sigmoid(10 / 99) * 0.11
    assert scorer.score(say(409), 0.5) == pytest.approx(100 * just_behind / 4)


def test_the_first_rows_of_a_file_do_not_count(scorer):
    assert scorer.score(say(*range(150)), 0.5) == 0
    assert scorer.score(say(150), 0.5) < 0


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=ROWS, max_size=ROWS))
def test_the_best_threshold_is_the_best_of_all(column):
    scorer = Scorer([make_series()])
    scores = {"family/one.csv": np.array(column)}
    best, threshold = scorer.find_best(scores)
    tried = [scorer.score(scores, level) for level in (0.0, 0.25, 0.5, 1.0, math.inf)]
    assert best == pytest.approx(max(tried))
    assert scorer.score(scores, threshold) == pytest.approx(best)


def test_windows_of_several_files_are_told_apart():
    corpus = [make_series(), make_series("family/two.csv", windows=((500, 549),))]
    scorer = Scorer(corpus)
    scores = {**say(300, 600), "family/two.csv": np.zeros(ROWS)}
    assert scorer.score(scores, 0.5, STANDARD) == pytest.approx(100 * 4 / 6)


def test_a_copy_of_the_benchmark_is_read(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "data" / "family").mkdir(parents=True)
    lines = [f"2026-01-01 00:{n:02}:00,{n}" for n in range(10)]
    (tmp_path / "data/family/one.csv").write_text("\n".join(["timestamp,value", *lines]))
    (tmp_path / "labels/combined_windows.json").write_text(
        '{"family/one.csv": [["2026-01-01 00:04:00.000000", "2026-01-01 00:06:00.000000"]]}'
    )
    (series,) = read_corpus(tmp_path)
    assert (series.family, series.windows) == ("family", [(4, 6)])
    assert series.values.tolist() == list(range(10))
