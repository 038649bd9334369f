"""Each class of problems is proved by its decisive evidence, and the first cause is named."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ml.diagnosis.case import (
    Case,
    Disk,
    FileSystem,
    Hop,
    Link,
    Observation,
    Sibling,
    Usual,
)
from apps.ml.diagnosis.judgement import Cleared, NotJudged, Symptom, Verdict
from apps.ml.diagnosis.judges import JUDGES
from apps.ml.diagnosis.ranking import diagnose

AT = 1_000_000.0
USUAL_PING = {
    "net.rtt.min": Usual(0.018, 0.019, 0.020, 500),
    "net.rtt.median": Usual(0.019, 0.020, 0.022, 500),
    "net.rtt.p95": Usual(0.020, 0.022, 0.026, 500),
    "net.packet.loss.ratio": Usual(0.0, 0.0, 0.001, 500),
    "net.jitter.rfc3550": Usual(0.0005, 0.001, 0.002, 500),
}
WELL = {
    "net.rtt.min": 0.019,
    "net.rtt.median": 0.020,
    "net.rtt.p95": 0.022,
    "net.packet.loss.ratio": 0.0,
    "net.jitter.rfc3550": 0.001,
}


def ping(**values):
    changed = {name.replace("__", "."): value for name, value in values.items()}
    known = {**WELL, **changed}
    return Observation(
        "ping",
        "server.example",
        AT,
        is_success=known["net.packet.loss.ratio"] < 1,
        values={key: value for key, value in known.items() if value is not None},
        usual=USUAL_PING,
    )


def find(kind, *, is_success=True, reason="", values=None, **more):
    return Observation(
        kind, "server.example", AT, is_success, reason=reason, values=values or {}, **more
    )


GOOD_PING = ping()
DEAD_PING = ping(
    net__packet__loss__ratio=1.0, net__rtt__min=None, net__rtt__median=None, net__rtt__p95=None
)
LOSSY_PING = ping(net__packet__loss__ratio=0.08)
QUEUED_PING = ping(net__rtt__median=0.09, net__rtt__p95=0.18, net__packet__loss__ratio=0.01)
FAR_PING = ping(net__rtt__min=0.06, net__rtt__median=0.062, net__rtt__p95=0.064)
REFUSED_TCP = find("tcp", is_success=False, reason="connection refused (10)")
LOOKUP_USUAL = {"dns.lookup.duration": Usual(0.004, 0.006, 0.02, 300)}

PROVED = {
    "agent_offline": Case(AT, heartbeat_age_seconds=600, heartbeat_interval_seconds=30),
    "clock_skew": Case(AT, clock_offset_seconds=-7.5, heartbeat_age_seconds=3),
    "host_busy": Case(
        AT,
        observed=ping(net__jitter__rfc3550=0.02, net__rtt__p95=0.08),
        host={"system.cpu.utilization": 0.99, "system.memory.utilization": 0.4},
        same_client=(Sibling("one", is_failing=True), Sibling("two", is_failing=True)),
        busiest_process="stress",
    ),
    "disk": Case(AT, file_systems=(FileSystem("/", 0.99), FileSystem("/var", 0.5))),
    "wifi_weak": Case(
        AT,
        observed=LOSSY_PING,
        wifi={"wifi.signal": -79.0, "wifi.snr": 9.0},
        gateway=(ping(net__packet__loss__ratio=0.06),),
    ),
    "lan": Case(
        AT,
        observed=LOSSY_PING,
        gateway=(ping(net__packet__loss__ratio=0.07),),
        links=(Link("eth0", is_up=True, error_rate=4.0),),
    ),
    "bufferbloat": Case(
        AT,
        observed=find("throughput", values={"net.bufferbloat.delta": 0.35}),
        related=(GOOD_PING,),
    ),
    "policing": Case(
        AT,
        observed=find(
            "qos",
            values={
                "qos.policing.detected{direction=forward}": 1.0,
                "qos.policing.rate{direction=forward}": 10e6,
                "qos.policing.burst{direction=forward}": 32_000.0,
            },
        ),
    ),
    "congestion": Case(AT, observed=QUEUED_PING),
    "path_loss": Case(
        AT,
        observed=LOSSY_PING,
        hops=(
            Hop(1, "192.0.2.1", 0.0, 0.001),
            Hop(2, "198.51.100.1", 0.08, 0.01),
            Hop(3, "203.0.113.9", 0.07, 0.02),
        ),
        gateway=(GOOD_PING,),
    ),
    "route_change": Case(
        AT,
        observed=FAR_PING,
        hops=(Hop(1, "192.0.2.1", 0.0, 0.001),),
        route_changes=(AT - 120,),
    ),
    "mtu_black_hole": Case(
        AT,
        observed=find("http", is_success=False, reason="timed out (3)"),
        related=(
            GOOD_PING,
            find("mtu", values={"path.mtu.blackhole": 1.0, "path.mtu": 1400.0}),
        ),
    ),
    "dns_failure": Case(
        AT,
        observed=find(
            "dns",
            is_success=False,
            reason="SERVFAIL (5)",
            facts={"dns.response.code": "SERVFAIL"},
            values={"dns.timeout.ratio": 0.0},
        ),
        related=(GOOD_PING,),
    ),
    "dns_slow": Case(
        AT,
        observed=find("dns", values={"dns.lookup.duration": 0.6}, usual=LOOKUP_USUAL),
        related=(GOOD_PING,),
    ),
    "tls": Case(
        AT,
        observed=find(
            "tls",
            is_success=False,
            reason="certificate has expired (4)",
            values={"tls.certificate.expires_in": -86_400.0 * 3, "tls.certificate.valid": 0.0},
        ),
        related=(GOOD_PING,),
    ),
    "server_slow": Case(
        AT,
        observed=find(
            "http",
            values={
                "http.client.phase.ttfb": 2.5,
                "http.client.phase.connect": 0.02,
                "http.client.request.duration": 2.6,
            },
        ),
        related=(GOOD_PING,),
    ),
    "server_down": Case(AT, observed=REFUSED_TCP, related=(GOOD_PING,)),
}


def test_every_class_has_a_case_that_proves_it():
    assert set(PROVED) == set(JUDGES)
    assert len(JUDGES) == 17


@pytest.mark.parametrize("cause", PROVED)
def test_the_decisive_evidence_names_the_cause_first(cause):
    diagnosis = diagnose(PROVED[cause])
    assert diagnosis.first is not None
    assert diagnosis.first.cause == cause
    assert diagnosis.first.confidence >= 0.5
    assert diagnosis.first.evidence
    assert diagnosis.first.recommendation.endswith(".")


@pytest.mark.parametrize("cause", PROVED)
def test_a_host_where_all_is_well_has_no_problem(cause):
    case = Case(
        AT,
        observed=GOOD_PING,
        related=(
            find("dns", values={"dns.lookup.duration": 0.005, "dns.timeout.ratio": 0.0}),
            find("tcp"),
            find(
                "http",
                values={
                    "http.client.phase.ttfb": 0.04,
                    "http.client.phase.connect": 0.02,
                    "http.response.status_code": 200.0,
                },
            ),
            find(
                "tls",
                values={"tls.certificate.expires_in": 86_400.0 * 60, "tls.certificate.valid": 1.0},
            ),
            find("mtu", values={"path.mtu.blackhole": 0.0, "path.mtu": 1500.0}),
            find(
                "throughput",
                values={"net.bufferbloat.delta": 0.01, "net.tcp.retransmit.ratio": 0.0},
            ),
        ),
        gateway=(GOOD_PING,),
        hops=(Hop(1, "192.0.2.1", 0.0, 0.001), Hop(2, "203.0.113.9", 0.0, 0.02)),
        host={"system.cpu.utilization": 0.2, "system.memory.utilization": 0.5},
        file_systems=(FileSystem("/", 0.4),),
        wifi={"wifi.signal": -50.0, "wifi.snr": 40.0},
        clock_offset_seconds=0.002,
        heartbeat_age_seconds=5,
    )
    assert isinstance(JUDGES[cause].judge(case), Cleared)
    assert diagnose(case).verdicts == ()


@pytest.mark.parametrize("cause", PROVED)
def test_what_was_not_measured_is_named_and_not_guessed(cause):
    judgement = JUDGES[cause].judge(Case(AT))
    assert isinstance(judgement, NotJudged)
    assert judgement.missing


def test_loss_at_one_router_alone_is_no_loss_on_the_path():
    hops = (
        Hop(1, "192.0.2.1", 0.0, 0.001),
        Hop(2, "198.51.100.1", 0.6, 0.01),
        Hop(3, "203.0.113.9", 0.0, 0.02),
    )
    diagnosis = diagnose(Case(AT, observed=GOOD_PING, hops=hops))
    assert diagnosis.first is None


def test_the_layer_that_fails_first_explains_those_behind():
    case = replace(
        PROVED["lan"],
        related=(find("http", is_success=False, reason="timed out (2)"),),
        same_client=(Sibling("other", is_failing=True),),
    )
    diagnosis = diagnose(case)
    assert diagnosis.first.cause == "lan"
    followers = {one.cause: one.explained_by for one in diagnosis.verdicts[1:]}
    assert followers["path_loss"] == "lan"
    assert followers["server_down"] == "lan"


def test_a_full_disk_is_told_but_does_not_explain_lost_packets():
    case = replace(PROVED["path_loss"], file_systems=(FileSystem("/", 0.99),))
    diagnosis = diagnose(case)
    assert diagnosis.first.cause == "path_loss"
    assert [one.cause for one in diagnosis.verdicts if not one.explained_by][1:] == ["disk"]


def test_many_agents_with_one_trouble_point_at_the_server():
    alone = JUDGES["server_down"].judge(Case(AT, observed=REFUSED_TCP))
    siblings = tuple(Sibling(name, is_failing=True) for name in "abc")
    shared = JUDGES["server_down"].judge(Case(AT, observed=REFUSED_TCP, same_target=siblings))
    served = tuple(Sibling(name, is_failing=False) for name in "abc")
    own = JUDGES["server_down"].judge(Case(AT, observed=REFUSED_TCP, same_target=served))
    assert own.confidence < alone.confidence < shared.confidence


def test_a_busy_host_is_not_blamed_while_its_other_targets_are_well():
    case = PROVED["host_busy"]
    calm = replace(case, same_client=(Sibling("one", is_failing=False),))
    busy = JUDGES["host_busy"].judge(case)
    assert JUDGES["host_busy"].judge(calm).confidence < 0.5 < busy.confidence


def test_a_whole_site_that_is_silent_is_told_from_one_agent():
    alone = replace(PROVED["agent_offline"], same_site=(Sibling("b", is_failing=False),))
    together = replace(PROVED["agent_offline"], same_site=(Sibling("b", is_failing=True),))
    assert "restart its agent" in diagnose(alone).first.recommendation
    assert "whole site" in diagnose(together).first.recommendation


def test_a_changed_route_that_is_as_fast_as_before_is_not_the_cause():
    case = replace(PROVED["route_change"], observed=LOSSY_PING)
    assert diagnose(case).first.cause == "path_loss"


def test_a_longer_way_is_not_taken_for_a_queue():
    verdict = JUDGES["congestion"].judge(Case(AT, observed=FAR_PING))
    assert verdict.confidence < 0.5


def test_a_dead_host_is_not_called_a_server_that_refuses():
    case = Case(
        AT,
        observed=find("tcp", is_success=False, reason="no answer in time (5)"),
        related=(DEAD_PING,),
    )
    assert diagnose(case).first.cause == "path_loss"


def test_a_breaking_disk_is_urgent():
    case = Case(AT, disks=(Disk("sda", is_passed=True, bad_sector_count=9, bad_sector_rise=4),))
    (verdict,) = diagnose(case).verdicts
    assert verdict.cause == "disk"
    assert "replace" in verdict.recommendation


def test_the_recommendation_names_the_size_that_passes():
    assert "1360 bytes" in diagnose(PROVED["mtu_black_hole"]).first.recommendation


@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.floats(0, 10) | st.floats(allow_nan=False, allow_infinity=False)
            for key in (*WELL, "path.mtu.blackhole", "dns.lookup.duration", "ntp.offset")
        },
    ),
    st.sampled_from([True, False, None]),
    st.text(max_size=30),
)
def test_no_figures_however_odd_break_a_judge(values, is_success, reason):
    one = Observation("http", "x", AT, is_success, reason=reason, values=values, usual=USUAL_PING)
    diagnosis = diagnose(Case(AT, observed=one))
    assert all(0 <= verdict.confidence <= 1 for verdict in diagnosis.verdicts)
    total = len(diagnosis.cleared) + len(diagnosis.not_judged)
    assert total <= len(JUDGES)


def test_symptoms_are_those_of_the_result_in_question():
    assert diagnose(Case(AT, observed=LOSSY_PING)).symptoms == {Symptom.LOSS}
    assert isinstance(JUDGES["path_loss"].judge(Case(AT, observed=LOSSY_PING)), Verdict)
