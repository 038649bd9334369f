"""What other tools read: the scrape of the clients, and what Prometheus' readers ask."""

import json
import shutil
import subprocess
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from apps.accounts.models import User
from apps.core.clock import read_now
from tests.factories import wire
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db

API = "/api/v1/prometheus/api/v1"
HOSTILE = 'a"b\\c\n<img src=x onerror=alert(1)>'
RECEIVED = "system.network.io{direction=receive}"
CPU = "system_cpu_utilization"


@pytest.fixture
def reader():
    """Only numbers may be read with this."""
    return bearer(make_token(make_user("grafana", "viewer"), "metrics"))


@pytest.fixture
def now():
    return read_now().replace(microsecond=0)


def send_cpu(http, probe, *moments_and_values):
    frames = [wire.frame((value, value), at=at) for at, value in moments_and_values]
    wire.send(http, make_key(probe), *frames)


def scrape(http, reader, **query):
    answer = http.get(
        "/metrics/clients",
        query,
        headers={**reader["headers"], "accept": "application/openmetrics-text"},
    )
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    text = answer.content.decode()
    assert text.endswith("# EOF\n")
    return list(text_string_to_metric_families(text))


def list_samples(families):
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in families
        for one in family.samples
    }


def ask(http, reader, what, **query):
    answer = http.get(f"{API}/{what}", query, **reader)
    assert answer.status_code == 200, answer.content
    document = answer.json()
    assert document["status"] == "success"
    return document["data"]


def test_a_scrape_has_the_newest_values_with_their_moments(client, reader, now):
    probe = make_client("probe-1", site="vienna")
    send_cpu(client, probe, (now - timedelta(seconds=20), 0.2), (now - timedelta(seconds=10), 0.4))
    families = {family.name: family for family in scrape(client, reader)}
    (sample,) = families[CPU].samples
    assert (sample.value, sample.labels) == (
        0.4,
        {"client": "probe-1", "site": "vienna", "source": "host"},
    )
    assert float(sample.timestamp) == (now - timedelta(seconds=10)).timestamp()


def test_types_and_units_are_the_catalogues(client, reader):
    probe = make_client("probe-1")
    assignment = make_assignment(probe, "Gateway")
    key = make_key(probe)
    ping = wire.frame((0.01, 0.0), keys=wire.PING_KEYS, source=("assignment", str(assignment.id)))
    io = wire.frame((7.0,), keys=(RECEIVED,), source=("interface", "eth0"))
    wire.send(client, key, ping, io, keys=(wire.PING_KEYS, (RECEIVED,)))
    families = {family.name: family for family in scrape(client, reader)}
    assert (families["net_rtt_median_seconds"].type, families["net_rtt_median_seconds"].unit) == (
        "gauge",
        "seconds",
    )
    counter = families["system_network_io_bytes"]
    assert (counter.type, counter.unit, counter.samples[0].name) == (
        "counter",
        "bytes",
        "system_network_io_bytes_total",
    )
    assert counter.samples[0].labels == {
        "client": "probe-1",
        "source": "interface",
        "subject": "eth0",
        "direction": "receive",
    }
    assert families["net_rtt_median_seconds"].samples[0].labels == {
        "client": "probe-1",
        "source": "assignment",
        "test": "Gateway",
        "kind": "ping",
        "target": "127.0.0.1",
    }


def test_a_scrape_can_be_narrowed(client, reader, now):
    for name in ("probe-1", "probe-2"):
        send_cpu(client, make_client(name), (now, 0.5))
    assert len(list_samples(scrape(client, reader))) == 4
    assert len(list_samples(scrape(client, reader, client="probe-2"))) == 2
    one = scrape(client, reader, client=["probe-1"], metric=["system.cpu.utilization"])
    assert [key[0] for key in list_samples(one)] == [CPU]
    assert list_samples(scrape(client, reader, group="Wi-Fi")) == {}
    refused = client.get("/metrics/clients", {"metric": "no.such"}, **reader)
    assert refused.status_code == 400
    assert refused.json()["data"]["errors"][0]["field"] == "metric"


