"""The questions of Prometheus' readers, word for word as they send them.

Those of promtool were recorded from Debian's 2.42.0; those of Grafana are what its data source
`Prometheus` sends (grafana-prometheus-datasource of August 2026: pkg/promlib/healthcheck.go,
heuristics.go, client/client.go; packages/grafana-prometheus/src/resource_clients.ts,
datasource.ts). Moments alone are put in anew.
"""

import gzip
import json
from datetime import timedelta

import pytest

from apps.core.clock import read_now
from tests.factories import wire
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db

API = "/api/v1/prometheus/api/v1"
FORM = "application/x-www-form-urlencoded"
CPU = "system_cpu_utilization"
LOAD = "system_cpu_load_average_1m"
MINE = {"client": "probe-1", "site": "vienna", "source": "host"}


@pytest.fixture
def now():
    return read_now().replace(microsecond=0)


@pytest.fixture
def ask(client, now):
    """Ask as they do; START and NOW stand for the last minute's ends."""
    reader = bearer(make_token(make_user("grafana", "viewer"), "metrics"))
    probe = make_client("probe-1", site="vienna")
    frames = [
        wire.frame((value, 1.5), at=now - timedelta(seconds=seconds))
        for seconds, value in ((60, 0.25), (30, 0.5))
    ]
    wire.send(client, make_key(probe), *frames)
    start, end = f"{now.timestamp() - 60:.0f}", f"{now.timestamp():.0f}"

    def send(method, path, form=""):
        path, form = (text.replace("START", start).replace("NOW", end) for text in (path, form))
        return client.generic(
            method,
            f"{API}/{path}",
            form,
            content_type=FORM if method == "POST" else "",
            headers={**reader["headers"], "accept-encoding": "gzip", "user-agent": "Go-http"},
        )

    return send


def read(answer):
    """What is unpacked if it was worth packing."""
    assert answer["Content-Type"] == "application/json"
    is_packed = answer.get("Content-Encoding") == "gzip"
    return json.loads(gzip.decompress(answer.content) if is_packed else answer.content)


def take(answer):
    document = read(answer)
    assert (answer.status_code, document["status"]) == (200, "success"), document
    return document["data"]


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        pytest.param("POST", "query", f"query={CPU}&time=NOW.1855621", id="promtool"),
        pytest.param("POST", "query", f"query={CPU}&time=NOW", id="Grafana by POST"),
        pytest.param("GET", f"query?query={CPU}&time=NOW", "", id="Grafana by GET"),
        pytest.param(
            "POST", "query", f"query={CPU}&time=NOW&timeout=60s", id="Grafana with a timeout"
        ),
        pytest.param(
            "POST",
            "query",
            f"query={CPU}%7Bclient%3D~%22probe.%2A%22%7D&time=NOW",
            id="promtool with a pattern",
        ),
    ],
)
def test_an_instant_query_is_a_vector(ask, method, path, form):
    found = take(ask(method, path, form))
    (series,) = found["result"]
    assert (found["resultType"], series["metric"]) == ("vector", {"__name__": CPU, **MINE})
    assert series["value"][1] == "0.5"


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        pytest.param(
            "POST", "query_range", f"end=NOW&query={CPU}&start=START&step=15", id="promtool"
        ),
        pytest.param(
            "POST", "query_range", f"end=NOW&query={CPU}&start=START&step=15", id="Grafana by POST"
        ),
        pytest.param(
            "GET", f"query_range?end=NOW&query={CPU}&start=START&step=15", "", id="Grafana by GET"
        ),
    ],
)
def test_a_range_query_is_a_matrix_of_steps(ask, now, method, path, form):
    found = take(ask(method, path, form))
    (series,) = found["result"]
    assert found["resultType"] == "matrix"
    assert series["values"] == [
        [now.timestamp() - 60 + 15 * step, value]
        for step, value in enumerate(("0.25", "0.25", "0.5", "0.5", "0.5"))
    ]


def test_promtools_range_of_five_minutes_by_the_second_is_answered(ask, now):
    form = f"end=NOW.3131473&query={CPU}&start={now.timestamp() - 300:.0f}.3131473&step=1"
    (series,) = take(ask("POST", "query_range", form))["result"]
    assert len(series["values"]) == 61


