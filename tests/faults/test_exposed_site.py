"""Each fault by itself, and many at random: rows 1, 2, 6 and 7 of the fault matrix."""

import random
import time
from contextlib import ExitStack
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from streamswarm.door import ANSWER_SECONDS
from tests.faults.conftest import QUICK_ROUNDS
from tests.faults.exposed import FAR, run_exposed_site
from tests.faults.random_runs import judge_whole, strike_once
from tests.faults.rounds import wait_for_verdict
from tests.faults.strikes import FAULTS, QUICK_FAULTS, list_faults
from tests.servers.postgresql import MISSING, find_binaries
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

# test_kills.py ends every process of a server on SQLite.
KIND_MARKS = {
    "sqlite": (pytest.mark.repeats("sqlite"),),
    "postgresql": (pytest.mark.postgresql,),
}
ROUNDS_PER_FAULT = 4  # there are many faults
RECOVERY_SECONDS = 120
# Beyond the server's own bound: the machine may be busy with other tests.
PATIENCE_SECONDS = ANSWER_SECONDS + 40
LEAST_RUNS = 3


def pytest_generate_tests(metafunc):
    """Every fault that can happen on a database; of the quick form, those that stand for others."""
    if "fault" not in metafunc.fixturenames:
        return
    is_long = metafunc.config.getoption("--rounds", default=QUICK_ROUNDS) > QUICK_ROUNDS
    metafunc.parametrize(
        ("kind", "fault"),
        [
            pytest.param(kind, fault, id=f"{kind}-{fault.name}", marks=KIND_MARKS[kind])
            for kind in KIND_MARKS
            for fault in FAULTS
            if kind in fault.databases and (is_long or fault.name in QUICK_FAULTS)
        ],
    )


@pytest.fixture(scope="module")
def sites():
    """The site of each database that a test has asked for."""
    with ExitStack() as cleanup:
        running = {}

        def find_site(kind):
            if kind not in running:
                running[kind] = cleanup.enter_context(run_exposed_site(kind))
            return running[kind]

        yield find_site


@pytest.fixture
def site(sites, kind):
    if kind == "postgresql" and find_binaries() is None:
        pytest.skip(MISSING)
    return sites(kind)


on_each_database = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=marks) for kind, marks in KIND_MARKS.items()]
)
on_postgresql = pytest.mark.parametrize(
    "kind", [pytest.param("postgresql", marks=KIND_MARKS["postgresql"])]
)


# An upload of nothing: whose key is known already, so that only the database can refuse it.
BODIES = {"records": {"batch": str(uuid4()), "layouts": {}, "records": []}}


def call(site, name="heartbeat"):
    """A call of the agent beside the server, and how it was answered."""
    identity = site.hosts[FAR].agent.identity
    return httpx.post(
        f"{site.stack.base_url}/api/v1/agent/{name}",
        headers={"Authorization": f"Agent {identity.key}"},
        json=BODIES.get(name, {"horizon_seconds": 60}),
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )


def check_everything_arrives(site, fault_run, fault_journal):
    fault_journal.record_run(fault_run)
    assert fault_run.is_clean, fault_run
    assert site.is_ready()


def test_what_is_measured_around_a_fault_is_stored_once(
    site, fault, rounds, is_long_form, fault_journal
):
    for _ in range(max(1, rounds // ROUNDS_PER_FAULT) if is_long_form else 1):
        check_everything_arrives(site, strike_once(site, fault), fault_journal)


@on_each_database
def test_faults_at_random_lose_and_double_nothing(site, rounds, fault_journal):
    for _ in range(rounds):
        fault = random.choice(list_faults(site))  # noqa: S311 - a fault, no secret
        check_everything_arrives(site, strike_once(site, fault), fault_journal)


@on_postgresql
def test_without_its_database_the_server_says_when_to_come_back(site, fault_journal):
    site.set_marks()
    begin = time.monotonic()
    site.cluster.kill9()
    try:
        answers = [call(site, name) for name in ("leases", "records")]
        ready = httpx.get(f"{site.stack.base_url}/readyz", timeout=30, trust_env=False)
    finally:
        site.cluster.start()
    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert answers[0].json()["code"] == "database_unavailable"
    assert ready.status_code == 503
    wait_until(site.is_ready, seconds=RECOVERY_SECONDS, what="recovery")
    record_stored(site, fault_journal, 6, "PostgreSQL killed", begin)


@on_postgresql
def test_a_database_that_hangs_holds_nobody_for_long(site, fault_journal):
    site.set_marks()
    frozen_at = time.monotonic()
    site.cluster.freeze()
    try:
        begin = time.monotonic()
        answer = call(site, "leases")
        assert time.monotonic() - begin < PATIENCE_SECONDS
        measured = sum(map(len, site.read_new().values()))
    finally:
        site.cluster.thaw()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert measured > 0  # the agents went on
    wait_until(site.is_ready, seconds=RECOVERY_SECONDS, what="recovery")
    record_stored(site, fault_journal, 6, "PostgreSQL hangs", frozen_at)


@on_each_database
def test_runs_start_on_time_while_the_line_is_away(site, fault_journal):
    """The probes do not wait for the uploads: run after run begins, and all of it arrives later."""
    site.set_marks()
    accepted = site.line.accepted_count
    site.line.is_refusing = True
    site.line.reset()
    try:
        wait_until(
            lambda: count_results(site.hosts[FAR]) >= LEAST_RUNS,
            seconds=RECOVERY_SECONDS,
            what="runs that end without a server",
        )
    finally:
        restored_at = time.monotonic()
        site.line.restore()
    assert site.line.accepted_count == accepted
    record_stored(site, fault_journal, 7, "line away for runs on end", restored_at)


def count_results(host):
    return sum(line.startswith("result ") for line in host.read_new())


def record_stored(site, fault_journal, row, fault, begin):
    """Returns when what was measured since the marks is stored, each of it once."""
    ledgers = site.read_new()
    verdict = wait_for_verdict(
        lambda: site.judge(ledgers), lambda verdict: not verdict.lost, RECOVERY_SECONDS * 2
    )
    # What is measured meanwhile is in none of these ledgers.
    known = replace(verdict, unlisted=frozenset())
    fault_journal.record(row, fault, known, recovery_seconds=time.monotonic() - begin)
    assert not verdict.lost, verdict
    assert verdict.doubled == 0


@on_each_database
def test_in_the_end_the_database_holds_what_the_ledgers_list(site):
    """Last of this file: the agents are asked to stop, and everything since the start is judged."""
    whole = judge_whole(site)
    assert whole.is_clean, whole