def test_what_is_old_or_not_measured_is_left_out(client, reader, now):
    send_cpu(client, make_client("probe-1"), (now - timedelta(minutes=6), 0.5))
    assert list_samples(scrape(client, reader)) == {}
    assert len(list_samples(scrape(client, reader, max_age_seconds=3600))) == 2
    absent = wire.frame((None, 0.5), absent={"system.cpu.utilization": "U"})
    wire.send(client, make_key(make_client("probe-2")), absent)
    assert {key[0] for key in list_samples(scrape(client, reader))} == {
        "system_cpu_load_average_1m"
    }


def test_a_hostile_name_is_escaped_in_both_formats(client, reader, now):
    send_cpu(client, make_client(HOSTILE), (now, 0.5))
    (key, *_more) = list_samples(scrape(client, reader, metric="system.cpu.utilization"))
    assert dict(key[1:])["client"] == HOSTILE
    plain = client.get("/metrics/clients", **reader).content.decode()
    assert r"a\"b\\c\n<img" in plain
    (found,) = ask(client, reader, "query", query=CPU)["result"]
    assert found["metric"]["client"] == HOSTILE


def test_nobody_reads_what_lies_outside_the_role(client, now):
    send_cpu(client, make_client("probe-1", site="vienna"), (now, 0.5))
    send_cpu(client, make_client("probe-2", site="graz"), (now, 0.5))
    local = bearer(make_token(make_user("local", "viewer", site="graz"), "metrics"))
    assert {dict(key[1:])["client"] for key in list_samples(scrape(client, local))} == {"probe-2"}
    assert ask(client, local, "label/client/values") == ["probe-2"]
    assert len(ask(client, local, "query", query=CPU)["result"]) == 1
    stranger = bearer(make_token(make_user("nobody"), "metrics"))
    assert client.get("/metrics/clients", **stranger).status_code == 403


def test_such_a_token_reads_nothing_else(client, reader):
    assert client.get("/api/v1/clients/", **reader).status_code == 403
    assert client.get("/metrics", **reader).status_code == 403
    wide = bearer(make_token(User.objects.get(username="grafana"), "read"))
    assert client.get("/metrics/clients", **wide).status_code == 200


def test_an_instant_query_gives_the_newest_value_until_then(client, reader, now):
    moments = [(now - timedelta(seconds=60 - 20 * n), n / 10) for n in range(3)]
    send_cpu(client, make_client("probe-1"), *moments)
    newest = ask(client, reader, "query", query=CPU, time=now.timestamp())
    assert newest["resultType"] == "vector"
    (found,) = newest["result"]
    assert found["metric"] == {"__name__": CPU, "client": "probe-1", "source": "host"}
    assert found["value"] == [now.timestamp(), "0.2"]
    earlier = ask(client, reader, "query", query=CPU, time=now.timestamp() - 35)
    assert earlier["result"][0]["value"][1] == "0.1"
    later = ask(client, reader, "query", query=CPU, time=now.timestamp() + 300)
    before = ask(client, reader, "query", query=CPU, time=now.timestamp() - 90)
    assert later["result"] == before["result"] == []


def test_a_range_query_holds_each_value_until_the_next(client, reader, now):
    start = now - timedelta(seconds=60)
    moments = [(start + timedelta(seconds=20 * n), n / 10) for n in range(3)]
    send_cpu(client, make_client("probe-1"), *moments)
    answer = ask(
        client,
        reader,
        "query_range",
        query=f'{CPU}{{client=~"probe-.",source!="x"}}',
        start=start.timestamp(),
        end=now.isoformat(),
        step="10s",
    )
    assert answer["resultType"] == "matrix"
    (found,) = answer["result"]
    assert [pair[1] for pair in found["values"]] == ["0", "0", "0.1", "0.1", "0.2", "0.2", "0.2"]
    assert [pair[0] for pair in found["values"]] == [start.timestamp() + 10 * n for n in range(7)]


