"""Judging series as their five minutes close: each once, and after a restart the same."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from apps.configuration.models import Setting
from apps.core.bus import subscribe
from apps.core.errors import Invalid
from apps.metrics.models import DirtyBucket, Latest, Layout, Rollup, Source
from apps.ml.algorithms.series import LEARNING_VALUES
from apps.ml.models import Finding, SeriesState, SeriesWatch
from apps.ml.published import FindingRaised
from apps.ml.selectors.anomaly_rate import read_anomaly_rate
from apps.ml.services.series import MOST_SOURCES_OF_A_KIND, judge_series, judge_sources
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_run

START = datetime(2026, 1, 1, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)
KEY = "system.cpu.utilization"
PING_KEY = "net.rtt.median"
DISK_KEY = "system.filesystem.utilization"
COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")

pytestmark = pytest.mark.django_db


def make_layout(keys=(KEY,)):
    name = "-".join(keys)[-16:]
    found, _made = Layout.objects.get_or_create(hash=name, defaults={"keys": keys})
    return found


def watch_source(client=None, *, kind="host", subject="", keys=(KEY,), known_at=START):
    """A source that has sent a frame, and which the judge has met at that time."""
    client = client or make_client()
    source, _made = Source.objects.get_or_create(client=client, kind=kind, subject=subject)
    layout = make_layout(keys)
    Latest.objects.create(source=source, at=known_at, seq=1, layout=layout, values=[0.0])
    judge_series(now=known_at)
    return source


def store(source, values, *, first=0, keys=(KEY,)):
    """The five minutes that begin with number `first`."""
    layout = make_layout(keys)
    Rollup.objects.bulk_create(
        Rollup(
            source=source,
            step=300,
            at=START + (first + number) * FIVE_MINUTES,
            layout=layout,
            **{column: [value] for column in COLUMNS},
        )
        for number, value in enumerate(values)
    )
    Latest.objects.filter(source=source).update(at=find_moment(first + len(values) - 1))


def find_moment(number):
    return START + number * FIVE_MINUTES


def make_values(length=700, odd=(400, 600)):
    values = np.random.default_rng(1).uniform(0.2, 0.8, size=length)
    values[list(odd)] = 1.6, 2.4
    return values.tolist()


def judge_until(number):
    return judge_series(now=find_moment(number) + timedelta(seconds=31))


def list_findings():
    return [
        (row.started_at, row.metric, row.cause, row.score, row.evidence)
        for row in Finding.objects.order_by("started_at")
    ]


@pytest.fixture
def source():
    return watch_source()


def test_what_is_unusual_becomes_a_finding_with_its_figures(source):
    told = []
    subscribe(FindingRaised, told.append)
    values = make_values()
    store(source, values)
    assert judge_until(700) == 1
    found = {row.started_at: row for row in Finding.objects.all()}
    finding = found[find_moment(400)]
    assert (finding.kind, finding.cause, finding.metric) == ("series_anomaly", "range", KEY)
    assert (finding.client, finding.source, finding.test) == (source.client, source, None)
    assert finding.ended_at == find_moment(401)
    assert finding.score > 1.25
    assert finding.severity == "warning"
    assert finding.evidence["value"] == 1.6
    assert finding.evidence["high"] == pytest.approx(max(values[:400]), rel=1e-5)
    assert find_moment(600) in found


def test_five_minutes_at_a_time_give_the_same_findings_as_all_at_once(source):
    other = watch_source(make_client("other"))
    values = make_values()
    store(other, values)
    judge_until(700)
    at_once = list_findings()
    Finding.objects.all().delete()
    ends = [*range(1, 30), 390, *range(391, 411), 595, *range(596, 611), 700]
    for start, end in pairwise([0, *ends]):
        store(source, values[start:end], first=start)
        judge_until(end)
    assert list_findings() == at_once
    assert at_once


def test_judging_again_changes_nothing(source):
    store(source, make_values())
    judge_until(700)
    before = list_findings()
    assert judge_until(701) == 0
    assert judge_sources([source.id], 1.02) == 0
    assert list_findings() == before


def test_a_restart_between_stored_states_neither_loses_nor_doubles(source):
    values = make_values()
    store(source, values[:605])
    judge_until(605)
    watch = SeriesWatch.objects.get(source=source)
    before = list_findings()
    # As after a crash that lost all since the state before.
    SeriesState.objects.all().delete()
    SeriesWatch.objects.update(stored_until=START)
    store(source, values[605:], first=605)
    judge_until(700)
    assert list_findings()[: len(before)] == before
    assert len(set(Finding.objects.values_list("started_at", "metric"))) == Finding.objects.count()
    assert SeriesWatch.objects.get(source=source).judged_until > watch.judged_until


def test_a_bucket_that_waits_to_be_computed_is_waited_for(source):
    store(source, make_values(10, odd=(1, 2)))
    waiting = DirtyBucket.objects.create(
        source=source, step=300, at=find_moment(4), due_at=START, claimed_until=START
    )
    judge_until(10)
    assert SeriesWatch.objects.get(source=source).judged_until == find_moment(4)
    waiting.delete()
    judge_until(10)
    assert SeriesWatch.objects.get(source=source).judged_until == find_moment(10)


def test_what_was_kept_before_is_learnt_from_without_findings():
    source = Source.objects.create(client=make_client(), kind="host")
    Latest.objects.create(source=source, at=START, seq=1, layout=make_layout(), values=[0.0])
    values = make_values()
    store(source, values[:500])
    judge_until(500)
    assert not Finding.objects.exists()
    store(source, values[500:], first=500)
    judge_until(700)
    assert SeriesState.objects.get(source=source).values_count == 700
    assert find_moment(600) in set(Finding.objects.values_list("started_at", flat=True))


def test_runs_that_an_exclusive_one_disturbed_are_left_out():
    assignment = make_assignment(make_client())
    source = watch_source(assignment.client, kind="assignment", keys=(PING_KEY,))
    assignment.source = source
    assignment.save()
    store(source, make_values(), keys=(PING_KEY,))
    at = find_moment(600)
    make_run(assignment, start_at=at, end_at=at + timedelta(seconds=9), is_overlapped=True)
    judge_until(700)
    found = {row.started_at: row for row in Finding.objects.all()}
    assert find_moment(600) not in found
    assert found[find_moment(400)].test == assignment.test


def test_a_lower_sensitivity_raises_fewer_findings(source):
    Setting.objects.create(name="anomaly_sensitivity", value="lowest", changed_at=START)
    store(source, make_values())
    judge_until(700)
    assert Finding.objects.exists()
    assert all(finding.score >= 1.25 for finding in Finding.objects.all())


def test_values_that_were_not_measured_are_passed_over(source):
    values = make_values()
    values[100:150] = [None] * 50
    store(source, values)
    judge_until(700)
    assert SeriesState.objects.get(source=source).values_count == 650


def test_a_damaged_state_is_learnt_anew_and_stops_nobody(source):
    values = make_values()
    store(source, values[:300])
    judge_until(300)
    SeriesState.objects.update(state=b"SD01 nonsense")
    store(source, values[300:], first=300)
    assert judge_until(700) == 1
    assert 0 < SeriesState.objects.get(source=source).values_count <= 400


def test_loopback_and_a_crowd_of_interfaces_are_not_judged():
    client = make_client()
    layout = make_layout()
    for subject in ("lo", *(f"veth{number}" for number in range(9))):
        source = Source.objects.create(client=client, kind="interface", subject=subject)
        Latest.objects.create(source=source, at=START, seq=1, layout=layout, values=[0.0])
    judge_series(now=START)
    watched = SeriesWatch.objects.filter(is_watched=True)
    assert watched.count() == MOST_SOURCES_OF_A_KIND
    assert "lo" not in set(watched.values_list("source__subject", flat=True))


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_raise_each_finding_once(source):
    store(source, make_values())
    barrier = threading.Barrier(2)

    def judge():
        from django.db import connection

        barrier.wait()
        try:
            judge_sources([source.id], 1.02)
        finally:
            connection.close()

    threads = [threading.Thread(target=judge) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list_findings()
    assert len({(at, metric) for at, metric, *_rest in found}) == len(found) > 0


def test_a_client_s_rate_counts_series_and_ranks_the_gravest_first(source):
    ping = watch_source(source.client, kind="filesystem", subject="/", keys=(DISK_KEY,))
    store(source, make_values())
    calm = np.random.default_rng(2).uniform(0.5, 0.6, size=700)
    calm[600] = 9.0
    store(ping, calm.tolist(), keys=(DISK_KEY,))
    judge_until(700)
    rate = read_anomaly_rate(source.client_id, start=find_moment(590), end=find_moment(610))
    assert (rate.judged, rate.unusual, rate.rate) == (2, 2, 1.0)
    assert [row.metric for row in rate.metrics] == [DISK_KEY, KEY]
    assert rate.metrics[0].text.startswith("outside the range of the last 2 days by ")
    quiet = read_anomaly_rate(source.client_id, start=find_moment(0), end=find_moment(100))
    assert (quiet.unusual, quiet.rate) == (0, 0.0)
    with pytest.raises(Invalid):
        read_anomaly_rate(source.client_id, start=START, end=START)


def test_a_client_whose_series_are_new_has_no_rate(source):
    store(source, make_values(50, odd=(1, 2)))
    judge_until(50)
    rate = read_anomaly_rate(source.client_id, start=START, end=find_moment(60))
    assert (rate.judged, rate.learning, rate.rate) == (0, 1, None)
    assert LEARNING_VALUES > 50


def test_the_api_tells_the_rate_to_whoever_may_see_the_client(source, client):
    store(source, make_values())
    judge_until(700)
    path = f"/api/v1/clients/{source.client_id}/anomalies/"
    query = {"start": find_moment(590).isoformat(), "end": find_moment(610).isoformat()}
    client.force_login(make_user("stranger", "viewer", site="elsewhere"))
    assert client.get(path, query).status_code == 404
    client.force_login(make_user("viewer", "viewer"))
    answer = client.get(path, query).json()
    assert (answer["judged"], answer["unusual"]) == (1, 1)
    assert answer["metrics"][0]["metric"] == KEY
    assert client.get(path, {"start": "soon"}).status_code == 400
