"""The budget with a clock and a process that only the test moves."""

from itertools import pairwise

import pytest

from agent.tests.steered_clock import SteeredClock
from streamswarm_agent.runtime import budget as budget_module
from streamswarm_agent.runtime.budget import STEPS, Budget, Limits, ProcessUsage, Step, Usage
from streamswarm_agent.runtime.configuration.resolution import Sources

MEGABYTE = 1e6
LIMITS = Limits(60 * MEGABYTE, 0.01, 120 * MEGABYTE, 0.25)


class SteeredProcess:
    """A process whose usage the test sets; `share` is what it uses of a core while time passes."""

    def __init__(self):
        self.clock = SteeredClock()
        self.megabytes = 40.0
        self.share = 0.002
        self.cpu_seconds = 5.0
        self.released = 0
        self.megabytes_after_release = None

    def read(self):
        return Usage(self.megabytes * MEGABYTE, self.cpu_seconds)

    def release(self):
        self.released += 1
        if self.megabytes_after_release is not None:
            self.megabytes = self.megabytes_after_release


@pytest.fixture
def process():
    return SteeredProcess()


@pytest.fixture
def budget(process):
    return Budget(LIMITS, process, process.clock.monotonic, release_memory=process.release)


def pass_time(process, budget, seconds, *, is_running=False):
    """Observe every 10 s; the last verdict."""
    for _ in range(round(seconds / 10)):
        process.clock.advance(10)
        process.cpu_seconds += 10 * process.share
        verdict = budget.observe(is_running=is_running)
    return verdict


def test_an_agent_within_its_budget_saves_nothing(process, budget):
    verdict = pass_time(process, budget, 600)
    assert verdict.step is STEPS[0]
    assert verdict.describe() == "normal"
    assert verdict.cpu_share == pytest.approx(0.002)
    assert (verdict.memory_limit_bytes, verdict.cpu_limit_share) == (60e6, 0.01)
    assert process.released == 0


def test_the_share_is_the_mean_over_the_last_minute(process, budget):
    assert pass_time(process, budget, 40).cpu_share is None
    process.share = 0.05
    verdict = pass_time(process, budget, 30)
    assert verdict.cpu_share == pytest.approx((30 * 0.002 + 30 * 0.05) / 60)
    assert pass_time(process, budget, 60).cpu_share == pytest.approx(0.05)


def test_a_peak_that_a_minute_evens_out_changes_nothing(process, budget):
    pass_time(process, budget, 300)
    process.share = 0.03
    pass_time(process, budget, 10)
    process.share = 0.001
    assert pass_time(process, budget, 300).level == 0


def test_too_much_processor_takes_one_step_a_minute_up_to_the_last(process, budget):
    process.share = 0.02
    levels = [pass_time(process, budget, 60).level for _ in range(5)]
    assert levels == [1, 2, 3, 3, 3]
    assert budget.step.name == "collectors at quarter pace"
    assert budget.verdict.describe() == (
        "collectors at quarter pace: processor 2.0% of 1.0% of a core"
    )


def test_too_much_memory_is_given_back_first_and_named(process, budget):
    process.megabytes = 80
    assert pass_time(process, budget, 50).level == 0
    assert process.released == 1
    verdict = pass_time(process, budget, 10)
    assert verdict.level == 1
    assert verdict.describe() == "collectors at half pace: memory 80 MB of 60 MB"
    pass_time(process, budget, 60)
    assert process.released == 2


def test_the_way_back_needs_five_quiet_minutes_a_step(process, budget):
    process.megabytes = 80
    pass_time(process, budget, 120)
    assert budget.verdict.level == 2
    process.megabytes = 40
    assert pass_time(process, budget, 290).level == 2
    assert pass_time(process, budget, 10).level == 1
    assert pass_time(process, budget, 290).level == 1
    assert pass_time(process, budget, 10).describe() == "normal"