def test_a_rate_in_bits_is_read_in_bytes(client, reader, now):
    probe = make_client("probe-1")
    keys = ("system.network.link.speed",)
    frame = wire.frame((8_000_000.0,), keys=keys, source=("interface", "eth0"), at=now)
    wire.send(client, make_key(probe), frame, keys=(keys,))
    name, span = "system_network_link_speed_bytes_per_second", {"start": now.timestamp()}
    (instant,) = ask(client, reader, "query", query=name)["result"]
    assert instant["value"][1] == "1000000"
    span |= {"end": now.timestamp(), "step": 1}
    (course,) = ask(client, reader, "query_range", query=name, **span)["result"]
    assert course["values"] == [[now.timestamp(), "1000000"]]
    described = ask(client, reader, "metadata", metric=name)
    assert described[name][0]["unit"] == "bytes_per_second"


def test_many_values_come_as_means_of_whole_steps(client, reader, now):
    start = now - timedelta(seconds=400)
    send_cpu(
        client, make_client("probe-1"), *((start + timedelta(seconds=n), n) for n in range(400))
    )
    (found,) = ask(
        client,
        reader,
        "query_range",
        query=CPU,
        start=start.timestamp(),
        end=now.timestamp(),
        step=100,
    )["result"]
    values = [float(pair[1]) for pair in found["values"]]
    assert values == sorted(values)
    assert 200 < values[-1] < 400


def test_a_form_asks_as_well_as_an_address(client, reader, now):
    send_cpu(client, make_client("probe-1"), (now, 0.5))
    for what in ("query", "series", "labels"):
        posted = client.generic(
            "POST",
            f"{API}/{what}",
            f"query={CPU}&match[]={CPU}",
            content_type="application/x-www-form-urlencoded",
            **reader,
        )
        assert posted.status_code == 200, posted.content
        assert posted.json()["data"], what


def test_grafanas_first_questions_are_answered(client, reader):
    scalar = ask(client, reader, "query", query="1+1", time=100)
    assert scalar == {"resultType": "scalar", "result": [100.0, "2"]}
    matrix = ask(client, reader, "query_range", query="1+1", start=0, end=20, step=10)
    assert matrix["result"][0]["values"] == [[0.0, "2"], [10.0, "2"], [20.0, "2"]]
    assert ask(client, reader, "status/buildinfo")["version"] == "2.24.0"
    metadata = ask(client, reader, "metadata", metric="net_rtt_median_seconds")
    assert metadata["net_rtt_median_seconds"][0]["unit"] == "seconds"
    assert len(ask(client, reader, "metadata", limit=3)) == 3


def test_labels_and_series_are_listed(client, reader, now):
    send_cpu(client, make_client("probe-1", site="vienna"), (now, 0.5))
    assert ask(client, reader, "labels") == ["__name__", "client", "site", "source"]
    assert ask(client, reader, "label/__name__/values") == ["system_cpu_load_average_1m", CPU]
    assert ask(client, reader, "label/subject/values") == []
    query = {"match[]": ['{client="probe-1"}', CPU]}
    assert len(ask(client, reader, "series", **query)) == 2
    assert ask(client, reader, "series", start=now.timestamp() + 1, **query) == []


