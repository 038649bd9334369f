"""A question is answered from what is stored: gathered in a bounded number of queries."""

from datetime import timedelta

import pytest
import time_machine

from apps.core.clock import read_now
from apps.metrics.models import Source
from apps.ml.models import Diagnosis, Finding
from apps.ml.services.diagnosing import diagnose_client, diagnose_run, diagnose_test
from apps.ml.services.diagnosing.results import list_past_values
from apps.ml.services.findings import raise_findings
from apps.tests.models import Assignment, Result, Run, Test
from tests.factories.clients import make_client
from tests.factories.findings import build_finding
from tests.factories.frames import store_frames
from tests.factories.tests import make_run, make_test

pytestmark = pytest.mark.django_db
PING = {
    "net.rtt.min": 0.019,
    "net.rtt.median": 0.02,
    "net.rtt.p95": 0.022,
    "net.packet.loss.ratio": 0.0,
}


@pytest.fixture
def now():
    return read_now()


@pytest.fixture
def client(now):
    return make_client("host", last_heartbeat_at=now, presence="online", site="vienna")


def assign(client, name, **fields):
    return Assignment.objects.get(test=make_test(name, client, **fields))


def measure(assignment, at, *, is_success=True, values=None, **fields):
    run = make_run(assignment, start_at=at, end_at=at, state=Run.State.FINISHED)
    reason = fields.get("reason", "")
    Result.objects.create(
        **{
            "run": run,
            "received_at": at,
            "started_at": at,
            "finished_at": at,
            "outcome": Result.Outcome.COMPLETED,
            "is_success": is_success,
            "values": values or {},
            **fields,
        }
    )
    Assignment.objects.filter(id=assignment.id).update(
        last_run_at=at, last_is_success=is_success, last_reason=reason, last_values=values or {}
    )
    return run


def measure_past(assignment, now, **fields):
    for number in range(20):
        measure(assignment, now - timedelta(hours=1, minutes=20 - number), **fields)


def test_loss_that_is_new_is_named_with_what_is_usual(client, now):
    ping = assign(client, "Ping", target="192.0.2.1")
    measure_past(ping, now, values=PING)
    run = measure(ping, now, values={**PING, "net.packet.loss.ratio": 0.2})
    diagnosis = diagnose_run(run, asked_by=None)
    assert (diagnosis.cause, diagnosis.symptoms) == ("path_loss", ["loss"])
    evidence = diagnosis.verdicts[0]["evidence"][0]
    assert evidence["value"] == 0.2
    assert evidence["usual"]["median"] == 0.0
    assert evidence["run_id"] == str(run.id)
    assert diagnosis.finding.kind == Finding.Kind.DIAGNOSIS
    assert Diagnosis.objects.get().not_judged


def test_a_diagnosis_belongs_to_what_was_found_at_its_time(client, now):
    ping = assign(client, "Ping", target="192.0.2.1")
    measure_past(ping, now, values=PING)
    run = measure(ping, now, values={**PING, "net.packet.loss.ratio": 0.2})
    (found,) = raise_findings([build_finding(client, at=now - timedelta(minutes=2))])
    diagnosis = diagnose_run(run, asked_by=None)
    assert diagnosis.finding.group_id == found.group_id


def test_asking_twice_at_one_instant_answers_twice(client, now):
    ping = assign(client, "Ping", target="192.0.2.1")
    measure_past(ping, now, values=PING)
    run = measure(ping, now, values={**PING, "net.packet.loss.ratio": 0.2})
    with time_machine.travel(now, tick=False):
        first, second = (diagnose_run(run, asked_by=None) for _number in range(2))
    assert first.cause == second.cause
    assert Diagnosis.objects.count() == 2
    assert Finding.objects.get() == first.finding


def test_another_test_of_the_same_target_tells_server_from_path(client, now):
    tcp = assign(client, "Web port", kind="tcp", target="192.0.2.1", parameters={"port": 443})
    ping = assign(client, "Ping", target="192.0.2.1")
    measure(ping, now, values=PING)
    measure(tcp, now, is_success=False, reason="connection refused (10)")
    diagnosis = diagnose_test(tcp, asked_by=None)
    assert diagnosis.cause == "server_down"
    sentences = [one["sentence"] for one in diagnosis.verdicts[0]["evidence"]]
    assert "Its host is reached by ping." in sentences


def test_siblings_on_other_clients_count(client, now):
    tcp = assign(client, "A", kind="tcp", target="192.0.2.1", parameters={"port": 443})
    for name in ("b", "c"):
        other = assign(
            make_client(name), name, kind="tcp", target="192.0.2.1", parameters={"port": 443}
        )
        measure(other, now, is_success=False, reason="connection refused (1)")
    measure(tcp, now, is_success=False, reason="connection refused (10)")
    assert diagnose_test(tcp, asked_by=None).siblings["same_target"] == [2, 2]


def test_a_url_and_an_address_of_one_host_are_one_target(client, now):
    web = assign(client, "Web", kind="http", target="http://192.0.2.1/x")
    ping = assign(client, "Ping", target="192.0.2.1")
    measure(ping, now, values=PING)
    slow = {"http.client.phase.ttfb": 3.0, "http.client.phase.connect": 0.02}
    measure(web, now, values={**slow, "http.client.request.duration": 3.1})
    assert diagnose_test(web, asked_by=None).cause == "server_slow"


