"""A time analysed beside the one before: selectors, API and command."""

import json
from datetime import timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from apps.accounts.policy import build_onlooker
from apps.core.clock import read_now
from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_moment
from apps.metrics.models import Source
from apps.ml.models import Finding
from apps.reports.selectors.analysis import (
    Period,
    Question,
    read_analysis,
    read_anomalies,
    read_availability,
    read_top_changes,
    read_traffic,
)
from apps.tests.models import Run
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.frames import store_frames
from tests.factories.tests import forget_plans, make_assignment, make_result, make_run

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
RECEIVED = "system.network.io.rate{direction=receive}"
RTT = "net.rtt.median"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def end():
    return floor_moment(read_now(), HOUR_SECONDS)


@pytest.fixture
def question(end):
    return Question(build_onlooker(), Period(end - 10 * HOUR, end), ZoneInfo("UTC"))


def add_run(assignment, at, *, is_success):
    run = make_result(assignment, is_success=is_success).run
    Run.objects.filter(id=run.id).update(start_at=at, end_at=at)


def add_finding(client, at, **fields):
    return Finding.objects.create(
        **{
            "kind": Finding.Kind.SERIES_ANOMALY,
            "severity": Finding.Severity.WARNING,
            "client": client,
            "metric": RTT,
            "started_at": at,
            "ended_at": at,
            "created_at": at,
            **fields,
        }
    )


def add_course(source, key, start, values):
    """A value in the middle of each hour."""
    rows = [(start + HOUR * (number + 0.5), value) for number, value in enumerate(values)]
    store_frames(source, rows, keys=(key,))


def make_interface(client, name="eth0"):
    return Source.objects.create(client=client, kind="interface", subject=name)


def test_availability_counts_what_has_a_verdict_and_says_how_much_was_planned(question, end):
    assignment = make_assignment(make_client(), "Gateway")
    forget_plans()
    for number in range(4):
        add_run(assignment, end - HOUR, is_success=number > 0)
    add_run(assignment, end - 15 * HOUR, is_success=True)
    make_run(assignment, start_at=end - HOUR, state=Run.State.MISSED)
    make_run(assignment, start_at=end - HOUR, state=Run.State.PAUSED)
    make_run(assignment, start_at=end - 30 * HOUR, state=Run.State.MISSED)
    found = read_availability(question)
    (test,) = found.tests
    assert (test.name, test.share.successes, test.share.total) == ("Gateway", 3, 4)
    assert (test.planned, test.coverage) == (5, 0.8)
    assert (found.share.share, found.before.share, found.failures) == (0.75, 1.0, 1)
    assert found.chance == pytest.approx(1.0)


def test_the_worst_test_comes_first_and_one_without_a_verdict_last(question, end):
    probe = make_client()
    names = {"Good": (True, True), "Bad": (False, True), "Silent": ()}
    assignments = {name: make_assignment(probe, name) for name in names}
    forget_plans()
    for name, outcomes in names.items():
        for is_success in outcomes:
            add_run(assignments[name], end - HOUR, is_success=is_success)
    make_run(assignments["Silent"], start_at=end - HOUR, state=Run.State.MISSED)
    assert [one.name for one in read_availability(question).tests] == ["Bad", "Good", "Silent"]


def test_anomalies_are_counted_by_day_metric_and_client(question, end):
    probe, other = make_client("probe-1"), make_client("probe-2")
    for hours in (1, 2, 3):
        add_finding(probe, end - hours * HOUR)
    add_finding(other, end - HOUR, metric="system.cpu.utilization")
    add_finding(probe, end - 12 * HOUR)
    add_finding(probe, end - HOUR, kind=Finding.Kind.DIAGNOSIS)
    found = read_anomalies(question)
    assert (found.count, found.before) == (4, 1)
    assert found.per_day == pytest.approx(9.6)
    assert sum(one.count for one in found.days) == 4
    assert [(one.name, one.count) for one in found.clients] == [("probe-1", 3), ("probe-2", 1)]
    assert found.metrics[0].name == RTT


