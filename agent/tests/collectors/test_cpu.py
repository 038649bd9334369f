from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.collectors.cpu import CpuCollector, busy_share, state_shares


class Times(NamedTuple):
    user: float
    system: float
    idle: float
    iowait: float = 0.0
    guest: float = 0.0


seconds = st.floats(0, 1e9)
readings = st.fixed_dictionaries(
    dict.fromkeys(("user", "system", "idle", "iowait", "guest"), seconds)
)


def test_a_core_is_busy_for_the_share_that_it_neither_idled_nor_waited(collect):
    passes = iter([[Times(10, 5, 80, 5)], [Times(12, 6, 85, 7)]])
    collector = CpuCollector(lambda: next(passes))
    assert collect(collector)[""].absent == {"system.cpu.utilization{cpu=0}": "I"}
    assert collect(collector)[""].values == {"system.cpu.utilization{cpu=0}": pytest.approx(3 / 10)}


def test_the_time_of_guests_counts_once():
    earlier, later = Times(0, 0, 0)._asdict(), Times(50, 0, 50, 0, guest=50)._asdict()
    assert busy_share(earlier, later) == pytest.approx(0.5)


def test_a_core_that_was_plugged_in_has_no_share_yet(collect):
    passes = iter([[Times(1, 1, 1)], [Times(2, 1, 2), Times(1, 1, 1)]])
    collector = CpuCollector(lambda: next(passes))
    collect(collector)
    frame = collect(collector)[""]
    assert frame.values == {"system.cpu.utilization{cpu=0}": pytest.approx(0.5)}
    assert frame.absent == {"system.cpu.utilization{cpu=1}": "I"}


def test_a_huge_machine_fits_the_layout(collect):
    collector = CpuCollector(lambda: [Times(1, 1, 1)] * 300)
    assert len(collect(collector)[""].absent) == 256


def test_no_time_between_two_passes_tells_nothing():
    times = Times(1, 2, 3)._asdict()
    assert busy_share(times, times) == "I"


@given(readings, readings)
def test_shares_are_shares_whatever_the_counters_do(earlier, later):
    shares = state_shares(earlier, later)
    busy = busy_share(earlier, later)
    if "I" in shares.values():
        assert busy == "I"
    else:
        assert sum(shares.values()) == pytest.approx(1)
        assert 0 <= busy <= 1


def test_the_real_cores_are_read(collect):
    collector = CpuCollector()
    collect(collector)
    frame = collect(collector)[""]
    assert frame.values or frame.absent
