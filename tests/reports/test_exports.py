"""Exports at the API's doors: downloads, files made in turns, links, quota, and who gets what."""

import csv
import gzip
import hashlib
import json
from datetime import timedelta
from io import StringIO
from urllib.parse import urlsplit

import pytest
import time_machine
from django.test import Client as Browser
from django_filters import rest_framework as filters

from apps.accounts.models import AuditEntry, Role
from apps.accounts.services.settings import change_settings
from apps.core.clock import read_now
from apps.core.errors import Conflict, TooManyRequests
from apps.jobs.errors import JobFailed
from apps.jobs.models import Job
from apps.jobs.runs import JobRun
from apps.jobs.services import run_due_jobs
from apps.reports.datasets import DATASETS
from apps.reports.models import Export
from apps.reports.selectors import keyset
from apps.reports.services import exports as services
from apps.reports.services.exports import making, read_order, streaming
from apps.reports.services.exports.estimating import estimate_export
from apps.reports.writers.export_files import find_folder, list_sizes, locate_file
from tests.factories.accounts import bearer, grant, make_token, make_user
from tests.factories.clients import make_client
from tests.factories.exports import make_export
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_folder():
    """Another module may have left files in the run's var folder."""
    for name in list_sizes():
        (find_folder() / name).unlink()


@pytest.fixture
def ann():
    return make_user("ann", "viewer", site="vienna")


@pytest.fixture
def api(client, ann):
    client.force_login(ann)
    return client


@pytest.fixture
def runs():
    """Seven runs at vienna, one at graz."""
    assignment = make_assignment(make_client("probe", site="vienna"), "Gateway")
    for number in range(7):
        make_run(assignment, state="failed", reason=f"=reason {number}", slot=number)
    away = make_assignment(make_client("away", site="graz"), "Elsewhere")
    make_run(away, state="failed", reason="graz")
    return assignment


def small_steps(monkeypatch):
    monkeypatch.setattr(keyset, "FIRST_ROWS", 2)
    monkeypatch.setattr(keyset, "choose_size", lambda _found: 2)


def read(answer):
    return b"".join(answer.streaming_content)


def ask(api, **body):
    answer = api.post("/api/v1/exports/", body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    return answer.json()


def show(api, export):
    return api.get(f"/api/v1/exports/{export['id']}/").json()


def test_a_download_holds_what_its_caller_may_see_and_is_written_down(api, runs):
    answer = api.get("/api/v1/exports/runs.csv?state=failed")
    assert answer["Content-Disposition"] == 'attachment; filename="runs.csv"'
    *rows, end = csv.DictReader(StringIO(read(answer).decode(), newline=""))
    assert sorted(row["reason"] for row in rows) == [f"'=reason {number}" for number in range(7)]
    assert end["run"] == "# complete: 7 rows"
    entry = AuditEntry.objects.first()
    assert (entry.action, entry.object_label, entry.actor_label) == ("export", "runs.csv", "ann")
    assert entry.after["filters"] == {"state": ["failed"]}


def test_a_download_is_compressed_by_its_name_or_by_what_is_accepted(api, runs):
    plain = read(api.get("/api/v1/exports/runs.csv?state=failed"))
    both = {"Accept-Encoding": "gzip"}
    named = api.get("/api/v1/exports/runs.csv.gz?state=failed", headers=both)
    assert named["Content-Type"] == "application/gzip"
    assert gzip.decompress(read(named)) == plain
    accepted = api.get("/api/v1/exports/runs.csv?state=failed", headers=both)
    assert accepted["Content-Encoding"] == "gzip"
    assert gzip.decompress(read(accepted)) == plain


def test_the_end_line_can_be_left_out(api, runs):
    lines = read(api.get("/api/v1/exports/runs.ndjson?state=failed&end_line=no")).splitlines()
    assert len(lines) == 7
    assert api.get("/api/v1/exports/runs.ndjson?end_line=maybe").status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("runs.xml", 400, "csv, json, ndjson, parquet"),
        ("secrets.csv", 404, "result_values"),
        ("runs", 404, "runs.csv.gz"),
        ("runs.csv?stat=failed", 400, "is unknown here"),
        ("audit.csv", 403, "audit"),
    ],
)
def test_a_download_that_there_is_not_says_what_there_is(api, path, status, word):
    answer = api.get(f"/api/v1/exports/{path}")
    assert answer.status_code == status
    assert word in answer.json()["detail"]


def test_a_token_reaches_no_further_than_its_scope(client):
    boss = make_user("boss", "admin")
    for scope, status in (("read", 403), ("admin", 200)):
        answer = client.get("/api/v1/exports/audit.csv", **bearer(make_token(boss, scope)))
        assert answer.status_code == status
    reader = bearer(make_token(boss, "read"))
    answer = client.get("/api/v1/exports/datasets/", **reader)
    assert "audit" not in [row["name"] for row in answer.json()]


