"""What fills when: the page, the charts of each, and asking for them anew."""

import json
import re

import pytest
from django.urls import reverse

from apps.jobs.models import Job
from apps.ml.models import Forecast
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.forecasts import DISK, MEMORY, add_hours, make_forecast

pytestmark = pytest.mark.django_db


@pytest.fixture
def host(db):
    return make_client("store-1", site="vienna")


def read_columns(text, name):
    found = re.search(rf'<script id="{name}-columns" type="application/json">(.*?)</script>', text)
    return json.loads(found[1])


def test_the_page_says_what_fills_in_how_many_days(page, host):
    make_forecast(host)
    text = page.get("/capacity/").content.decode()
    assert "Disk /var on store-1 is full in 34 days (27 to 48)." in text
    assert "27 to 48 days" in text
    assert "+1.00 points a day" in text
    assert "31 % better than repeating the day before" in text


def test_what_is_learned_and_what_does_not_grow_say_so(page, host):
    fields = {"verdict": "", "limit_refusal": "too_short", "days_there": 5, "days_needed": 8}
    make_forecast(host, refusal="too_short", count=20, needed=96, middle=None, **fields)
    make_forecast(host, subject="/", verdict=Forecast.Verdict.NOT_GROWING, full_at=None)
    text = page.get("/capacity/").content.decode()
    assert "Learning 5/8 days" in text
    assert "Learning 20/96 h" in text
    assert "Not growing" in text


@pytest.mark.parametrize(
    ("verdict", "days", "tone"),
    [
        ("reached", 0, "bad"),
        ("growing", 10, "bad"),
        ("growing", 34, "warning"),
        ("beyond", 365, "good"),
    ],
)
def test_urgency_has_a_colour_and_a_word(page, host, verdict, days, tone):
    row = make_forecast(host, verdict=verdict)
    Forecast.objects.filter(id=row.id).update(
        full_at=row.made_at + (row.full_at - row.made_at) * days / 34
    )
    assert f"state state-{tone}" in page.get("/capacity/").content.decode()


def test_kinds_sites_and_tags_narrow_the_list(page, host):
    make_forecast(host)
    make_forecast(make_client("mem-1", site="berlin"), kind="host", subject="", metric=MEMORY)
    text = page.get("/capacity/?kind=host").content.decode()
    assert "mem-1" in text
    assert "store-1" not in text
    assert "store-1" in page.get("/capacity/?site=vienna").content.decode()
    assert (
        "There is no forecast of that kind."
        in page.get("/capacity/?kind=interface").content.decode()
    )


def test_without_any_forecast_the_page_says_when_there_will_be(page):
    assert "No forecast yet." in page.get("/capacity/").content.decode()


def test_the_charts_begin_with_what_was_measured_and_go_on_with_what_is_foretold(page, host):
    add_hours(host, [0.4 + hour * 0.0004 for hour in range(24 * 20)])
    row = make_forecast(host)
    text = page.get(reverse("dashboard:forecast", args=[row.id])).content.decode()
    hours = read_columns(text, "hours")
    at, measured, foretold, lowest, highest, lower, upper = hours["columns"]
    assert len({len(column) for column in hours["columns"]}) == 1
    assert at == sorted(at)
    assert measured[-25] == foretold[-25]
    assert foretold[-24:] == [0.66] * 24
    assert (lowest[-1], lower[-1], upper[-1], highest[-1]) == (0.64, 0.65, 0.67, 0.68)
    days = read_columns(text, "days")
    assert days["threshold"] == 1.0
    at, _daily, growth, low, high = days["columns"]
    assert at[-1] - at[-2] == 86_400
    assert low[-1] < growth[-1] < high[-1]


def test_a_forecast_that_was_refused_draws_what_was_measured(page, host):
    add_hours(host, [0.4, None, 0.5])
    row = make_forecast(
        host, limit=None, verdict="", middle=None, refusal="too_short", start_at=None
    )
    text = page.get(reverse("dashboard:forecast", args=[row.id])).content.decode()
    assert read_columns(text, "hours")["columns"][1] == [0.4, None, 0.5]
    assert "days-columns" not in text


def test_who_operates_a_client_may_have_its_forecasts_made_anew(client, host):
    url = reverse("dashboard:refresh-forecasts", args=[host.id])
    client.force_login(make_user("vera", "viewer"))
    assert client.post(url).status_code in {403, 404}
    client.force_login(make_user("otto", "operator"))
    assert client.post(url, follow=True).status_code == 200
    assert Job.objects.get(kind="ml.make_forecasts").key == f"client:{host.id}"


def test_forecasts_of_others_are_not_shown(client, host):
    row = make_forecast(host)
    client.force_login(make_user("berta", "viewer", site="berlin"))
    assert client.get(reverse("dashboard:forecast", args=[row.id])).status_code == 404
    assert "store-1" not in client.get("/capacity/").content.decode()


def read_line(page, host, **asked):
    url = reverse("dashboard:client-history", args=[host.id])
    query = {"source": "filesystem", "subject": "/var", "key": DISK, "columns": "mean", **asked}
    return page.get(url, query).json()["lines"][0]


def test_charts_have_the_hours_to_come_only_when_asked_for(page, host):
    row = make_forecast(host)
    assert "forecast" not in read_line(page, host)
    expected = read_line(page, host, forecast="on")["forecast"]
    assert expected["at"][0] == row.start_at.timestamp()
    assert len(expected["at"]) == len(expected["mean"]) == len(expected["upper"]) == 24
    assert expected["note"] == "forecast: 31 % better than repeating the day before"


def test_charts_say_why_there_is_no_forecast(page, host):
    make_forecast(host, middle=None, start_at=None, refusal="not_better", margin=-0.2)
    expected = read_line(page, host, forecast="on")["forecast"]
    assert (expected["at"], expected["mean"]) == ([], [])
    assert expected["note"] == "forecast: No better than the day before"


@pytest.mark.parametrize(
    ("level", "growth", "words"),
    [
        (0.66, 0.01, "above 90.0\N{NO-BREAK SPACE}% in 23 days"),
        (0.95, 0.01, "above 90.0\N{NO-BREAK SPACE}% already"),
        (0.66, -0.01, ""),
    ],
)
def test_a_disk_also_has_the_days_until_it_counts_as_high(page, host, level, growth, words):
    fields = {"growth_low": growth * 0.7, "growth_high": growth * 1.25}
    row = make_forecast(host, level=level, growth=growth, **fields)
    answer = page.get(reverse("dashboard:forecast", args=[row.id]))
    assert answer.context["threshold"] == words
    assert words in answer.content.decode()
