from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.icmp_time import (
    HostClocks,
    Moment,
    round_trip_seconds,
    stamp_delay_seconds,
)

MILLISECOND = 1_000_000
SENT = Moment(wall_nanoseconds=5_000 * MILLISECOND, monotonic_nanoseconds=70 * MILLISECOND)


def seen_after(milliseconds, wall_step=0):
    return Moment(
        SENT.wall_nanoseconds + (milliseconds + wall_step) * MILLISECOND,
        SENT.monotonic_nanoseconds + milliseconds * MILLISECOND,
    )


def test_the_kernels_stamp_decides_however_late_the_program_sees_the_reply():
    stamp = SENT.wall_nanoseconds + 20 * MILLISECOND
    assert round_trip_seconds(SENT, seen_after(115), stamp) == 0.020


def test_without_a_stamp_the_program_s_own_clock_decides():
    assert round_trip_seconds(SENT, seen_after(115), None) == 0.115


def test_a_clock_set_back_or_forth_during_the_probe_does_not_show():
    for step in (-3_600_000, -50, 50, 3_600_000):
        seen = seen_after(21, wall_step=step)
        stamp = seen.wall_nanoseconds - MILLISECOND
        assert round_trip_seconds(SENT, seen, stamp) == 0.021


def test_a_slew_of_the_clock_is_no_step():
    seen = Moment(SENT.wall_nanoseconds + 1_000_400_000, SENT.monotonic_nanoseconds + 10**9)
    assert round_trip_seconds(SENT, seen, SENT.wall_nanoseconds + 10**9) == 1.0


def test_the_program_sees_a_reply_so_much_later_than_the_kernel():
    stamp = SENT.wall_nanoseconds + 21 * MILLISECOND
    assert stamp_delay_seconds(SENT, seen_after(24), stamp) == 0.003
    assert stamp_delay_seconds(SENT, seen_after(24), None) is None
    assert stamp_delay_seconds(SENT, seen_after(24, wall_step=50), stamp) is None


@given(st.integers(0, 10**10), st.integers(-(10**10), 10**10), st.integers(0, 10**10))
def test_a_round_trip_is_never_negative(elapsed, step, stamp_offset):
    seen = Moment(SENT.wall_nanoseconds + elapsed + step, SENT.monotonic_nanoseconds + elapsed)
    assert round_trip_seconds(SENT, seen, SENT.wall_nanoseconds + stamp_offset - 10**9) >= 0


def test_the_wall_clock_is_read_last():
    order = []
    clocks = HostClocks(
        wall=lambda: order.append("wall") or 1, monotonic=lambda: order.append("monotonic") or 2
    )
    assert clocks.read() == Moment(1, 2)
    assert order == ["monotonic", "wall"]
