import sys

import pytest

from streamswarm_agent.collectors.kernel_clock import measure_clock
from streamswarm_agent.kernel_clock import KernelClock, read_kernel_clock

LATE_MICROSECONDS = -1500


def answer(**fields):
    def fill(timex):
        for name, value in fields.items():
            setattr(timex, name, value)
        return 0

    return fill


@pytest.mark.parametrize(("status", "seconds"), [(0, -1.5e-3), (0x2000, -1.5e-6)])
def test_the_offset_keeps_its_sign_in_either_unit_of_the_kernel(status, seconds):
    ask = answer(offset=LATE_MICROSECONDS, maxerror=20_000, status=status)
    clock = read_kernel_clock(ask)
    assert clock.is_synchronized
    assert clock.offset_seconds == pytest.approx(seconds)
    assert clock.max_error_seconds == pytest.approx(0.02)


def test_the_offset_of_a_clock_that_nothing_steers_does_not_apply():
    measures = measure_clock(read_kernel_clock(answer(status=0x2040, maxerror=16_000_000)))
    assert measures == {
        "system.clock.synchronized": 0.0,
        "system.clock.offset": "N",
        "system.clock.max_error": 16.0,
    }


def refuse(_timex):
    return -1


def lack(_timex):
    raise AttributeError


@pytest.mark.parametrize("ask", [refuse, lack])
def test_where_the_kernel_does_not_answer_all_is_unsupported(ask):
    assert read_kernel_clock(ask) is None
    assert set(measure_clock(None).values()) == {"U"}


@pytest.mark.skipif(sys.platform != "linux", reason="adjtimex is Linux's")
def test_the_real_kernel_answers():
    clock = read_kernel_clock()
    assert isinstance(clock, KernelClock)
    assert clock.max_error_seconds > 0