@pytest.mark.parametrize(
    ("what", "query", "words"),
    [
        ("query", {}, "is empty"),
        ("query", {"query": "rate(x[5m])"}, "functions"),
        ("query", {"query": '{client=~"("}'}, "pattern of client"),
        ("query", {"query": "x", "time": "soon"}, "Unix seconds"),
        ("query", {"query": "x", "time": "2026-01-01T00:00:00"}, "zone"),
        ("query", {"query": "x", "time": "1e300"}, "Unix seconds"),
        ("query", {"query": "x", "time": "-5"}, "between 1970"),
        ("query_range", {"query": "x", "start": 0, "end": 11_000, "step": 1}, "11000"),
        ("query_range", {"query": "x", "start": 5, "end": 0, "step": 1}, "before start"),
        ("query_range", {"query": "x", "start": 0, "end": 5, "step": "x"}, "duration"),
        ("query_range", {"query": "x", "start": 0, "end": 5, "step": 0}, "duration"),
        ("query_range", {"query": "x", "end": 5, "step": 1}, "must be given"),
        ("series", {}, "must be given"),
        ("labels", {"match[]": ["{}"]}, "at least one matcher"),
        ("labels", {"match[]": ['{a="1",b="2",c="3"}'] * 17}, "50 matchers"),
        ("series", {"match[]": ['{a=~"(.{0,999}){9}x"}'] * 2}, "20000 states"),
        ("label/a-b/values", {}, "no name of a label"),
        ("metadata", {"limit": "x"}, "whole number"),
    ],
)
def test_a_refusal_has_prometheus_shape(client, reader, what, query, words):
    answer = client.get(f"{API}/{what}", query, **reader)
    document = answer.json()
    assert (answer.status_code, document["status"], document["errorType"]) == (
        400,
        "error",
        "bad_data",
    )
    assert words in document["error"]


def test_without_a_token_the_refusal_has_that_shape_too(client):
    answer = client.get(f"{API}/query", {"query": "x"})
    assert (answer.status_code, answer.json()["errorType"]) == (401, "unauthorized")


@pytest.fixture
def promtool():
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    return path


def test_promtool_finds_nothing_wrong_with_a_hostile_name(client, reader, promtool):
    probe = make_client(HOSTILE)
    assignment = make_assignment(probe, "Gateway")
    ping = wire.frame((0.01, 0.0), keys=wire.PING_KEYS, source=("assignment", str(assignment.id)))
    io = wire.frame((7.0,), keys=(RECEIVED,), source=("interface", "eth0"))
    wire.send(client, make_key(probe), ping, io, keys=(wire.PING_KEYS, (RECEIVED,)))
    text = client.get("/metrics/clients", **reader).content
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def relay(http, reader, command):
    """What a program prints that asks this server; the test itself answers it, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = http.generic(
                self.command,
                self.path,
                body,
                content_type=self.headers.get("Content-Type", ""),
                **reader,
            )
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = answer  # noqa: N815 - the names that the base class looks for

        def log_message(self, *_args):
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = 0.2
        url = f"http://127.0.0.1:{server.server_port}/api/v1/prometheus"
        words = [word.replace("SERVER", url) for word in command]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while process.poll() is None:
                server.handle_request()
            output, problems = process.communicate()
    assert process.returncode == 0, problems
    return output.decode()


def test_promtool_reads_values_series_and_labels(client, reader, now, promtool):
    send_cpu(client, make_client("probe-1"), (now - timedelta(seconds=20), 0.5), (now, 0.25))
    instant = relay(client, reader, [promtool, "query", "instant", "SERVER", CPU])
    assert f'{CPU}{{client="probe-1", source="host"}} => 0.25 @[' in instant
    span = [f"--start={now.timestamp() - 20:.0f}", f"--end={now.timestamp():.0f}", "--step=20s"]
    ranged = relay(client, reader, [promtool, "query", "range", "-o", "json", *span, "SERVER", CPU])
    (series,) = json.loads(ranged)
    assert [value for _at, value in series["values"]] == ["0.5", "0.25"]
    listed = relay(client, reader, [promtool, "query", "series", f"--match={CPU}", "SERVER"])
    assert 'client="probe-1"' in listed
    labels = relay(client, reader, [promtool, "query", "labels", "SERVER", "client"])
    assert labels.split() == ["probe-1"]
