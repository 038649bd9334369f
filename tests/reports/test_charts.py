"""Charts are well-formed SVG, the same for the same numbers, whatever the numbers and names are."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.reports.algorithms.charts import (
    HEIGHT,
    WIDTH,
    Chart,
    Limit,
    Line,
    Mark,
    choose_ticks,
    draw_chart,
    draw_gauge,
)

SVG = "{http://www.w3.org/2000/svg}"
values = st.lists(st.none() | st.floats(0, 1e12), min_size=1, max_size=60)


def write(value):
    return f"{value:g} ms"


def draw(*lines, **fields):
    at = [60.0 * place for place in range(len(lines[0].values))]
    return draw_chart(
        Chart(**{"start": 0, "end": 3600, "at": at, "lines": lines, "write": write, **fields})
    )


def read_texts(svg):
    return [one.text for one in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


@given(values, values)
def test_a_chart_is_well_formed_and_always_the_same(middle, high):
    size = min(len(middle), len(high))
    line = Line("x", middle[:size], middle[:size], high[:size])
    first = draw(line)
    assert ET.fromstring(first).tag == f"{SVG}svg"  # noqa: S314 - our own
    assert draw(line) == first
    assert "nan" not in first
    assert "inf" not in first


def test_a_gap_parts_the_line_and_a_lone_value_is_a_dot():
    svg = draw(Line("x", [1, 2, None, 3, None, 4, 5]))
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert len(list(root.iter(f"{SVG}path"))) == 2
    assert len(list(root.iter(f"{SVG}circle"))) == 1


def test_the_axis_has_units_and_the_times_their_words():
    texts = read_texts(draw(Line("x", [0, 9]), ticks=[(1800, "1 Oct")]))
    assert {"0 ms", "10 ms", "1 Oct"} <= set(texts)


def test_incidents_are_shaded_and_numbered():
    svg = draw(Line("x", [1, 2]), marks=[Mark(600, 900, 1), Mark(2400, 2500, 2)])
    assert {"1", "2"} <= set(read_texts(svg))
    assert len(list(ET.fromstring(svg).iter(f"{SVG}rect"))) == 2  # noqa: S314 - our own


def test_a_spike_of_the_band_does_not_flatten_the_line_and_is_said():
    svg = draw(Line("x", [1, 1], [1, 1], [1, 500]))
    assert "↑ 500 ms" in read_texts(svg)


def test_hostile_names_stay_text():
    hostile = "</text><script>alert(1)</script>"
    svg = draw(Line(hostile, [1]), Line("y", [2]), ticks=[(60, hostile)])
    assert "<script>" not in svg
    assert hostile in read_texts(svg)


@given(st.floats(1e-9, 1e15))
def test_the_axis_begins_at_0_and_ends_at_a_nice_number_above(top):
    ticks = choose_ticks(top)
    assert ticks[0] == 0
    assert ticks[-1] >= top * (1 - 1e-6)
    assert 2 <= len(ticks) <= 7


def test_a_limit_is_drawn_with_its_words_and_the_axis_reaches_it():
    svg = draw(Line("x", [1, 2]), limit=Limit(80, "Limit: 80 ms"))
    assert {"Limit: 80 ms", "80 ms"} <= set(read_texts(svg))
    assert "Limit" not in draw(Line("x", [1, 2]))


def test_an_empty_time_and_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="time"):
        draw(Line("x", [1]), end=0)
    with pytest.raises(ValueError, match="long"):
        draw(Line("x", [1]), at=[1.0, 2.0])


@pytest.mark.parametrize("score", [0, 42, 79.6, 100])
def test_the_gauge_says_its_number_and_word(score):
    texts = read_texts(draw_gauge(score, "warning"))
    assert texts == [f"{score:.0f}", "warning"]


def test_everything_lies_on_the_drawing():
    root = ET.fromstring(draw(Line("x", [1e9, 0, 5]), marks=[Mark(-500, 90_000, 1)]))  # noqa: S314 - our own
    for shape in root.iter(f"{SVG}rect"):
        assert 0 <= float(shape.get("x")) <= float(shape.get("x")) + float(shape.get("width"))
        assert float(shape.get("x")) + float(shape.get("width")) <= WIDTH
        assert float(shape.get("y")) + float(shape.get("height")) <= HEIGHT