class BrokenSelection:
    def __init__(self, selection):
        self.selection = selection

    def read(self, behind=None):
        yield next(self.selection.read(behind))
        raise RuntimeError("secret")


def test_a_download_that_breaks_says_so_and_never_looks_whole(ann, runs, monkeypatch):
    small_steps(monkeypatch)
    order = read_order(dataset="runs", format_name="csv", filters={"state": ["failed"]})
    stream = services.open_stream(ann, order)
    monkeypatch.setattr(stream._pieces, "_selection", BrokenSelection(stream._pieces._selection))
    pieces = []
    with pytest.raises(RuntimeError):
        pieces.extend(stream)
    stream.close()
    text = b"".join(pieces).decode()
    assert text.endswith("# INCOMPLETE after 2 rows: RuntimeError\r\n")
    assert "secret" not in text


def test_nothing_more_is_read_for_a_caller_who_left(ann, runs, monkeypatch):
    small_steps(monkeypatch)
    order = read_order(dataset="runs", format_name="ndjson", filters={"state": ["failed"]})
    stream = services.open_stream(ann, order, is_wanted=lambda: stream.row_count < 4)
    lines = b"".join(stream).splitlines()
    stream.close()
    assert len(lines) == 4


def test_only_so_many_downloads_go_on_at_a_time(ann, runs):
    order = read_order(dataset="runs", format_name="csv", filters={})
    streams = [services.open_stream(ann, order) for _number in range(streaming.STREAMS_AT_ONCE)]
    for stream in streams:
        next(iter(stream))
    with pytest.raises(TooManyRequests):
        services.open_stream(ann, order)
    # Closed twice, as a server may, it gives back one place.
    streams[0].close()
    streams[0].close()
    streams[0] = services.open_stream(ann, order)
    next(iter(streams[0]))
    with pytest.raises(TooManyRequests):
        services.open_stream(ann, order)
    for stream in streams:
        stream.close()


def test_a_file_is_made_in_the_background(api, runs):
    export = ask(api, dataset="runs", format="ndjson", filters={"state": "failed"})
    assert (export["state"], export["progress"]) == ("waiting", 0)
    assert api.get(f"/api/v1/exports/{export['id']}/file/").status_code == 409
    assert run_due_jobs("reports") == 1
    export = show(api, export)
    assert (export["state"], export["progress"], export["row_count"]) == ("ready", 1, 7)
    answer = api.get(f"/api/v1/exports/{export['id']}/file/")
    content = read(answer)
    assert answer["Content-Disposition"] == 'attachment; filename="runs.ndjson"'
    assert hashlib.sha256(content).hexdigest() == export["sha256"]
    assert len(content) == export["size_bytes"]
    assert json.loads(content.splitlines()[-1]) == {"_end": {"rows": 7, "is_complete": True}}
    assert "graz" not in content.decode()


@pytest.mark.parametrize("name", ["runs.csv", "runs.csv.gz", "runs.json", "runs.ndjson.gz"])
def test_a_file_made_in_many_turns_is_the_same_as_one_made_at_once(api, runs, monkeypatch, name):
    small_steps(monkeypatch)
    whole = read(api.get(f"/api/v1/exports/{name}?state=failed"))
    monkeypatch.setattr(making, "TURN_SECONDS", 0)
    monkeypatch.setattr(making.make_export, "__kwdefaults__", {"turn_seconds": 0})
    dataset, format_name, is_gzip = services.read_file_name(name)
    export = ask(
        api, dataset=dataset, format=format_name, is_gzip=is_gzip, filters={"state": ["failed"]}
    )
    # Seven rows by two, and a turn that finds no more.
    assert run_due_jobs("reports") == 5
    content = locate_file(export["id"]).read_bytes()
    if is_gzip:
        content, whole = gzip.decompress(content), gzip.decompress(whole)
    assert content == whole


def test_a_worker_that_is_killed_costs_no_more_than_its_turn(ann, runs, monkeypatch):
    small_steps(monkeypatch)
    order = read_order(dataset="runs", format_name="csv", filters={"state": ["failed"]})
    export = services.request_export(user=ann, order=order)
    run = JobRun(export.job)
    assert not making.make_export(run, turn_seconds=0).is_complete
    part = locate_file(export.id).with_suffix(".part")
    with part.open("ab") as file:
        file.write(b"what a killed turn wrote")
    assert not making.make_export(run, turn_seconds=0).is_complete
    part.unlink()
    # Gone, as after a move to another host: all of it is written once more.
    assert making.make_export(run).is_complete
    rows = list(csv.reader(StringIO(locate_file(export.id).read_text(), newline="")))
    assert len(rows) == 9
    assert rows[-1] == ["# complete: 7 rows"]