def test_the_traffic_of_all_outer_links_is_added_up(question, end):
    start = end - 20 * HOUR
    add_course(make_interface(make_client("probe-1")), RECEIVED, start, [100.0] * 20)
    rising = [50.0] * 10 + [100.0 + 10 * number for number in range(10)]
    add_course(make_interface(make_client("probe-2")), RECEIVED, start, rising)
    inner = make_client("probe-3")
    for name in ("lo", "docker0", "veth12ab", "br-5f"):
        add_course(make_interface(inner, name), RECEIVED, start, [1e9] * 20)
    received, sent = read_traffic(question)
    assert (received.links, received.before) == (2, 150.0)
    assert received.mean == pytest.approx(245.0)
    assert received.change == pytest.approx(95 / 150)
    assert received.peak.bits_per_second == 290.0
    assert [(one.name, one.bits_per_second) for one in received.peak.clients] == [
        ("probe-2", 190.0),
        ("probe-1", 100.0),
    ]
    assert end - HOUR <= received.peak.at < end
    assert received.trend.is_clear
    assert received.trend.per_day == pytest.approx(240.0, rel=0.01)
    assert sum(one is not None for row in received.week for one in row) == 10
    assert (sent.mean, sent.peak, sent.has_values) == (None, None, False)


def test_top_changes_are_ranked_by_effect_and_not_by_percent(question, end):
    start = end - 20 * HOUR
    steady, wild = (make_assignment(make_client(name), name) for name in ("steady", "wild"))
    noise = [0.001 * (number % 5) for number in range(10)]
    add_course(
        make_source_of(steady), RTT, start,
        [0.100 + one for one in noise] + [0.120 + one for one in noise],
    )  # fmt: skip
    swing = [0.01, 0.5, 0.02, 0.9, 0.3, 0.05, 0.7, 0.1, 0.4, 0.2]
    add_course(make_source_of(wild), RTT, start, swing + [one * 1.9 for one in swing])
    changes = read_top_changes(question)
    assert changes[0].client == "steady"
    assert changes[0].ratio == pytest.approx(0.2, abs=0.02)
    assert changes[0].is_better is False
    assert changes[0].effect.size > 5
    assert all(abs(one.effect.size) < changes[0].effect.size for one in changes[1:])


def make_source_of(assignment):
    if assignment.source is None:
        assignment.source = Source.objects.create(
            client=assignment.client, kind="assignment", subject=str(assignment.id)
        )
        assignment.save()
    return assignment.source


def test_a_change_within_chance_is_called_that(question, end):
    assignment = make_assignment(make_client(), "Gateway")
    forget_plans()
    for number in range(20):
        add_run(assignment, end - HOUR, is_success=number > 1)
        add_run(assignment, end - 15 * HOUR, is_success=number > 0)
    verdicts = {one.name: one.verdict for one in read_analysis(question).headlines}
    assert verdicts["availability"] == verdicts["failures"] == "by_chance"
    for _number in range(20):
        add_run(assignment, end - HOUR, is_success=False)
    verdicts = {one.name: one.verdict for one in read_analysis(question).headlines}
    assert verdicts["availability"] == verdicts["failures"] == "worse"
    assert verdicts["anomalies"] == "same"
    assert verdicts["traffic_receive"] == "missing"


def read(http, **query):
    return http.get("/api/v1/analysis/", query)


def test_the_api_tells_no_more_than_the_role_allows(client, end):
    for site in ("vienna", "graz"):
        probe = make_client(f"probe-{site}", site=site)
        assignment = make_assignment(probe, f"Test {site}")
        forget_plans()
        add_run(assignment, end - HOUR, is_success=True)
        add_finding(probe, end - HOUR)
    client.force_login(make_user("local", "viewer", site="graz"))
    document = read(client).json()
    assert [one["name"] for one in document["anomalies"]["clients"]] == ["probe-graz"]
    assert document["anomalies"]["count"] == 1
    assert "vienna" not in json.dumps(document)


