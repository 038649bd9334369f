"""Page, API, command and report tell one availability of the same time and clients."""

import json
from datetime import datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.urls import reverse

from apps.accounts.policy import build_onlooker
from apps.clients.algorithms.selector import Selector
from apps.reports.sections.wording import write_share
from apps.reports.selectors.analysis import Period, Question, read_availability
from apps.reports.selectors.facts import Facts
from apps.reports.selectors.facts.gathering import Question as ReportQuestion
from apps.reports.services.tallies import keep_tallies
from apps.tests.models import Assignment, Result
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.tests import forget_plans, make_assignment
from tests.reports.conftest import measure

pytestmark = pytest.mark.django_db

SPAN = timedelta(hours=48)
# 45 of 48 short runs and 12 of 48 long ones: by count 59 %, by length 26 %.
LENGTHS = {"Gateway": (10, [True] * 45 + [False] * 3), "Bulk": (300, [True] * 12 + [False] * 36)}
BY_LENGTH = (45 * 10 + 12 * 300) / (48 * 310)


@pytest.fixture
def measured(now):
    probe = make_client("probe-1", site="vienna")
    elsewhere = make_client("probe-2", site="graz")
    made = {
        name: make_assignment(probe, name, duration_seconds=seconds, every_seconds=3600)
        for name, (seconds, _verdicts) in LENGTHS.items()
    }
    made["Far"] = make_assignment(elsewhere, "Far")
    forget_plans()
    Assignment.objects.update(created_at=now - 10 * SPAN)
    for name, (_seconds, verdicts) in LENGTHS.items():
        measure(made[name], now, [True] * 48 + verdicts)
    measure(made["Far"], now, [False] * 96)
    for result in Result.objects.select_related("run"):
        result.started_at, result.received_at = result.run.start_at, result.run.end_at
        result.save()
    return now


def read_facts(start, end):
    question = ReportQuestion(
        build_onlooker(), Selector(sites=("vienna",)), (), start, end, start - SPAN, start,
        ZoneInfo("UTC"),
    )  # fmt: skip
    return Facts(question)


@pytest.fixture(params=["from the runs", "from the days that are kept"])
def way(request, measured):
    if request.param == "from the days that are kept":
        while keep_tallies(now=measured + timedelta(hours=3)):
            pass
    return request.param


def test_an_analysis_says_what_a_report_says(way, measured):
    start, end = measured - SPAN, measured
    facts = read_facts(start, end)
    question = Question(build_onlooker(), Period(start, end), ZoneInfo("UTC"), site="vienna")
    found = read_availability(question)
    assert found.share.share == facts.total.availability == pytest.approx(BY_LENGTH)
    assert found.coverage == facts.total.coverage == 1.0
    assert found.before.share == facts.previous_total.availability == 1.0
    by_test = {one.name: one.share.share for one in found.tests}
    assert by_test == {
        account.assignment.test.name: account.tally.availability for account in facts.accounts
    }
    # The counts stay those of runs, by which a change is judged.
    assert (found.share.successes, found.share.total, found.failures) == (57, 96, 39)
    assert found.share.low < found.share.share < found.share.high


def test_the_doors_say_it_alike(client, measured):
    start, end = measured - SPAN, measured
    expected = read_facts(start, end).total.availability
    client.force_login(make_user("ann", "viewer"))
    query = {"start": start.isoformat(), "end": end.isoformat(), "site": "vienna"}
    document = client.get("/api/v1/analysis/", query).json()
    assert document["availability"]["share"]["share"] == expected
    assert document["headlines"][0]["now"] == expected
    page = client.get(reverse("dashboard:analysis"), query, follow=True)
    assert page.status_code == 200
    assert write_share(expected) in page.content.decode()


def test_the_command_says_it_of_its_own_time(measured):
    output = StringIO()
    words = ("--hours", str(SPAN.total_seconds() / 3600), "--site", "vienna", "--json")
    call_command("analyze", *words, stdout=output)
    document = json.loads(output.getvalue())
    start, end = (datetime.fromisoformat(document[name]) for name in ("start", "end"))
    expected = read_facts(start, end).total.availability
    assert document["availability"]["share"]["share"] == expected
