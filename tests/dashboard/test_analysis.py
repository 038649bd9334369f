"""The page Analysis: a time beside the one before."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from apps.core.clock import read_now
from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_moment
from apps.metrics.models import Source
from apps.ml.models import Finding
from apps.reports.selectors.analysis import Headline
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.frames import store_frames
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db

HOSTILE = "<img src=x onerror=alert(1)>"
RECEIVED = "system.network.io.rate{direction=receive}"
HOUR = timedelta(hours=1)


@pytest.fixture
def page(client):
    client.force_login(make_user("ann", "viewer"))
    return client


def show(page, **query):
    answer = page.get(reverse("dashboard:analysis"), query)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_a_server_without_anything_says_so(page):
    text = show(page)
    assert "No run was planned in this time." in text
    assert "No link was measured in this time." in text
    assert "Not measured" in text


def test_the_page_shows_all_parts_and_hostile_names_harmlessly(page):
    probe = make_client(HOSTILE, site="vienna")
    make_result(make_assignment(probe, HOSTILE), is_success=True)
    end = floor_moment(read_now(), HOUR_SECONDS)
    source = Source.objects.create(client=probe, kind="interface", subject="eth0")
    rows = [(end - HOUR * (number + 0.5), 4e6) for number in range(5)]
    store_frames(source, rows, keys=(RECEIVED,))
    Finding.objects.create(
        kind="series_anomaly", severity="warning", client=probe, metric="net.rtt.median",
        started_at=end - HOUR, ended_at=end, created_at=end,
    )  # fmt: skip
    text = show(page)
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text
    assert "1 time something was unusual" in text
    assert re.search(r"<span>Round-trip time</span>\s*<strong>1</strong>", text)
    assert re.search(r"4(\.0+)?\xa0Mbit/s on average over 1 link", text)
    assert text.count('class="heat-row"') == 7


def test_the_question_stands_in_the_address(page):
    probe = make_client("probe-1", site="vienna")
    make_result(make_assignment(probe, "Gateway"))
    assert ">Gateway</strong>" in show(page, site="vienna", zone="Europe/Vienna", range="24h")
    assert ">Gateway</strong>" not in show(page, site="nowhere")
    assert ">Gateway</strong>" in show(page, client=probe.id)
    zoned = show(page, zone="Europe/Vienna")
    assert re.search(r'<option value="Europe/Vienna"\s+selected', zoned)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"client": "x"}, 404),
        ({"test": "x"}, 404),
        ({"start": "2010-01-01T00:00:00Z", "end": "2015-01-01T00:00:00Z"}, 400),
        ({"zone": "Mars/Olympus"}, 200),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(page, query, status):
    assert page.get(reverse("dashboard:analysis"), query).status_code == status


@pytest.mark.parametrize(
    ("now", "before", "chance", "better", "verdict"),
    [
        (None, 1.0, None, "lower", "missing"),
        (1.0, None, None, "lower", "new"),
        (1.0, 1.0, 0.5, "lower", "same"),
        (2.0, 1.0, 0.5, "lower", "by_chance"),
        (2.0, 1.0, 0.01, "lower", "worse"),
        (2.0, 1.0, 0.01, "higher", "better"),
        (2.0, 1.0, None, "neither", "higher"),
    ],
)
def test_a_change_has_a_word(now, before, chance, better, verdict):
    assert Headline("x", "1", now, before, None, chance, better).verdict == verdict
