import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.reports.sections.wording import (
    write_availability,
    write_bits,
    write_mark,
    write_quantity,
    write_seconds,
    write_share,
    write_span,
)


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_quantities_have_their_unit_and_three_digits():
    assert plain(write_seconds(0.01234)) == "12.3 ms"
    assert plain(write_seconds(1.5)) == "1.50 s"
    assert plain(write_seconds(0.01 - 1e-12)) == "10.0 ms"
    assert plain(write_seconds(0.09996)) == "100 ms"
    assert plain(write_bits(93_500_000)) == "93.5 Mbit/s"
    assert plain(write_span(5400)) == "1 h 30 min"
    assert plain(write_span(2 * 86_400)) == "2 d"
    assert plain(write_span(0)) == "0 s"


def test_what_was_not_measured_is_a_dash():
    assert {write_quantity(None, style) for style in ("duration", "ratio", "bit_rate")} == {"—"}


def test_a_share_that_is_nearly_whole_keeps_the_digits_that_tell():
    assert plain(write_share(0.9995)) == "99.950 %"
    assert plain(write_share(1)) == "100 %"
    assert plain(write_share(0)) == "0 %"


@given(st.floats(0, 1))
def test_only_what_is_whole_is_100_percent_and_only_nothing_is_0(ratio):
    text = plain(write_share(ratio))
    assert (text == "100 %") == (ratio == 1)
    assert (text in {"0 %", "0.00 %"}) == (ratio == 0)


@given(st.floats(0, 1))
def test_availabilities_of_a_column_have_three_digits_and_only_what_is_whole_is_100(ratio):
    number, unit = plain(write_availability(ratio)).split(" ")
    assert unit == "%"
    assert len(number.partition(".")[2]) == 3
    assert (number == "100.000") == (ratio == 1)


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        (0.06, "duration", "60 ms"),
        (0.0125, "duration", "12.5 ms"),
        (1, "duration", "1 s"),
        (100, "duration", "100 s"),
        (0, "ratio", "0 %"),
        (0.008, "ratio", "0.8 %"),
        (5e7, "bit_rate", "50 Mbit/s"),
    ],
)
def test_values_of_an_axis_have_no_zeros_that_say_nothing(value, style, text):
    assert plain(write_mark(value, style)) == text
