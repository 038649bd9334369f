"""What a diagnosis of a client says of its host: now, usually, and before long."""

from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.metrics.models import Layout, Rollup, Source
from apps.ml.models import Forecast
from apps.ml.services.diagnosing import diagnose_client
from tests.factories.clients import make_client
from tests.factories.frames import store_frames

pytestmark = pytest.mark.django_db
CPU, MEMORY = "system.cpu.utilization", "system.memory.utilization"
USED = "system.filesystem.utilization"
BAD = "hw.physical_disk.reallocated_sectors{disk=sda}"
PENDING = "hw.physical_disk.pending_sectors{disk=sda}"
HOUR = timedelta(hours=1)
COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")


@pytest.fixture
def now():
    return read_now()


@pytest.fixture
def client(now):
    return make_client("host", last_heartbeat_at=now, presence="online")


def measure(client, kind, subject, now, values):
    """A source of the client that has just sent these values by key."""
    source, _made = Source.objects.get_or_create(client=client, kind=kind, subject=subject)
    store_frames(source, [(now, tuple(values.values()))], keys=tuple(values))
    return source


def keep_hours(source, now, rows, *, newest=2):
    """Hours of the source with these values by key, the newest first."""
    for number, values in enumerate(rows):
        name = "-".join(values)[-16:]
        layout, _made = Layout.objects.get_or_create(hash=name, defaults={"keys": list(values)})
        columns = {column: list(values.values()) for column in COLUMNS}
        at = now.replace(minute=0, second=0, microsecond=0) - (newest + number) * HOUR
        Rollup.objects.create(source=source, step=3600, at=at, layout=layout, **columns)


def expect(source, now, days, **fields):
    verdict = Forecast.Verdict.GROWING
    full_at = now + timedelta(days=days)
    return Forecast.objects.create(
        source=source,
        metric=USED,
        **{"made_at": now, "limit": 1.0, "verdict": verdict, "full_at": full_at, **fields},
    )


def list_evidence(diagnosis, cause):
    verdict = next(one for one in diagnosis.verdicts if one["cause"] == cause)
    return {one["metric"]: one for one in verdict["evidence"]}


def list_cleared(diagnosis):
    return {one["cause"]: one for one in diagnosis.cleared}


def test_a_busy_host_is_shown_beside_what_is_usual_for_it(client, now):
    source = measure(client, "host", "", now, {CPU: 0.98, MEMORY: 0.5})
    keep_hours(source, now, [{CPU: 0.01 * number, MEMORY: 0.4} for number in range(1, 22)])
    evidence = list_evidence(diagnose_client(client, asked_by=None), "host_busy")
    sentence = "The processor is used to 98 % (usually 2 % to 20 %)."
    assert (evidence[CPU]["value"], evidence[CPU]["sentence"]) == (0.98, sentence)
    assert evidence[CPU]["usual"] == {
        "low": pytest.approx(0.02),
        "median": pytest.approx(0.11),
        "high": pytest.approx(0.2),
        "count": 21,
    }


def test_a_host_that_is_well_is_cleared_with_what_is_usual(client, now):
    source = measure(client, "host", "", now, {CPU: 0.1, MEMORY: 0.5})
    keep_hours(source, now, [{CPU: 0.1, MEMORY: 0.4}] * 8)
    figures = list_cleared(diagnose_client(client, asked_by=None))["host_busy"]["evidence"]
    assert {one["metric"]: one["usual"]["median"] for one in figures} == {CPU: 0.1, MEMORY: 0.4}


def test_a_host_of_few_hours_has_no_usual_figures(client, now):
    source = measure(client, "host", "", now, {CPU: 0.98})
    keep_hours(source, now, [{CPU: 0.1}] * 7)
    keep_hours(source, now, [{CPU: 0.1}] * 5, newest=15 * 24)
    keep_hours(source, now, [{CPU: 0.1}], newest=0)
    evidence = list_evidence(diagnose_client(client, asked_by=None), "host_busy")
    assert evidence[CPU]["usual"] is None


@pytest.mark.parametrize(("days", "words"), [(3.2, "in 3 days"), (1.1, "in 1 day")])
def test_a_file_system_that_will_soon_be_full_is_found(client, now, days, words):
    source = measure(client, "filesystem", "/data", now, {USED: 0.8})
    expect(source, now, days)
    diagnosis = diagnose_client(client, asked_by=None)
    assert diagnosis.cause == "disk"
    assert list_evidence(diagnosis, "disk")[USED]["sentence"] == f"/data will be full {words}."


@pytest.mark.parametrize(
    "fields",
    [
        {"days": 40},
        {"days": 3, "verdict": Forecast.Verdict.BEYOND},
        {"days": 3, "metric": "other"},
        {"days": 3, "age": 5},
    ],
)
def test_a_file_system_that_fills_slowly_or_by_an_old_forecast_is_none(client, now, fields):
    source = measure(client, "filesystem", "/data", now, {USED: 0.8})
    other = measure(client, "filesystem", "/other", now, {USED: 0.1})
    made_at = now - timedelta(days=fields.get("age", 0))
    row = expect(source, now, fields["days"], made_at=made_at)
    Forecast.objects.filter(id=row.id).update(
        metric=fields.get("metric", USED), verdict=fields.get("verdict", row.verdict)
    )
    expect(other, now, 400, full_at=None, verdict=Forecast.Verdict.NOT_GROWING)
    assert "disk" in list_cleared(diagnose_client(client, asked_by=None))


def test_a_disk_whose_bad_sectors_become_more_is_failing(client, now):
    source = measure(client, "hardware", "", now, {BAD: 12.0, PENDING: 3.0})
    keep_hours(source, now, [{BAD: 10.0, PENDING: 3.0}, {BAD: 8.0, PENDING: 0.0}])
    evidence = list_evidence(diagnose_client(client, asked_by=None), "disk")
    sentences = [one["sentence"] for one in evidence.values()]
    assert sentences == ["sda has 15 bad sectors, 7 more than before."]


def test_a_disk_with_old_bad_sectors_is_well(client, now):
    source = measure(client, "hardware", "", now, {BAD: 8.0})
    keep_hours(source, now, [{BAD: 8.0}] * 3)
    assert "disk" in list_cleared(diagnose_client(client, asked_by=None))