def test_an_export_is_its_makers_and_the_administrators(api, runs):
    export = ask(api, dataset="runs")
    path = f"/api/v1/exports/{export['id']}/"
    for name, role, status in (("bob", "viewer", 404), ("boss", "admin", 200)):
        browser = Browser()
        browser.force_login(make_user(name, role))
        assert browser.get(path).status_code == status
        assert browser.get(f"{path}file/").status_code == (404 if status == 404 else 409)
        assert browser.get("/api/v1/exports/").json()["count"] == (status == 200)


@pytest.fixture
def ready(ann):
    return make_export(ann, content=b"run\r\n")


def test_a_link_opens_the_file_for_an_hour_without_signing_in(api, ready):
    answer = api.post(f"/api/v1/exports/{ready.id}/link/").json()
    parts = urlsplit(answer["url"])
    path = f"{parts.path}?{parts.query}"
    assert read(Browser().get(path)) == b"run\r\n"
    assert Browser().get(parts.path).status_code == 401
    assert Browser().get(f"{parts.path}?signature=forged").status_code == 404
    other = make_export(ready.requested_by, content=b"other")
    assert Browser().get(path.replace(str(ready.id), str(other.id))).status_code == 404
    with time_machine.travel(read_now() + timedelta(minutes=61), tick=False):
        assert Browser().get(path).status_code == 404


@pytest.mark.parametrize("change", ["role", "locked out"])
def test_whoever_sees_less_by_now_does_not_get_the_file(api, ann, ready, change):
    url = api.post(f"/api/v1/exports/{ready.id}/link/").json()["url"]
    if change == "role":
        Role.objects.all().delete()
        grant(ann, "viewer", site="graz")
        assert api.get(f"/api/v1/exports/{ready.id}/file/").json()["code"] == "export_outdated"
    else:
        ann.is_active = False
        ann.save()
    parts = urlsplit(url)
    assert Browser().get(f"{parts.path}?{parts.query}").status_code == 409


def test_files_expire_and_files_of_nobody_go(ann, ready):
    orphan = find_folder() / "orphan.part"
    orphan.write_bytes(b"x")
    open_export = make_export(ann)
    now = read_now()
    assert services.forget_exports(now=now) == 0
    assert orphan.exists()
    later = now + timedelta(hours=25)
    with time_machine.travel(later, tick=False):
        assert services.forget_exports(now=later) == 1
    assert not locate_file(ready.id).exists()
    assert not orphan.exists()
    # One that is still being made stays, whatever its time.
    assert list(Export.objects.all()) == [open_export]