def test_the_api_narrows_and_names_the_zone(client, end):
    probe = make_client(HOSTILE, site="vienna")
    make_client("probe-2", site="graz")
    add_finding(probe, end - HOUR)
    client.force_login(make_user("ann", "viewer"))
    there = read(client, site="vienna", zone="Europe/Vienna").json()
    assert (there["anomalies"]["count"], there["zone"]) == (1, "Europe/Vienna")
    assert there["anomalies"]["clients"][0]["name"] == HOSTILE
    assert read(client, site="graz").json()["anomalies"]["count"] == 0
    assert read(client, client=str(probe.id)).json()["anomalies"]["count"] == 1
    assert len(there["traffic"][0]["week"]) == 7


def test_the_answer_is_as_described(client, end):
    probe = make_client("probe-1")
    assignment = make_assignment(probe, "Gateway")
    forget_plans()
    add_run(assignment, end - HOUR, is_success=True)
    add_finding(probe, end - HOUR)
    add_course(make_interface(probe), RECEIVED, end - 20 * HOUR, range(20))
    add_course(make_source_of(assignment), RTT, end - 20 * HOUR, [*range(10), *range(100, 110)])
    client.force_login(make_user("ann", "viewer"))
    answer = read(client, start=(end - 10 * HOUR).timestamp(), end=end.timestamp()).json()
    assert answer["changes"]
    assert answer["traffic"][0]["trend"]
    schema = SchemaGenerator().get_schema(request=None, public=True)
    described = {"$ref": "#/components/schemas/Analysis", "components": schema["components"]}
    assert list(Draft202012Validator(described).iter_errors(answer)) == []
    whole = schema["components"]["schemas"]
    for name, part in (
        ("Analysis", answer),
        ("Availability", answer["availability"]),
        ("TestAvailability", answer["availability"]["tests"][0]),
        ("Anomalies", answer["anomalies"]),
        ("Traffic", answer["traffic"][0]),
        ("Headline", answer["headlines"][0]),
        ("TopChange", answer["changes"][0]),
    ):
        assert set(part) == set(whole[name]["properties"]), name


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"zone": "Mars/Olympus"}, 400),
        ({"start": "0", "end": "100"}, 400),
        ({"start": "0"}, 400),
        ({"client": "x"}, 400),
        ({"client": "7f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02"}, 404),
        ({"test": "7f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02"}, 404),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(client, query, status):
    client.force_login(make_user("ann", "viewer"))
    assert read(client, **query).status_code == status


def run_command(*words):
    output = StringIO()
    call_command("analyze", *words, stdout=output)
    return output.getvalue()


def test_the_command_says_the_same_as_the_api(client, end):
    probe = make_client("probe-1", site="vienna")
    assignment = make_assignment(probe, "Gateway")
    forget_plans()
    add_run(assignment, end - HOUR, is_success=True)
    add_course(make_interface(probe), RECEIVED, end - 5 * HOUR, [2e6] * 5)
    document = json.loads(run_command("--hours", "24", "--json"))
    assert document["availability"]["share"]["total"] == 1
    assert document["traffic"][0]["mean"] == 2e6
    text = run_command("--hours", "24", "--site", "vienna")
    assert "Gateway" in text
    assert "2.000 Mbit/s" in text


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--hours", "0"], "--hours"),
        (["--hours", "nan"], "--hours"),
        (["--hours", "0.1"], "--hours: must be from 0.1667 to 9600"),
        (["--hours", "9601"], "--hours: must be from 0.1667 to 9600"),
        (["--zone", "Mars/Olympus"], "--zone"),
        (["--site", "nowhere"], "--site"),
    ],
)
def test_the_command_names_what_is_wrong(words, problem):
    with pytest.raises(CommandError, match=problem):
        run_command(*words)
