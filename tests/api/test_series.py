"""Numbers over time through the API."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from apps.core.clock import format_moment, read_now
from apps.metrics.catalogue import METRICS
from tests.api.counting import count_queries
from tests.factories import wire
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

RECEIVED = "system.network.io.rate{direction=receive}"


@pytest.fixture
def viewer(client):
    client.force_login(make_user("ann", "viewer"))
    return client


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def start():
    return read_now().replace(microsecond=0) - timedelta(minutes=30)


def read(http, **query):
    return http.get("/api/v1/series/", query)


def send_pings(client, probe, start, count, assignment):
    frames = [
        wire.frame(
            (n / 1000, 0.0),
            keys=wire.PING_KEYS,
            source=("assignment", str(assignment.id)),
            at=start + timedelta(seconds=n),
        )
        for n in range(count)
    ]
    wire.send(client, make_key(probe), *frames)


def test_the_series_of_a_test_on_a_client(viewer, probe, start):
    assignment = make_assignment(probe)
    send_pings(viewer, probe, start, 5, assignment)
    answer = read(
        viewer, client=probe.id, test=assignment.test_id, metric="net.rtt.median", points=10
    )
    document = answer.json()
    assert document["mean"] == [0.0, 0.001, 0.002, 0.003, 0.004]
    assert document["at"] == [start.timestamp() + n for n in range(5)]
    assert (document["unit"], document["step_seconds"]) == ("s", 0)
    assert document["source"] == {"kind": "assignment", "subject": str(assignment.id)}
    assert (document["client"], document["test"]) == (str(probe.id), str(assignment.test_id))
    span = datetime.fromisoformat(document["end"]) - datetime.fromisoformat(document["start"])
    assert span == timedelta(hours=1)


def test_a_long_series_comes_in_buckets(viewer, probe, start):
    assignment = make_assignment(probe)
    send_pings(viewer, probe, start, 600, assignment)
    document = read(
        viewer,
        client=probe.id,
        test=assignment.test_id,
        metric="net.rtt.median",
        start=format_moment(start),
        end=format_moment(start + timedelta(minutes=10)),
        points=20,
    ).json()
    assert document["step_seconds"] == 60
    assert len(document["at"]) <= 20
    assert sum(document["count"]) == 600
    columns = [document[name] for name in ("minimum", "mean", "p95", "maximum")]
    assert all(low <= mean <= high for low, mean, _p95, high in zip(*columns, strict=True))


def test_the_series_of_the_host_itself(viewer, probe):
    key = make_key(probe)
    wire.send(viewer, key, wire.frame((0.25, 1.0)))
    frames = [wire.frame((n,), keys=(RECEIVED,), source=("interface", f"eth{n}")) for n in (0, 1)]
    wire.send(viewer, key, *frames, keys=((RECEIVED,),))
    host = read(viewer, client=probe.id, metric="system.cpu.utilization").json()
    assert (host["mean"], host["test"], host["source"]["kind"]) == ([0.25], None, "host")
    one = read(viewer, client=probe.id, metric=RECEIVED, subject="eth1", source_kind="interface")
    assert one.json()["mean"] == [1.0]
    unclear = read(viewer, client=probe.id, metric=RECEIVED)
    assert unclear.status_code == 400
    (error,) = unclear.json()["data"]["errors"]
    assert (error["field"], "eth0" in error["detail"]) == ("subject", True)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"client": ""}, "client", "invalid"),
        ({"client": "x"}, "client", "invalid"),
        ({"test": "x"}, "test", "invalid"),
        ({"metric": ""}, "metric", "blank"),
        ({"metric": "no.such.metric"}, "metric", "unknown_metric"),
        ({"metric": "net.rtt.median{x=1}"}, "metric", "unknown_metric"),
        ({"metric": "a\x00"}, "metric", "null_characters_not_allowed"),
        ({"start": "soon"}, "start", "invalid"),
        ({"start": "nan"}, "start", "invalid"),
        ({"start": "1e400"}, "start", "invalid"),
        ({"start": "-1"}, "start", "invalid"),
        ({"start": "7258118400"}, "start", "invalid"),
        ({"start": "2200-01-01T00:00:00Z"}, "start", "out_of_range"),
        ({"end": "0001-01-01T00:00:00Z"}, "end", "out_of_range"),
        ({"end": "9" * 30}, "end", "invalid"),
        ({"start": "2026-01-31", "end": "2026-01-30"}, "end", "out_of_range"),
        ({"start": "200", "end": "100"}, "end", "out_of_range"),
        ({"points": "0"}, "points", "min_value"),
        ({"points": "2001"}, "points", "max_value"),
        ({"points": "many"}, "points", "invalid"),
        ({"source_kind": "x" * 17}, "source_kind", "max_length"),
        ({"subject": "x" * 256}, "subject", "max_length"),
    ],
)
def test_a_wrong_question_names_its_field(viewer, probe, change, field, code):
    wire.send(viewer, make_key(probe), wire.frame())
    query = {"client": str(probe.id), "metric": "system.cpu.utilization", **change}
    answer = read(viewer, **query)
    assert answer.status_code == 400, answer.content
    problems = {item["field"]: item["code"] for item in answer.json()["data"]["errors"]}
    assert problems[field] == code


def test_an_unknown_metric_is_named(viewer, probe):
    answer = read(viewer, client=probe.id, metric="no.such.metric")
    assert "no.such.metric" in answer.json()["detail"]


@pytest.mark.parametrize(
    "text",
    ["{iso}Z", "{iso}+00:00", "{iso} 00:00", "{iso}", "{seconds}", "{seconds}.0"],
)
def test_a_moment_is_iso_or_unix_seconds(viewer, probe, text):
    wire.send(viewer, make_key(probe), wire.frame())
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    written = text.format(iso=f"{moment:%Y-%m-%dT%H:%M:%S}", seconds=int(moment.timestamp()))
    document = read(viewer, client=probe.id, metric="system.cpu.utilization", start=written).json()
    assert datetime.fromisoformat(document["start"]) == moment


@pytest.mark.parametrize("which", ["client", "test"])
def test_what_is_not_there_is_not_found(viewer, probe, which):
    assignment = make_assignment(probe)
    query = {"client": probe.id, "test": assignment.test_id, which: uuid4()}
    assert read(viewer, metric="net.rtt.median", **query).status_code == 404


def test_a_host_that_never_sent_the_metric_says_so(viewer, probe):
    answer = read(viewer, client=probe.id, metric="system.cpu.utilization")
    assert (answer.status_code, answer.json()["code"]) == (404, "source_unknown")


def test_an_assignment_that_has_no_data_yet_gives_an_empty_series(viewer, probe):
    assignment = make_assignment(probe)
    document = read(
        viewer, client=probe.id, test=assignment.test_id, metric="net.rtt.median"
    ).json()
    assert document["at"] == document["mean"] == []


@pytest.mark.parametrize("metric", ["tls.version", "net.rtt.histogram"])
def test_what_is_no_number_has_no_series(viewer, probe, metric):
    answer = read(viewer, client=probe.id, metric=metric)
    assert answer.status_code == 400
    assert "only numbers have a series" in answer.content.decode()


def test_longer_series_take_no_more_queries(viewer, probe, start):
    assignment = make_assignment(probe)
    query = {"client": probe.id, "test": assignment.test_id, "metric": "net.rtt.median"}
    send_pings(viewer, probe, start, 1, assignment)
    few = count_queries(lambda: read(viewer, **query))
    send_pings(viewer, probe, start + timedelta(minutes=5), 300, assignment)
    assert count_queries(lambda: read(viewer, **query)) == few


def test_the_catalogue_is_whole_and_can_be_narrowed(viewer):
    rows = viewer.get("/api/v1/metrics/").json()
    assert {row["name"] for row in rows} == set(METRICS)
    found = viewer.get("/api/v1/metrics/?search=LOAD_AVERAGE").json()
    assert {row["name"] for row in found} == {f"system.cpu.load_average.{n}m" for n in (1, 5, 15)}
    group = rows[0]["group"]
    assert {row["group"] for row in viewer.get(f"/api/v1/metrics/?group={group}").json()} == {group}


def test_the_catalogue_can_be_narrowed_to_what_metrics_come_from(viewer):
    rows = viewer.get("/api/v1/metrics/?emitted_by=dns").json()
    assert {row["name"] for row in rows} == {
        name for name, metric in METRICS.items() if "dns" in metric.emitted_by
    }
    assert viewer.get("/api/v1/metrics/?emitted_by=telepathy").json() == []


def test_a_clients_sources_show_their_newest_values(viewer, probe):
    wire.send(
        viewer,
        make_key(probe),
        wire.frame((0.5, None), absent={wire.CPU_KEYS[1]: "U"}),
        wire.frame((0.1, 0.2), source=("interface", "eth0")),
    )
    rows = viewer.get(f"/api/v1/sources/?client={probe.id}").json()
    assert [(row["kind"], row["subject"]) for row in rows] == [("host", ""), ("interface", "eth0")]
    assert rows[0]["values"] == {wire.CPU_KEYS[0]: 0.5}
    assert rows[0]["absent"] == {wire.CPU_KEYS[1]: "U"}
    assert viewer.get("/api/v1/sources/").status_code == 400


def add_results(http, probe, start, assignment, numbers):
    """A result every ten minutes, each with the number as its 99th percentile."""
    records = []
    for place, number in enumerate(numbers):
        at = start + timedelta(minutes=10 * place)
        run = make_run(assignment, start_at=at, end_at=at)
        values = {"net.rtt.median": 0.01, "net.rtt.p99": number, "net.packet.sent": 10.0}
        records.append(wire.result(assignment.id, run=run.id, at=at, values=values))
    assert wire.send(http, make_key(probe), *records)["rejected"] == []


def test_what_sums_up_runs_is_a_series_as_well_with_its_comparison(viewer, probe, start):
    assignment = make_assignment(probe)
    send_pings(viewer, probe, start, 5, assignment)
    for days, numbers in ((3, (0.1, 0.2)), (0, (0.2, 0.4))):
        add_results(viewer, probe, start - timedelta(days=days), assignment, numbers)
    document = read(
        viewer,
        client=probe.id,
        test=assignment.test_id,
        metric="net.rtt.p99",
        compare="3d",
    ).json()
    at = [start.timestamp() + 600 * place for place in range(2)]
    assert (document["at"], document["mean"], document["tier"]) == (at, [0.2, 0.4], "run")
    assert (document["earlier"]["at"], document["earlier"]["mean"]) == (at, [0.1, 0.2])
    assert document["change"]["mean"] == pytest.approx(1.0)
    bucketed = read(
        viewer, client=probe.id, test=assignment.test_id, metric="net.rtt.p99", points=1
    ).json()
    assert (sum(bucketed["count"]), bucketed["step_seconds"] > 0) == (2, True)
    sampled = read(viewer, client=probe.id, test=assignment.test_id, metric="net.rtt.median")
    assert (sampled.json()["tier"], len(sampled.json()["at"])) == ("raw", 5)


def test_what_each_run_counts_anew_has_no_rate(viewer, probe, start):
    assignment = make_assignment(probe)
    add_results(viewer, probe, start, assignment, (0.1,))
    answer = read(
        viewer, client=probe.id, test=assignment.test_id, metric="net.packet.sent", rate=True
    )
    assert answer.status_code == 400
    (error,) = answer.json()["data"]["errors"]
    assert (error["field"], error["code"]) == ("rate", "not_a_counter")


def test_what_sums_up_runs_of_others_is_not_there(client, probe, start):
    assignment = make_assignment(probe)
    add_results(client, probe, start, assignment, (0.1,))
    client.force_login(make_user("eve", "viewer", site="elsewhere"))
    answer = read(client, client=probe.id, test=assignment.test_id, metric="net.rtt.p99")
    assert answer.status_code == 404
