import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.collectors.measures import (
    Reading,
    frame_of,
    read_if_supported,
    scaled,
    share_of,
)

counts = st.integers(0, 2**63)


def test_a_rate_is_the_increase_over_the_time_between():
    earlier, later = Reading(10.0, {"bytes": 1000}), Reading(15.0, {"bytes": 6000})
    assert later.rate_since(earlier, "bytes") == 1000


def test_the_first_reading_has_no_rate():
    assert Reading(10.0, {"bytes": 1000}).rate_since(None, "bytes") == "I"


def test_a_counter_that_went_back_has_no_rate():
    earlier, later = Reading(10.0, {"bytes": 1000}), Reading(15.0, {"bytes": 10})
    assert later.rate_since(earlier, "bytes") == "I"


def test_a_counter_that_does_not_exist_is_unsupported():
    assert Reading(10.0, {}).rate_since(Reading(5.0, {}), "bytes") == "U"


def test_two_readings_at_one_moment_have_no_rate():
    reading = Reading(10.0, {"bytes": 1000})
    assert reading.rate_since(reading, "bytes") == "I"


@given(counts, counts, st.floats(0.001, 1e6))
def test_a_rate_is_never_negative(first, second, seconds):
    rate = Reading(seconds, {"n": second}).rate_since(Reading(0.0, {"n": first}), "n")
    assert rate == "I" if second < first else rate >= 0


def test_reason_codes_pass_through_arithmetic():
    assert scaled("I", 8) == "I"
    assert scaled(2.0, 8) == 16
    assert share_of(1, 0, "N") == "N"
    assert share_of(1, 4, "N") == 0.25


def test_a_frame_keeps_numbers_and_reason_codes_apart():
    frame = frame_of("host", "", {"a": 1, "b": "U"})
    assert (frame.values, frame.absent) == ({"a": 1.0}, {"b": "U"})


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError, NotImplementedError])
def test_what_the_system_does_not_offer_reads_as_nothing(error):
    def read():
        raise error

    assert read_if_supported(read) is None
