"""/metrics: the server's own figures, for whoever sees every client."""

from datetime import timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from apps.accounts.services import record_audit
from apps.core.clock import read_now
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import make_client
from tests.factories.jobs import make_job
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db


def scrape(client, **headers):
    answer = client.get("/metrics", **headers)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.fixture
def reader():
    return bearer(make_token(make_user("prometheus", "viewer"), "read"))


def test_the_figures_are_those_of_the_database(client, reader):
    online = make_client("probe-1", presence="online", spool_depth=7)
    make_client("probe-2", presence="offline", spool_depth=5, spool_dropped=3)
    make_run(make_assignment(online))
    figures = scrape(client, **reader)
    assert figures["streamswarm_clients", ("presence", "online")] == 1
    assert figures["streamswarm_clients", ("presence", "offline")] == 1
    assert figures["streamswarm_clients", ("presence", "late")] == 0
    assert figures["streamswarm_client_spool_records",] == 12
    assert figures["streamswarm_client_spool_dropped_records_total",] == 3
    assert figures["streamswarm_tests", ("state", "active")] == 1
    assert figures["streamswarm_assignments",] == 1
    assert figures["streamswarm_database_size_bytes",] > 0


def test_requests_are_counted_by_route_and_never_by_address(client, reader):
    client.get("/no/such/page/")
    client.generic("BREW", "/healthz")
    figures = scrape(client, **reader)
    counted = [
        dict(key[1:]) for key in figures if key[0] == "streamswarm_http_request_seconds_count"
    ]
    assert {"method": "GET", "route": "none", "status": "404"} in counted
    assert {labels["method"] for labels in counted} <= {
        "GET",
        "POST",
        "PATCH",
        "DELETE",
        "PUT",
        "other",
        "HEAD",
        "OPTIONS",
    }
    assert not any("no/such" in labels["route"] for labels in counted)


def test_what_cannot_be_read_is_absent_and_not_zero(client, reader, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    settings.VAR_DIR = tmp_path
    figures = scrape(client, **reader)
    assert not [key for key in figures if key[0] == "streamswarm_queued_tasks"]
    assert ("streamswarm_scheduled_work_age_seconds",) not in figures


def test_jobs_are_counted_by_state_and_late_ones_besides(client, reader):
    make_job(state="dead")
    make_job(run_after=read_now() - timedelta(minutes=2))
    make_job(state="running", claimed_until=read_now() + timedelta(seconds=9))
    figures = scrape(client, **reader)
    states = {key[1][1]: value for key, value in figures.items() if key[0] == "streamswarm_jobs"}
    assert states == {"queued": 1, "running": 1, "done": 0, "dead": 1, "discarded": 0}
    assert figures["streamswarm_overdue_jobs",] == 1


def test_the_audit_chain_is_counted(client, reader):
    before = scrape(client, **reader)["streamswarm_audit_entries_total",]
    record_audit(action="test", target=make_client())
    assert scrape(client, **reader)["streamswarm_audit_entries_total",] == before + 1


def test_who_sees_only_a_part_of_the_clients_gets_no_figures_of_all(client):
    local = bearer(make_token(make_user("local", "viewer", site="vienna"), "read"))
    answer = client.get("/metrics", **local)
    assert (answer.status_code, answer.json()["code"]) == (403, "refused")
    assert client.get("/metrics").status_code == 401


def test_a_scraper_may_ask_for_any_format(client, reader):
    reader["headers"]["accept"] = "text/plain;version=0.0.4"
    assert client.get("/metrics", **reader).status_code == 200
