"""What can be exported: the same rows, for the same people, by the same filters as in the lists."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.services import record_audit
from apps.core.clock import format_moment, read_now
from apps.core.errors import Invalid, NotAuthenticated, NotFound, Refused
from apps.metrics.services import know_source
from apps.ml.models import Finding
from apps.reports.datasets import DATASETS, find_dataset
from apps.reports.selectors import frames, keyset
from tests.factories.accounts import deny, make_user
from tests.factories.clients import make_client, make_site
from tests.factories.frames import COUNTER, KEY, MIDNIGHT, OTHER_KEY, make_partitions, store_frames
from tests.factories.pairs import make_end, make_pair
from tests.factories.tests import make_assignment, make_result, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return make_user("boss", "admin")


def export(name, user, behind=None, **filters):
    """The rows of a dataset by the names of its columns."""
    dataset = find_dataset(name)
    asked = {key: value if isinstance(value, list) else [value] for key, value in filters.items()}
    names = [column.name for column in dataset.columns]
    return [
        dict(zip(names, row, strict=True))
        for chunk in dataset.select(user, asked).read(behind)
        for row in zip(*chunk.columns, strict=True)
    ]


def test_a_run_is_told_with_names_ids_and_times(boss):
    probe = make_client("probe", site="vienna")
    assignment = make_assignment(probe, "Gateway")
    run = make_run(assignment, state="failed", reason="=cmd", slot=7, start_at=MIDNIGHT)
    [row] = export("runs", boss, state="failed")
    assert row["run"] == str(run.id)
    assert (row["test"], row["test_name"]) == (str(assignment.test_id), "Gateway")
    assert (row["client"], row["client_name"], row["site"]) == (str(probe.id), "probe", "vienna")
    assert (row["kind"], row["target"], row["peer"]) == ("ping", "127.0.0.1", None)
    assert row["start_at"] == "2026-01-05T00:00:00.000000Z"
    assert (row["started_at"], row["slot"], row["is_on_demand"]) == (None, 7, False)
    assert (row["state"], row["reason"]) == ("failed", "=cmd")


def test_rows_come_oldest_first_each_once_whatever_the_steps(boss, monkeypatch):
    monkeypatch.setattr(keyset, "FIRST_ROWS", 3)
    monkeypatch.setattr(keyset, "choose_size", lambda _found: 2)
    assignment = make_assignment(make_client())
    # Several of one moment, which steps cut through.
    moments = [MIDNIGHT + timedelta(microseconds=number // 4) for number in range(14)]
    made = [make_run(assignment, state="finished", start_at=at).id for at in reversed(moments)]
    rows = export("runs", boss, state="finished")
    assert [row["start_at"] for row in rows] == [format_moment(at) for at in moments]
    assert sorted(row["run"] for row in rows) == sorted(map(str, made))


@pytest.mark.parametrize("name", ["runs", "results", "result_values"])
def test_reading_goes_on_behind_any_position(name, boss, monkeypatch):
    monkeypatch.setattr(keyset, "FIRST_ROWS", 2)
    monkeypatch.setattr(keyset, "choose_size", lambda _found: 2)
    assignment = make_assignment(make_client())
    for number in range(5):
        make_result(assignment, received_at=MIDNIGHT + timedelta(seconds=number // 2))
    filters = {"state": "finished"} if name == "runs" else {}
    whole = export(name, boss, **filters)
    selection = find_dataset(name).select(boss, {key: [value] for key, value in filters.items()})
    chunks = list(selection.read())
    assert len(chunks) == 3
    count = 0
    for chunk in chunks:
        count += chunk.row_count
        # As it comes back from a JSON column.
        position = json.loads(json.dumps(chunk.position))
        assert export(name, boss, position, **filters) == whole[count:]


def test_a_result_keeps_its_documents_and_its_figures_are_spread(boss):
    assignment = make_assignment(make_client())
    make_result(
        assignment,
        values={"net.rtt.median": 0.01, "net.loss.ratio": 0},
        absent={"net.jitter.rfc3550": "I"},
        facts={"<b>": "=1"},
        document={"hops": [1]},
    )
    [row] = export("results", boss)
    assert json.loads(row["values"]) == {"net.rtt.median": 0.01, "net.loss.ratio": 0}
    assert json.loads(row["facts"]) == {"<b>": "=1"}
    assert json.loads(row["document"]) == {"hops": [1]}
    assert row["is_success"] is True
    found = {one["metric"]: one for one in export("result_values", boss)}
    assert (found["net.rtt.median"]["value"], found["net.rtt.median"]["unit"]) == (0.01, "s")
    assert found["net.loss.ratio"]["absent"] is None
    missing = found["net.jitter.rfc3550"]
    assert (missing["value"], missing["absent"]) == (None, "too few samples")


@pytest.fixture
def series():
    make_partitions()
    probe = make_client("probe", site="vienna")
    source = probe.sources.create(kind="host")
    rows = [(MIDNIGHT + timedelta(seconds=number), (number, None)) for number in range(10)]
    store_frames(source, rows, keys=(KEY, COUNTER))
    later = MIDNIGHT + timedelta(hours=1)
    store_frames(source, [(later, 0.5)], keys=(KEY,), first_seq=100)
    return source


def test_every_measured_value_is_a_row_and_a_missing_one_says_why(series, boss, monkeypatch):
    monkeypatch.setattr(frames, "FRAMES_AT_ONCE", 4)
    rows = export("samples", boss)
    assert len(rows) == 21
    assert rows[0] == {
        "client": str(series.client_id),
        "client_name": "probe",
        "site": "vienna",
        "source": "host",
        "subject": "",
        "test": None,
        "test_name": None,
        "metric": KEY,
        "unit": "1",
        "at": "2026-01-05T00:00:00.000000Z",
        "value": 0.0,
        "absent": None,
    }
    assert (rows[1]["metric"], rows[1]["value"], rows[1]["absent"]) == (
        COUNTER,
        None,
        "not measured",
    )
    assert [row["value"] for row in rows[::2]] == [*map(float, range(10)), 0.5]


@pytest.mark.parametrize(("width", "most_frames"), [(1, 40), (10, 5), (60, 1)])
def test_a_step_has_as_many_values_of_wide_frames_as_of_narrow_ones(
    boss, monkeypatch, width, most_frames
):
    monkeypatch.setattr(frames, "VALUES_AT_ONCE", 50)
    monkeypatch.setattr(frames, "FRAMES_AT_ONCE", 40)
    make_partitions()
    keys = [f"system.cpu.utilization{{cpu={number}}}" for number in range(width)]
    rows = [
        (MIDNIGHT + timedelta(seconds=number), (float(number),) * width) for number in range(100)
    ]
    source = make_client("wide").sources.create(kind="host")
    store_frames(source, rows, keys=keys)
    steps = [chunk.units for chunk in find_dataset("samples").select(boss, {}).read()]
    assert sum(steps) == 100
    assert max(steps[1:]) == most_frames


def test_samples_are_narrowed_by_time_metric_and_place(series, boss):
    start, end = (format_moment(MIDNIGHT + timedelta(seconds=number)) for number in (2, 5))
    rows = export("samples", boss, after=start, before=end, metric=KEY)
    assert [row["value"] for row in rows] == [2.0, 3.0, 4.0]
    assert len(export("samples", boss, metric=COUNTER.partition("{")[0])) == 10
    assert len(export("samples", boss, metric=COUNTER)) == 10
    assert export("samples", boss, site="graz") == []
    assert export("samples", boss, source="interface") == []
    selection = find_dataset("samples").select(boss, {"after": [start], "before": [end]})
    assert (selection.count_units(), selection.count_units(2)) == (3, 2)


def test_reading_samples_goes_on_behind_any_position(series, boss, monkeypatch):
    monkeypatch.setattr(frames, "FRAMES_AT_ONCE", 4)
    other = make_client("other").sources.create(kind="host")
    store_frames(other, [(MIDNIGHT, 1.0), (MIDNIGHT, 2.0)], keys=(OTHER_KEY,))
    whole = export("samples", boss)
    count = 0
    for chunk in find_dataset("samples").select(boss, {}).read():
        count += chunk.row_count
        assert export("samples", boss, json.loads(json.dumps(chunk.position))) == whole[count:]


def test_a_client_has_its_tags(boss):
    make_client("one", site="vienna", tags=["edge", "core"])
    make_client("two")
    rows = {row["name"]: row for row in export("clients", boss)}
    assert (rows["one"]["tags"], rows["one"]["site"]) == ("core edge", "vienna")
    assert (rows["two"]["tags"], rows["two"]["site"]) == ("", None)
    assert [row["name"] for row in export("clients", boss, tag="edge")] == ["one"]


def make_finding(client, **fields):
    now = read_now()
    source_id = know_source(client.id, "host", "")
    return Finding.objects.create(
        **{
            "kind": "series_anomaly",
            "severity": "warning",
            "client": client,
            "source_id": source_id,
            "metric": KEY,
            "started_at": now,
            "ended_at": now,
            "created_at": now,
            **fields,
        }
    )


def test_a_finding_is_told_with_its_evidence(boss):
    finding = make_finding(make_client("probe"), score=2.5, evidence={"usual": [1, 2]})
    [row] = export("findings", boss, severity=["warning", "critical"])
    assert (row["finding"], row["client_name"], row["score"]) == (str(finding.id), "probe", 2.5)
    assert json.loads(row["evidence"]) == {"usual": [1, 2]}
    assert export("findings", boss, severity="info") == []


def test_the_audit_is_for_who_administers_everything(boss):
    record_audit(action="change", target=make_site(), before={"n": 1}, after={"n": 2})
    [row] = export("audit", boss, action="change")
    assert (json.loads(row["before"]), json.loads(row["after"])) == ({"n": 1}, {"n": 2})
    for user in (make_user("local", "admin", site="vienna"), make_user("vera", "viewer")):
        with pytest.raises(Refused):
            find_dataset("audit").select(user, {})


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "audit"])
def test_nobody_takes_along_what_is_of_another_site(name):
    make_partitions()
    for site in ("vienna", "graz"):
        probe = make_client(f"{site}-probe", site=site)
        make_result(make_assignment(probe, f"{site}-test"))
        make_finding(probe)
        store_frames(probe.sources.get(kind="host"), [(MIDNIGHT, 1.0)])
    rows = export(name, make_user("local", "viewer", site="vienna"))
    assert rows
    assert "graz" not in json.dumps(rows)


def test_values_of_a_pair_are_seen_by_either_end_unless_one_is_denied():
    make_partitions()
    near, far = make_end("near", site="vienna"), make_end("far", site="graz")
    pair = make_pair(near, far, kind="udp_session")
    store_frames(pair.source, [(MIDNIGHT, 1.0)], keys=(OTHER_KEY,))
    ann = make_user("ann", "viewer", site="graz")
    assert [row["client_name"] for row in export("samples", ann)] == ["near"]
    bob = make_user("bob", "viewer")
    deny(bob, "viewer", site="graz")
    assert export("samples", bob) == []


@pytest.mark.parametrize("name", DATASETS)
def test_without_a_role_or_signing_in_nothing_is_given(name):
    with pytest.raises(Refused):
        find_dataset(name).select(make_user("newcomer"), {})
    with pytest.raises(NotAuthenticated):
        find_dataset(name).select(AnonymousUser(), {})


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"stat": ["failed"]}, "stat"),
        ({"state": ["lost"]}, "state"),
        ({"client": ["x"]}, "client"),
        ({"after": ["soon"]}, "after"),
        ({"after": ["0001-01-01T00:00:00Z"]}, "after"),
    ],
)
def test_what_a_filter_cannot_be_is_named(filters, field, boss):
    with pytest.raises(Invalid) as refusal:
        find_dataset("runs").select(boss, filters)
    assert [error.field for error in refusal.value.errors] == [field]


def test_a_dataset_that_there_is_not_names_those_there_are():
    with pytest.raises(NotFound, match="results, result_values, samples"):
        find_dataset("secrets")


def test_a_step_asks_once_however_many_rows_it_has(boss):
    assignment = make_assignment(make_client())
    for _number in range(30):
        make_run(assignment, state="finished")
    with CaptureQueriesContext(connection) as captured:
        assert len(export("runs", boss, state="finished")) == 30
    assert len(captured) <= 3
