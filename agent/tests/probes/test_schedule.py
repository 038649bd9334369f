import asyncio

import pytest

from streamswarm_agent.probes.base import ProbeRequest
from streamswarm_agent.probes.schedule import AttemptSchedule


def request(duration_seconds=1.0, sample_interval_seconds=0.5, interval_seconds=0.1):
    return ProbeRequest(
        "x", {"interval_seconds": interval_seconds}, duration_seconds, sample_interval_seconds
    )


async def run(clock, wanted, begin):
    reported = []

    async def report(results):
        reported.append((clock.monotonic() - 1000.0, list(results)))

    return await AttemptSchedule(clock, wanted, begin, report).run(), reported


async def test_attempts_keep_to_the_plan_however_late_each_one_starts(virtual_clock):
    clock = virtual_clock(oversleep_seconds=0.03)
    starts = []

    async def begin():
        starts.append(clock.monotonic() - 1000.0)

    course, _ = await run(clock, request(duration_seconds=5.0), begin)
    assert len(starts) == 50
    assert starts[-1] == pytest.approx(4.9, abs=0.04)
    assert max(course.errors_seconds) < 0.04


async def test_an_attempt_counts_in_the_interval_in_which_it_began(virtual_clock):
    clock = virtual_clock()

    async def begin():
        began = round(clock.monotonic() - 1000.0, 6)
        await clock.sleep(0.25)
        return began

    course, reported = await run(clock, request(), begin)
    assert [results for _, results in reported] == [
        [0.0, 0.1, 0.2, 0.3, 0.4],
        [0.5, 0.6, 0.7, 0.8, 0.9],
    ]
    assert course.results == [began for _, results in reported for began in results]


async def test_an_interval_is_reported_when_its_last_attempt_has_ended(virtual_clock):
    clock = virtual_clock()

    async def begin():
        await clock.sleep(0.25)

    _, reported = await run(clock, request(), begin)
    assert [at for at, _ in reported] == pytest.approx([0.65, 1.15])


async def test_the_last_interval_may_be_shorter(virtual_clock):
    async def begin():
        return 1

    _, reported = await run(virtual_clock(), request(duration_seconds=1.2), begin)
    assert [len(results) for _, results in reported] == [5, 5, 2]


async def test_an_interval_without_attempts_is_not_reported(virtual_clock):
    async def begin():
        return 1

    _, reported = await run(
        virtual_clock(), request(duration_seconds=3.0, interval_seconds=2), begin
    )
    assert [at for at, _ in reported] == pytest.approx([0.5, 2.5])


async def test_slots_missed_while_the_host_slept_are_not_made_up_for(virtual_clock):
    clock = virtual_clock()
    clock.suspensions[1000.5] = 3.0
    starts = []

    async def begin():
        starts.append(round(clock.monotonic() - 1000.0, 6))

    course, _ = await run(clock, request(duration_seconds=5.0), begin)
    assert len(starts) == len(course.results) == 5 + 14
    assert starts[5] == pytest.approx(3.6)


async def test_an_attempt_that_cannot_be_made_ends_the_run(virtual_clock):
    async def begin():
        raise PermissionError("no socket")

    with pytest.raises(PermissionError, match="no socket"):
        await run(virtual_clock(), request(), begin)


async def test_a_report_that_fails_ends_the_run(virtual_clock):
    clock = virtual_clock()

    async def begin():
        return 1

    async def report(results):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await AttemptSchedule(clock, request(), begin, report).run()


async def test_cancelling_the_run_cancels_what_is_under_way(clock):
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    async def begin():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    running = asyncio.create_task(run(clock, request(), begin))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cancelled.is_set()
