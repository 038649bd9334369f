import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ml.algorithms.correlation import find_movement

WAVE = [math.sin(step / 5) + math.sin(step * 1.7) for step in range(60)]


def test_what_moves_the_same_way_is_found_without_a_shift():
    movement = find_movement(WAVE, [2 * value + 7 for value in WAVE], 5)
    assert movement.shift == 0
    assert movement.coefficient == pytest.approx(1)


def test_what_moved_before_is_found_with_its_lead():
    later = [0.0] * 3 + WAVE[:-3]
    movement = find_movement(later, WAVE, 5)
    assert movement.shift == 3
    assert movement.coefficient == pytest.approx(1)


def test_opposites_have_a_negative_coefficient():
    assert find_movement(WAVE, [-value for value in WAVE], 0).coefficient == pytest.approx(-1)


@pytest.mark.parametrize("other", [[5.0] * 60, [math.nan] * 60, [1e12] * 60])
def test_what_does_not_move_moves_with_nothing(other):
    assert find_movement(WAVE, other, 5) is None


def test_a_few_points_prove_nothing():
    assert find_movement([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 1) is None


def test_series_of_different_length_are_refused():
    with pytest.raises(ValueError, match="length"):
        find_movement(WAVE, WAVE[1:], 5)


@given(st.lists(st.floats(-1e12, 1e12) | st.just(math.nan), min_size=30, max_size=30))
def test_a_coefficient_keeps_to_its_scale(values):
    movement = find_movement(values, WAVE[:30], 3)
    assert movement is None or -1 <= movement.coefficient <= 1