def test_a_client_whose_agent_is_silent_is_told_so(client, now):
    client.last_heartbeat_at = now - timedelta(minutes=30)
    client.presence = "offline"
    client.save()
    diagnosis = diagnose_client(client, asked_by=None)
    assert diagnosis.cause == "agent_offline"
    assert diagnosis.finding.severity == Finding.Severity.CRITICAL


def test_a_client_that_is_well_has_no_cause_and_no_finding(client, now):
    ping = assign(client, "Ping", target="192.0.2.1")
    measure_past(ping, now, values=PING)
    measure(ping, now, values=PING)
    diagnosis = diagnose_client(client, asked_by=None)
    assert (diagnosis.cause, diagnosis.finding) == ("", None)
    assert not Finding.objects.exists()
    assert {one["cause"] for one in diagnosis.cleared} >= {"path_loss", "agent_offline"}


def test_a_disk_that_is_full_is_found_on_a_client(client, now):
    source = Source.objects.create(client=client, kind="filesystem", subject="/")
    store_frames(source, [(now, 0.99)], keys=("system.filesystem.utilization",))
    assert diagnose_client(client, asked_by=None).verdicts[0]["cause"] == "disk"


def test_a_first_router_that_loses_is_not_taken_for_the_path(client, now):
    ping = assign(client, "Ping", target="203.0.113.9")
    gateway = assign(client, "Gateway", target="192.0.2.1")
    trace = assign(client, "Trace", kind="trace", target="203.0.113.9")
    lossy = {**PING, "net.packet.loss.ratio": 0.1}
    hops = [
        {"ttl": 1, "loss_ratio": 0.1, "stations": [{"address": "192.0.2.1", "rtt_median": 0.001}]},
        {"ttl": 2, "loss_ratio": 0.1, "stations": [{"address": "203.0.113.9", "rtt_median": 0.02}]},
        {"ttl": "odd"},
        "odd",
    ]
    measure(trace, now, document={"hops": hops})
    measure(gateway, now, values=lossy)
    measure(ping, now, values=lossy)
    diagnosis = diagnose_test(ping, asked_by=None)
    assert diagnosis.cause == "lan"
    followers = {one["cause"]: one["explained_by"] for one in diagnosis.verdicts[1:]}
    assert followers["path_loss"] == "lan"


def test_old_results_are_no_news_of_now(client, now):
    ping = assign(client, "Ping", target="192.0.2.1")
    other = assign(client, "Other", kind="tcp", target="192.0.2.1", parameters={"port": 1})
    measure(other, now - timedelta(days=2), is_success=False, reason="connection refused (1)")
    measure(ping, now, values=PING)
    assert "server_down" in {one["cause"] for one in diagnose_test(ping, asked_by=None).not_judged}


def test_paused_tests_tell_nothing(client, now):
    ping = assign(client, "Ping", target="192.0.2.1")
    other = assign(client, "Other", kind="tcp", target="192.0.2.1", parameters={"port": 1})
    measure(other, now, is_success=False, reason="connection refused (1)")
    measure(ping, now, values=PING)
    Test.objects.filter(id=other.test_id).update(is_paused=True)
    assert diagnose_test(ping, asked_by=None).cause == ""


def test_a_question_costs_a_bounded_number_of_queries(client, now, django_assert_max_num_queries):
    tests = [assign(client, f"Ping {number}", target="192.0.2.1") for number in range(6)]
    for one in tests:
        measure(one, now, values=PING)
    with django_assert_max_num_queries(30):
        diagnosis = diagnose_test(tests[0], asked_by=None)
    assert "path_loss" in {one["cause"] for one in diagnosis.cleared}


def test_what_is_usual_comes_of_each_tests_newest_good_results(client, now):
    steady = assign(client, "Steady", target="192.0.2.1")
    other = assign(client, "Other", target="192.0.2.2")
    young = assign(client, "Young", target="192.0.2.3")
    for number in range(1, 13):
        at = now - timedelta(hours=number)
        measure(steady, at, values={"x": float(number)})
        measure(other, at, values={"x": 100.0 * number})
    measure(steady, now - timedelta(minutes=30), is_success=False, values={"x": 1e9})
    measure(young, now - timedelta(hours=1), values={"x": 1.0})
    past = list_past_values([steady.id, other.id, young.id], now, 10)
    assert sorted(one["x"] for one in past[steady.id]) == [float(one) for one in range(1, 11)]
    assert sorted(one["x"] for one in past[other.id]) == [100.0 * one for one in range(1, 11)]
    assert past[young.id] == [{"x": 1.0}]


def test_a_client_with_many_tests_costs_no_more_queries(client, now, django_assert_max_num_queries):
    for number in range(12):
        measure(assign(client, f"Ping {number}", target=f"192.0.2.{number}"), now, values=PING)
    with django_assert_max_num_queries(20):
        diagnosis = diagnose_client(client, asked_by=None)
    assert diagnosis.siblings["same_client"] == [0, 12]