def test_a_deleted_export_takes_its_file_along_and_stops(
    api, ready, runs, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete(f"/api/v1/exports/{ready.id}/").status_code == 204
    assert not locate_file(ready.id).exists()
    export = ask(api, dataset="runs")
    job = Job.objects.get(key=export["id"])
    assert api.delete(f"/api/v1/exports/{export['id']}/").status_code == 204
    job.refresh_from_db()
    assert job.state == "discarded"
    with pytest.raises(JobFailed, match="deleted"):
        making.make_export(JobRun(job))


@pytest.mark.django_db(transaction=True)
def test_exports_take_no_more_room_than_they_may(api, ann, ready, runs, monkeypatch):
    change_settings(values={"export_quota_megabytes": 10})
    locate_file(ready.id).write_bytes(b"x" * 10_000_000)
    body = {"dataset": "runs"}
    answer = api.post("/api/v1/exports/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "export_quota")
    locate_file(ready.id).write_bytes(b"x")
    export = ask(api, **body)
    locate_file(ready.id).write_bytes(b"x" * 10_000_000)
    run_due_jobs("reports")
    export = show(api, export)
    assert export["state"] == "failed"
    assert "10 MB" in export["reason"]
    assert set(list_sizes()) == {f"{ready.id}.export"}


def test_the_last_of_the_disk_is_left_to_the_database(api, settings):
    settings.SWARM_LEAST_FREE_MEGABYTES = 10**9
    answer = api.post("/api/v1/exports/", {"dataset": "runs"}, content_type="application/json")
    assert answer.json()["code"] == "export_disk_full"


def test_nobody_floods_the_worker(ann):
    order = read_order(dataset="runs", format_name="csv", filters={})
    for _number in range(5):
        services.request_export(user=ann, order=order)
    with pytest.raises(Conflict, match="5 of your exports"):
        services.request_export(user=ann, order=order)


@pytest.mark.django_db(transaction=True)
def test_who_lost_their_role_meanwhile_gets_nothing(api, ann, runs):
    export = ask(api, dataset="runs")
    Role.objects.all().delete()
    run_due_jobs("reports")
    assert Export.objects.get(id=export["id"]).state == "failed"
    assert list_sizes() == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dataset": "secrets"}, "dataset"),
        ({"dataset": "runs", "format": "xml"}, "format"),
        ({"dataset": "runs", "format": "parquet", "is_gzip": True}, "format"),
        ({"dataset": "runs", "filters": {"state": {"x": 1}}}, "filters"),
        ({"dataset": "runs", "filters": {"nothing": "x"}}, "nothing"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(api, body, field, monkeypatch):
    monkeypatch.setattr("apps.reports.algorithms.formats.find_spec", lambda _name: None)
    answer = api.post("/api/v1/exports/", body, content_type="application/json")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["data"]["errors"]] == [field]


def test_exports_are_listed_by_dataset_and_format(api, ann):
    for name in ("csv", "json"):
        make_export(ann, content=b"run", format=name)
    [found] = api.get("/api/v1/exports/?format=json&dataset=runs").json()["results"]
    assert found["format"] == "json"
    assert api.get("/api/v1/exports/?format=parquet").json()["results"] == []


def test_an_estimate_knows_rows_and_size(ann, runs):
    order = read_order(dataset="runs", format_name="csv", filters={"state": ["failed"]})
    estimate = estimate_export(ann, order)
    assert (estimate.row_count, estimate.is_at_least) == (7, False)
    stream = services.open_stream(ann, order)
    whole = len(b"".join(stream))
    stream.close()
    assert estimate.size_bytes == pytest.approx(whole, rel=0.05)


def test_the_api_estimates_before_anything_is_made(api, runs):
    body = {"dataset": "runs", "filters": {"state": "failed"}}
    answer = api.post("/api/v1/exports/estimate/", body, content_type="application/json")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["row_count"], found["is_at_least"]) == (7, False)
    assert found["size_bytes"] > 7 * 100
    assert not Export.objects.exists()
    assert list_sizes() == {}
    audit = {**body, "dataset": "audit", "filters": {}}
    answer = api.post("/api/v1/exports/estimate/", audit, content_type="application/json")
    assert answer.status_code == 403


NO_MATCH = {
    "capability": "1",
    "tag": "nowhere",
    "metric": "no.such.metric",
    "presence": "late",
    "via": "command",
    "older": "0",
    "actor": "idle",
    "after": "2100-01-01T00:00:00Z",
    "since": "2100-01-01T00:00:00Z",
    "before": "1971-01-01T00:00:00Z",
    "until": "1971-01-01T00:00:00Z",
}
NOBODYS_ID = "00000000-0000-0000-0000-000000000000"


def pick_value(field, name):
    """What the filter takes and no row has."""
    if name in NO_MATCH:
        return NO_MATCH[name]
    if isinstance(field, filters.UUIDFilter):
        return NOBODYS_ID
    if isinstance(field, filters.BooleanFilter):
        return "true"
    if isinstance(field, filters.ChoiceFilter | filters.MultipleChoiceFilter):
        return str(field.extra["choices"][-1][0])
    return "nowhere"


FILTERS = [
    pytest.param(dataset.name, name, pick_value(field, name), id=f"{dataset.name}-{name}")
    for dataset in DATASETS.values()
    for name, field in dataset.filterset.base_filters.items()
]


@pytest.mark.parametrize(("dataset", "name", "value"), FILTERS)
def test_a_filter_that_leaves_nothing_gives_a_whole_file_without_rows(client, dataset, name, value):
    client.force_login(make_user("boss", "admin"))
    idle = make_user("idle")
    asked = {name: str(idle.pk) if name == "actor" else value}
    body = {"dataset": dataset, "filters": asked, "format": "csv"}
    make_client("probe", site="vienna")
    estimate = client.post("/api/v1/exports/estimate/", body, content_type="application/json")
    assert estimate.status_code == 200, estimate.content
    assert estimate.json()["row_count"] == 0
    lines = read(client.get(f"/api/v1/exports/{dataset}.csv", asked)).decode().splitlines()
    assert lines[1:] == ["# complete: 0 rows"]
    assert client.get("/exports/", {"dataset": dataset, **asked}).status_code == 200
    export = Export.objects.get(id=ask(client, **body)["id"])
    assert making.make_export(JobRun(export.job), turn_seconds=60).is_complete
    assert locate_file(export.id).read_bytes().decode().splitlines() == lines
