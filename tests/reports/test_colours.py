import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.reports.algorithms.colours import (
    READABLE,
    VISIBLE,
    WHITE,
    choose_text,
    darken,
    measure_contrast,
    measure_luminance,
)

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "contrast"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        # As WebAIM's contrast checker says.
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
        ("#ff0000", "#ffffff", 4.0),
        ("#ffff00", "#ffffff", 1.07),
    ],
)
def test_contrast_is_that_of_published_values(one, other, contrast):
    assert measure_contrast(one, other) == pytest.approx(contrast, abs=0.01)


@given(colours, colours)
def test_contrast_is_the_same_in_either_order_and_in_its_range(one, other):
    assert measure_contrast(one, other) == measure_contrast(other, one)
    assert 1 <= measure_contrast(one, other) <= 21


@given(colours)
def test_text_on_any_colour_can_be_read(colour):
    assert measure_contrast(choose_text(colour), colour) >= READABLE


@given(colours, st.sampled_from([VISIBLE, READABLE]))
def test_a_darkened_colour_is_seen_on_paper_and_no_lighter_than_before(colour, contrast):
    darker = darken(colour, contrast)
    assert measure_contrast(darker, WHITE) >= contrast
    assert measure_luminance(darker) <= measure_luminance(colour)


@given(colours)
def test_a_colour_that_is_dark_enough_stays_as_it_is(colour):
    if measure_contrast(colour, WHITE) >= VISIBLE:
        assert darken(colour, VISIBLE) == colour