def test_between_80_and_100_percent_the_step_stays(process, budget):
    process.megabytes = 80
    pass_time(process, budget, 60)
    process.megabytes = 49
    assert pass_time(process, budget, 3600).level == 1
    process.megabytes = 47
    process.share = 0.009
    assert pass_time(process, budget, 3600).level == 1
    process.share = 0.007
    assert pass_time(process, budget, 400).level == 0


def test_a_running_test_has_its_own_limits_for_the_minute_it_counts_in(process, budget):
    process.megabytes, process.share = 100, 0.2
    verdict = pass_time(process, budget, 600, is_running=True)
    assert verdict.level == 0
    assert (verdict.memory_limit_bytes, verdict.cpu_limit_share) == (120e6, 0.25)
    process.megabytes, process.share = 40, 0.002
    assert pass_time(process, budget, 60).is_working
    assert pass_time(process, budget, 20).is_working is False
    assert budget.verdict.level == 0


def test_a_running_test_can_break_its_limits_too(process, budget):
    process.share = 0.5
    assert pass_time(process, budget, 60, is_running=True).level == 1


def test_far_too_much_memory_asks_for_a_restart(process, budget):
    process.megabytes = 130
    pass_time(process, budget, 590)
    assert budget.restart_reason == ""
    pass_time(process, budget, 10)
    assert budget.restart_reason == "memory 130 MB is over the hard limit of 120 MB"


def test_memory_that_can_be_given_back_asks_for_no_restart(process, budget):
    pass_time(process, budget, 600)
    process.megabytes, process.megabytes_after_release = 130, 50
    pass_time(process, budget, 10)
    assert process.released == 1
    assert budget.restart_reason == ""
    assert budget.verdict.level == 0


def test_a_running_test_moves_the_hard_limit(process, budget):
    process.megabytes = 200
    pass_time(process, budget, 700, is_running=True)
    assert budget.restart_reason == ""
    process.megabytes = 241
    pass_time(process, budget, 10, is_running=True)
    assert "over the hard limit of 240 MB" in budget.restart_reason


def test_other_limits_hold_from_the_next_look_on(process, budget):
    pass_time(process, budget, 120)
    budget.limits = Limits(30 * MEGABYTE, 0.01, 120 * MEGABYTE, 0.25)
    assert pass_time(process, budget, 10).level == 1


@pytest.mark.parametrize(
    ("interval_seconds", "factor", "stretched"),
    [(10, 1, 10), (10, 2, 20), (200, 2, 300), (200, 4, 300), (600, 4, 600)],
)
def test_an_interval_is_stretched_up_to_five_minutes(interval_seconds, factor, stretched):
    assert Step("saving", factor).stretch(interval_seconds) == stretched


def test_each_step_saves_at_least_what_the_one_before_saved():
    assert STEPS[0] == Step("normal")
    for weaker, stronger in pairwise(STEPS):
        assert stronger.interval_factor >= weaker.interval_factor
        assert stronger.batch_records <= weaker.batch_records
        assert stronger.has_documents <= weaker.has_documents
        assert stronger != weaker
    assert STEPS[-1].leaves_out("processes")
    assert STEPS[-1].leaves_out("connections")
    assert not STEPS[-1].leaves_out("host")
    assert not STEPS[0].leaves_out("processes")


def test_the_limits_are_the_configured_ones_and_work_is_never_cheaper_than_rest():
    options = ("budget.memory_megabytes=200", "budget.cpu_percent=50")
    assert Limits.of(Sources({}, None, options).read()) == Limits(200e6, 0.5, 200e6, 0.5)
    assert Limits.of(Sources({}).read()) == LIMITS


def test_the_process_reads_itself():
    usage = ProcessUsage().read()
    assert usage.memory_bytes > 1e6
    assert usage.cpu_seconds > 0


def test_giving_memory_back_works_with_and_without_the_c_library():
    before = ProcessUsage().read()
    budget_module.release_memory()
    budget_module.release_memory(platform="win32")
    assert ProcessUsage().read().cpu_seconds >= before.cpu_seconds
