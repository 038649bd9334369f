"""What a change is called: direction, share, and whether it is good news."""

import pytest

from apps.dashboard.comparisons import describe_changes
from apps.metrics.selectors import Series

RISING_IS_BETTER = "http.availability.ratio"
RISING_IS_WORSE = "net.rtt.median"
NEITHER = "system.network.io.rate{direction=receive}"
SPACE = "\N{NO-BREAK SPACE}"


def make_series(*values):
    column = list(values)
    moments = [float(at) for at in range(len(column))]
    return Series(0, moments, [1] * len(column), column, column, column, column, column)


def describe_mean(key, before, now):
    return describe_changes(key, make_series(now), make_series(before))[0]


@pytest.mark.parametrize(
    ("key", "before", "now", "expected"),
    [
        (RISING_IS_WORSE, 0.010, 0.015, ("▲", f"+50.0{SPACE}%", "worse", "bad")),
        (RISING_IS_WORSE, 0.010, 0.005, ("▼", f"\N{MINUS SIGN}50.0{SPACE}%", "better", "good")),
        (RISING_IS_WORSE, 0.010, 0.010, ("=", "", "about the same", "idle")),
        (RISING_IS_WORSE, 0.010, 0.01005, ("▲", f"+0.5{SPACE}%", "about the same", "idle")),
        (RISING_IS_WORSE, 0.0, 0.01, ("▲", "", "worse", "bad")),
        (NEITHER, 100.0, 350.0, ("▲", f"+250{SPACE}%", "higher", "idle")),
        (NEITHER, 100.0, 50.0, ("▼", f"\N{MINUS SIGN}50.0{SPACE}%", "lower", "idle")),
    ],
)
def test_a_change_has_a_sign_an_arrow_a_word_and_a_tone(key, before, now, expected):
    change = describe_mean(key, before, now)
    assert (change.arrow, change.percent, change.word, change.tone) == expected


def test_what_is_drawn_as_failures_is_compared_as_failures():
    (change,) = describe_changes(RISING_IS_BETTER, make_series(0.9), make_series(0.95))
    assert (change.before, change.now) == (f"5.0{SPACE}%", f"10.0{SPACE}%")
    assert (change.arrow, change.word) == ("▲", "worse")


def test_the_95th_percentile_is_compared_too():
    changes = describe_changes(RISING_IS_WORSE, make_series(0.01), make_series(0.02))
    assert [change.figure for change in changes] == ["Mean", "95th percentile"]


@pytest.mark.parametrize(("now", "before"), [((), (1.0,)), ((1.0,), ()), ((), ())])
def test_nothing_is_compared_with_nothing(now, before):
    assert describe_changes(RISING_IS_WORSE, make_series(*now), make_series(*before)) == []
