"""The sentence of a finding about a series names its channel and its figures."""

import pytest

from apps.ml.algorithms.series import CHANNELS
from apps.ml.selectors.sentences import describe_series, name_span

DAY = 86_400


@pytest.mark.parametrize(
    ("channel", "evidence", "sentence"),
    [
        (
            "range",
            {"ratio": 1.12, "span_seconds": 14 * DAY},
            "outside the range of the last 14 days by 12 % of its width",
        ),
        (
            "jump",
            {"span_seconds": 30 * 3600},
            "largest step from one value to the next in 30 hours",
        ),
        (
            "shift",
            {"span_seconds": 13 * DAY, "window_seconds": 600},
            "largest shift of the mean of 10 minutes in 13 days",
        ),
        (
            "discord",
            {"span_seconds": 14 * DAY, "window_seconds": 8 * 3600},
            "unlike any 8 hours of the last 14 days",
        ),
        (
            "season",
            {"span_seconds": 7 * DAY, "lag_seconds": 7 * DAY},
            "differs more from one week before than ever in 7 days",
        ),
        ("unheard of", {}, ""),
    ],
)
def test_each_channel_has_its_sentence(channel, evidence, sentence):
    assert describe_series(channel, evidence) == sentence


def test_no_channel_goes_without_a_sentence_even_without_figures():
    assert all(describe_series(channel, {}) for channel in CHANNELS)


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (0, "1 minute"),
        (3000, "50 minutes"),
        (7199, "120 minutes"),
        (7200, "2 hours"),
        (2 * DAY, "2 days"),
    ],
)
def test_spans_are_named_in_their_largest_fitting_unit(seconds, name):
    assert name_span(seconds) == name
