"""Charts hatch the times in which exclusive runs used the client, and trends leave those out."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.dashboard.selectors.history import Wanted, read_disturbed
from apps.tests.models import Reservation
from tests.factories.kinds import install_kinds
from tests.factories.pairs import make_end, make_pair
from tests.factories.tests import make_assignment, make_result, make_run

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR_SECONDS = 3600


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    install_kinds(monkeypatch)


@pytest.fixture
def ends():
    return [make_end("a"), make_end("b")]


def flood(pair, start_seconds, end_seconds):
    """An exclusive run of the pair that took place between those seconds after noon."""
    start, end = (NOON + timedelta(seconds=one) for one in (start_seconds, end_seconds))
    run = make_run(pair, state="finished", started_at=start, finished_at=end)
    for client_id in pair.participant_ids:
        Reservation.objects.create(run=run, client_id=client_id, start_at=start, end_at=end)


def want(points):
    return Wanted(NOON, NOON + timedelta(seconds=HOUR_SECONDS), points, None, [])


def test_times_that_a_chart_cannot_tell_apart_are_one(ends):
    pair = make_pair(*ends, kind="flood", name="Flood")
    for start in (0, 20, 1800):
        flood(pair, start, start + 10)
    ping = make_assignment(ends[1], "Ping")
    noon = NOON.timestamp()
    assert read_disturbed(ping, want(360)) == [
        [noon, noon + 10], [noon + 20, noon + 30], [noon + 1800, noon + 1810],
    ]  # fmt: skip
    assert read_disturbed(ping, want(60)) == [[noon, noon + 30], [noon + 1800, noon + 1810]]


def test_the_answer_for_a_chart_has_them_beside_its_lines(page, ends):
    flood(make_pair(*ends, kind="flood", name="Flood"), 10, 20)
    ping = make_assignment(ends[0], "Ping")
    noon = NOON.timestamp()
    query = {"start": noon, "end": noon + HOUR_SECONDS}
    answer = page.get(f"/tests/{ping.test_id}/clients/{ends[0].id}/history.json", query).json()
    assert answer == {"lines": [], "disturbed": [[noon + 10, noon + 20]]}


def test_the_trend_counts_disturbed_runs_but_takes_no_figure_of_them(page, ends):
    ping = make_assignment(ends[0], "Ping")
    for milliseconds, is_overlapped in ((10, False), (900, True)):
        values = {"net.rtt.median": milliseconds / 1000, "net.packet.loss.ratio": 0.5}
        result = make_result(ping, values=values)
        result.run.is_overlapped = is_overlapped
        result.run.save()
    trend = page.get("/overview/trend.json").json()
    assert sum(trend["runs"]) == 2
    assert {one for one in trend["round_trip_p95"] if one is not None} == {0.01}