@pytest.mark.parametrize(
    ("method", "path", "form", "metrics"),
    [
        pytest.param(
            "GET",
            f"series?end=1831855122.34873&match%5B%5D={CPU}&start=1759862322.3487296",
            "",
            {CPU},
            id="promtool",
        ),
        pytest.param(
            "GET",
            f"series?end=NOW&match%5B%5D={CPU}&match%5B%5D=%7Bclient%3D%22probe-1%22%7D"
            "&start=START",
            "",
            {CPU, LOAD},
            id="promtool with two selectors",
        ),
        pytest.param(
            "POST",
            "series",
            "start=START&end=NOW&match%5B%5D=%7B__name__%21%3D%22%22%7D&limit=40000",
            {CPU, LOAD},
            id="Grafana for everything",
        ),
    ],
)
def test_series_are_listed_with_their_labels(ask, method, path, form, metrics):
    found = take(ask(method, path, form))
    assert {series.pop("__name__") for series in found} == metrics
    assert all(series == MINE for series in found)


@pytest.mark.parametrize(
    ("method", "path", "form", "expected"),
    [
        pytest.param(
            "GET",
            "label/client/values?end=1831855122.4108279&start=1759862322.4108272",
            "",
            ["probe-1"],
            id="promtool",
        ),
        pytest.param(
            "GET",
            f"label/client/values?end=NOW&match%5B%5D={CPU}&start=START",
            "",
            ["probe-1"],
            id="promtool with a selector",
        ),
        pytest.param(
            "GET",
            "label/__name__/values?limit=40000&start=START&end=NOW",
            "",
            [LOAD, CPU],
            id="Grafana for its metrics browser",
        ),
        pytest.param(
            "POST",
            "labels",
            "limit=40000&start=START&end=NOW",
            ["__name__", "client", "site", "source"],
            id="Grafana by POST",
        ),
        pytest.param(
            "GET",
            f"labels?limit=40000&start=START&end=NOW&match%5B%5D={CPU}",
            "",
            ["__name__", "client", "site", "source"],
            id="Grafana by GET",
        ),
    ],
)
def test_labels_and_their_values_are_listed(ask, method, path, form, expected):
    assert take(ask(method, path, form)) == expected


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        pytest.param("POST", "query", "query=1%2B1&time=4", id="by POST"),
        pytest.param("GET", "query?query=1%2B1&time=4", "", id="by GET"),
    ],
)
def test_save_and_test_of_grafana_succeeds(ask, method, path, form):
    assert take(ask(method, path, form)) == {"resultType": "scalar", "result": [4.0, "2"]}
    # By its lack of features Grafana takes the other side for Prometheus itself.
    built = take(ask("GET", "status/buildinfo"))
    assert "features" not in built
    assert built["version"] >= "2.24.0"


def test_what_grafana_asks_when_it_opens_the_data_source_is_answered(ask):
    assert take(ask("GET", "rules")) == {"groups": []}
    described = take(ask("GET", "metadata?limit=40000"))
    assert described[CPU][0]["type"] == "gauge"
    assert set(described[CPU][0]) == {"type", "help", "unit"}


def test_what_is_not_here_is_refused_so_that_grafana_does_without(ask):
    refused = ask("GET", "query_exemplars?query=test&start=START&end=NOW")
    assert refused.status_code == 404


@pytest.mark.parametrize("path", ["labels", "label/__name__/values", f"series?match[]={CPU}"])
def test_a_limit_cuts_off_and_says_so(ask, path):
    sign = "&" if "?" in path else "?"
    everything = take(ask("GET", path))
    assert take(ask("GET", f"{path}{sign}limit=0")) == everything
    cut = read(ask("GET", f"{path}{sign}limit=1"))
    assert cut["data"] == everything[:1]
    assert cut.get("warnings", []) == (
        ["results truncated due to limit"] if len(everything) > 1 else []
    )
    assert ask("GET", f"{path}{sign}limit=x").status_code == 400
