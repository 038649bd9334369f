import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tests.steered_clock import SteeredClock
from streamswarm_agent.errors import CallFailed, CallRefused
from streamswarm_agent.runtime.clock import Exchange, ServerTime, wait_for_event
from streamswarm_agent.runtime.repetition import keep_running, repeat_call


def exchange(clock, server_offset, outward=0.01, homeward=0.01):
    """What an exchange with a server looks like whose clock is that far ahead of the host's."""
    sent = clock.monotonic()
    received_at = clock.wall() + outward + server_offset
    clock.advance(outward + homeward)
    return Exchange(sent, received_at, received_at, clock.monotonic())


@given(
    offset=st.floats(-1e6, 1e6),
    outward=st.floats(0, 5),
    homeward=st.floats(0, 5),
)
def test_the_true_offset_lies_within_the_stated_error(offset, outward, homeward):
    clock = SteeredClock()
    server_time = ServerTime(clock)
    server_time.learn(exchange(clock, offset, outward, homeward))
    assert abs(server_time.offset_seconds - offset) <= server_time.error_seconds + 1e-5


def test_until_the_first_exchange_the_hosts_clock_is_believed():
    clock = SteeredClock()
    server_time = ServerTime(clock)
    assert server_time.now() == pytest.approx(clock.wall())
    assert server_time.error_seconds is None


def test_the_exchange_with_the_smallest_error_of_the_last_eight_counts():
    clock = SteeredClock()
    server_time = ServerTime(clock)
    server_time.learn(exchange(clock, 2.0, 0.001, 0.001))
    for _ in range(7):
        server_time.learn(exchange(clock, 2.0, 0.5, 0.1))
    assert server_time.error_seconds == pytest.approx(0.001, abs=1e-6)
    server_time.learn(exchange(clock, 2.0, 0.5, 0.1))
    assert server_time.error_seconds == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("step", [3600, -3600, 315_000_000])
def test_a_step_of_the_hosts_clock_does_not_move_measured_times(step):
    clock = SteeredClock()
    server_time = ServerTime(clock)
    server_time.learn(exchange(clock, 0.0))
    before = server_time.now()
    clock.step_wall(step)
    clock.advance(1)
    assert server_time.now() == pytest.approx(before + 1)
    assert server_time.offset_seconds == pytest.approx(-step)


def test_an_exchange_after_a_sleep_of_the_host_overrules_those_before():
    clock = SteeredClock()
    server_time = ServerTime(clock)
    server_time.learn(exchange(clock, 0.0, 0.001, 0.001))
    clock.step_wall(600)
    server_time.learn(exchange(clock, 0.0, 0.2, 0.2))
    assert server_time.offset_seconds == pytest.approx(0.0, abs=0.001)


async def test_waiting_ends_at_the_event_or_after_its_time():
    clock = SteeredClock()
    event = asyncio.Event()
    await wait_for_event(event, clock, 5)
    assert clock.slept == [5]
    event.set()
    await wait_for_event(event, clock, 1e9)
    assert not event.is_set()


class Script:
    """A call that fails as told, then cancels its own repetition."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if not self.failures:
            raise asyncio.CancelledError
        failure = self.failures.pop(0)
        if failure is not None:
            raise failure


async def repeat(script, clock, wake=None):
    with pytest.raises(asyncio.CancelledError):
        await repeat_call(
            "lease",
            script,
            period_seconds=lambda: 10.0,
            wake=wake or asyncio.Event(),
            clock=clock,
        )


async def test_a_call_is_repeated_after_its_period_and_sooner_when_woken():
    clock = SteeredClock()
    await repeat(Script(None, None), clock)
    assert clock.slept == [10, 10]


async def test_a_wake_up_never_shortens_what_the_server_asked_for():
    clock = SteeredClock()
    wake = asyncio.Event()
    wake.set()
    await repeat(Script(CallRefused(503, "busy", "", retry_after_seconds=20)), clock, wake)
    assert clock.slept[0] >= 20


async def test_a_failure_is_logged_when_it_begins_and_when_it_ends(caplog):
    caplog.set_level("INFO")
    failure = CallFailed("connection refused")
    await repeat(Script(failure, failure, failure, None), SteeredClock())
    assert caplog.text.count("lease_failed") == 1
    assert caplog.text.count("lease_works_again") == 1


async def test_a_refused_key_is_said_plainly(caplog):
    await repeat(Script(CallRefused(401, "key_revoked", "The key was revoked.")), SteeredClock())
    assert "key_refused code=key_revoked" in caplog.text
    assert "enrol again" in caplog.text


async def test_a_loop_that_breaks_is_logged_and_begun_again(caplog):
    clock = SteeredClock()
    script = Script(RuntimeError("bug"), RuntimeError("bug"))
    with pytest.raises(asyncio.CancelledError):
        await keep_running("scheduler", script, clock)
    assert script.calls == 3
    assert clock.slept == [5, 5]
    assert "loop_broke name=scheduler" in caplog.text
