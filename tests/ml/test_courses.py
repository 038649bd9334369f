"""The course of a score: what held when, in equal buckets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ml.algorithms.courses import combine_courses, draw_course

SCORES = st.one_of(st.none(), st.integers(0, 100))
STEPS = st.lists(st.tuples(st.floats(-50, 150), SCORES), max_size=30, unique_by=lambda one: one[0])


def draw(changes, *, buckets=4):
    return draw_course(sorted(changes), start=0.0, end=100.0, buckets=buckets)


def test_a_score_holds_until_the_next_change():
    course = draw([(-10, 90), (50, 70)])
    assert course.at.tolist() == [0, 25, 50, 75]
    assert course.mean.tolist() == [90, 90, 70, 70]


def test_the_mean_of_a_bucket_is_weighted_by_time_and_the_extremes_are_kept():
    course = draw([(-10, 100), (20, 0)])
    assert course.mean[0] == pytest.approx(80)
    assert (course.lowest[0], course.highest[0]) == (0, 100)


def test_before_the_first_change_and_while_unknown_nothing_is_known():
    course = draw([(25, 80), (50, None)])
    assert np.isnan(course.mean).tolist() == [True, False, True, True]


def test_without_changes_nothing_is_known():
    assert np.isnan(draw([]).mean).all()


@given(STEPS)
def test_means_lie_between_the_extremes_and_those_are_scores_that_held(changes):
    course = draw(changes, buckets=7)
    held = {score for _at, score in changes if score is not None}
    for mean, lowest, highest in zip(course.mean, course.lowest, course.highest, strict=True):
        assert math.isnan(mean) == math.isnan(lowest) == math.isnan(highest)
        if not math.isnan(mean):
            assert lowest - 1e-9 <= mean <= highest + 1e-9
            assert {lowest, highest} <= held


def test_together_they_are_put_together_as_scores_are():
    whole = combine_courses([draw([(-10, 100)]), draw([(-10, 100), (50, 0)])])
    assert whole.mean.tolist() == [100, 100, 25, 25]


def test_courses_of_other_buckets_are_refused():
    with pytest.raises(ValueError, match="equal buckets"):
        combine_courses([draw([(0, 1)]), draw([(0, 1)], buckets=5)])
