"""What is counted as available, and what an incident is."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.reports.algorithms.accounting import Tally, Turn, add_tallies, find_incidents

START = datetime(2026, 10, 1, tzinfo=UTC)
END = START + timedelta(hours=10)
counts = st.integers(0, 10_000)
tallies = st.builds(Tally, counts, counts, counts, st.floats(0.1, 3600))


def turn(hours, is_good, key="a", reason=""):
    return Turn(key, START + timedelta(hours=hours), is_good, reason)


def test_unknown_runs_lower_the_coverage_and_not_the_availability():
    tally = Tally(good=90, bad=10, unknown=100)
    assert (tally.availability, tally.coverage) == (0.9, 0.5)


def test_nothing_measured_is_no_availability_and_nothing_planned_no_coverage():
    assert Tally(unknown=5).availability is None
    assert Tally(unknown=5).coverage == 0
    assert Tally().coverage is None
    assert add_tallies([]).availability is None


def test_of_many_tests_each_run_counts_with_its_length():
    total = add_tallies([Tally(good=1, run_seconds=300), Tally(bad=1, run_seconds=100)])
    assert total.availability == 0.75


@given(st.lists(tallies))
def test_the_total_lies_between_its_parts(parts):
    total = add_tallies(parts).availability
    known = [one.availability for one in parts if one.availability is not None]
    if not known:
        assert total is None
    else:
        assert min(known) - 1e-9 <= total <= max(known) + 1e-9


def test_an_incident_lasts_from_the_first_failed_run_to_the_next_good_one():
    turns = [turn(0, True), turn(2, False, reason="no reply"), turn(3.5, True)]
    [incident] = find_incidents(turns, END)
    assert (incident.seconds, incident.reason, incident.is_open) == (5400, "no reply", False)


def test_what_no_good_run_ended_is_open_and_ends_with_the_period():
    turns = [turn(9, False, key="a"), turn(1, True, key="b"), turn(8, False, key="b")]
    first, second = find_incidents(turns, END)
    assert (first.key, first.is_open, first.seconds) == ("a", True, 3600)
    assert (second.key, second.is_open, second.seconds) == ("b", True, 7200)
