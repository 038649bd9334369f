from apps.ml.algorithms.tallies import Tally, count_incidents, reckon_burn_rate, tally_hours

HOUR = 3600


def test_an_outage_of_many_hours_is_one_incident_in_the_hour_it_began():
    outcomes = [(10, True), (HOUR + 5, False), (HOUR + 65, False), (2 * HOUR + 5, False)]
    assert tally_hours(outcomes) == {0: Tally(1, 0, 0), 1: Tally(2, 2, 1), 2: Tally(1, 1, 0)}


def test_what_was_failing_before_does_not_begin_again():
    assert tally_hours([(0, False), (60, True), (120, False)], was_failing=True) == {
        0: Tally(3, 2, 1)
    }


def test_the_burn_rate_is_the_share_of_failures_over_the_share_allowed():
    tallies = {100: Tally(100, 1, 1), 99: Tally(100, 0, 0), 94: Tally(100, 100, 1)}
    assert round(reckon_burn_rate(tallies, now_hour=100, goal_ratio=0.995), 9) == 1.0


def test_without_failures_nothing_burns():
    assert reckon_burn_rate({}, now_hour=5, goal_ratio=0.99) == 0
    assert reckon_burn_rate({5: Tally(9, 0, 0)}, now_hour=5, goal_ratio=1.0) == 0


def test_a_goal_that_allows_no_failure_burns_at_once():
    assert reckon_burn_rate({5: Tally(9, 1, 1)}, now_hour=5, goal_ratio=1.0) == float("inf")


def test_incidents_are_those_of_a_day():
    tallies = {100: Tally(1, 1, 2), 77: Tally(1, 1, 3), 76: Tally(1, 1, 4)}
    assert count_incidents(tallies, now_hour=100) == 5
