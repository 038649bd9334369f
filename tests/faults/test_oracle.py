"""The judge itself: it must see a loss, a double, an invention, or its silence is no proof."""

import pytest

from tests.faults.oracle import compare, format_moment

AT = "2026-01-31T12:00:00.000000Z"
FRAMES = [f"frame cpu - {number} {AT}" for number in range(3)]
RESULT = "result 4850ee97-4079-59aa-a58a-686b1572e4af"
LEDGER = [*FRAMES, RESULT]


def test_equal_ledger_and_database_are_exactly_once():
    verdict = compare(LEDGER, reversed(LEDGER))
    assert verdict.is_exactly_once
    assert (verdict.measured, verdict.stored) == (4, 4)


def test_an_empty_ledger_proves_nothing():
    assert not compare([], []).is_exactly_once


@pytest.mark.parametrize("missing", LEDGER)
def test_a_lost_measurement_is_seen(missing):
    verdict = compare(LEDGER, [line for line in LEDGER if line != missing])
    assert verdict.lost == {missing}
    assert not verdict.is_exactly_once


@pytest.mark.parametrize("again", [RESULT, FRAMES[0], f"frame cpu - 0 {AT.replace('00Z', '01Z')}"])
def test_a_doubled_measurement_is_seen_even_at_another_time(again):
    verdict = compare(LEDGER, [*LEDGER, again])
    assert verdict.doubled == 1
    assert not verdict.is_exactly_once


def test_what_no_ledger_knows_is_seen():
    invented = f"frame cpu - 9 {AT}"
    verdict = compare(LEDGER, [*LEDGER, invented])
    assert verdict.unlisted == {invented}
    assert not verdict.is_exactly_once


def test_a_whole_second_reads_as_on_the_wire():
    assert format_moment("2026-01-31 12:00:00") == AT
