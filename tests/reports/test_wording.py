from hypothesis import given
from hypothesis import strategies as st

from apps.reports.sections.wording import (
    write_bits,
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
