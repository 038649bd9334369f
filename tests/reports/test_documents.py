"""What a report says: counted, compared, left out where nothing is known, and only what is seen."""

from datetime import timedelta

import pytest

from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_moment
from apps.reports.models import ReportPlan
from apps.reports.sections import SECTIONS, TEMPLATES
from apps.reports.sections.tests import MOST_FIGURES
from apps.reports.selectors.facts import Facts
from apps.reports.selectors.facts.series import RECEIVED
from apps.reports.services.reports import ask_question, build_document, draft_plan
from apps.reports.services.reports.document import render_html
from apps.tests.models import Assignment
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.forecasts import add_hours, make_forecast
from tests.factories.maintenance import select
from tests.factories.reports import define_plan
from tests.factories.tests import make_assignment, make_run
from tests.reports.conftest import measure

pytestmark = pytest.mark.django_db
HOSTILE = "<img src=x onerror=alert(1)>"


def build(owner, now, **fields):
    plan = draft_plan(define_plan(**{"period": "7d", **fields}), owner=owner)
    question = ask_question(plan, user=owner, now=now + timedelta(hours=1))
    return build_document(plan, question, now)


def gather(owner, now, **fields):
    plan = draft_plan(define_plan(**{"period": "7d", **fields}), owner=owner)
    return Facts(ask_question(plan, user=owner, now=now + timedelta(hours=1)))


def list_names(document):
    return [section.name for section in document.sections]


def test_runs_are_counted_by_what_became_of_them(owner, network, now):
    accounts = {one.assignment.test.name: one for one in gather(owner, now).accounts}
    shop = accounts["Shop"].tally
    assert (shop.good, shop.bad, shop.unknown) == (17, 3, 4)
    assert accounts["Gateway"].tally.availability == 1
    assert accounts["Shop"].is_met is False


def test_paused_and_cancelled_runs_are_in_no_count(owner, network, now):
    before = gather(owner, now).tallies[network["good"].id]
    for state in ("paused", "cancelled"):
        at = now - timedelta(hours=2)
        make_run(network["good"], state=state, start_at=at, end_at=at)
    assert gather(owner, now).tallies[network["good"].id] == before


def test_an_incident_lasts_until_the_next_good_run(owner, network, now):
    [incident] = gather(owner, now).incidents
    assert incident.key == network["bad"].id
    assert incident.seconds == 3 * 3600
    assert incident.reason == "no reply"


def test_the_verdict_names_what_went_worst(owner, network, now):
    verdict = build(owner, now).verdict
    assert verdict.startswith("1 of 2 tests missed its goal")
    assert "Shop @ vienna-1" in verdict


def test_a_section_without_facts_is_left_out(owner, network, now):
    names = list_names(build(owner, now))
    assert names == ["summary", "service_levels", "incidents", "quality", "appendix"]
    make_forecast(network["client"])
    assert "capacity" in list_names(build(owner, now))


def test_an_empty_selection_says_so_and_not_that_all_is_well(owner, now):
    document = build(owner, now, selector=select(sites=["nowhere"]))
    assert "summary" not in list_names(document)
    assert document.verdict.startswith("Nothing was measured")
    assert document.coverage is None


def test_sections_come_in_the_order_asked_for(owner, network, now):
    assert list_names(build(owner, now, sections=["incidents", "summary"])) == [
        "incidents",
        "summary",
    ]


@pytest.mark.parametrize("template", ReportPlan.Template.values)
def test_every_template_is_made_of_known_sections_and_can_be_built(owner, network, now, template):
    make_forecast(network["client"])
    document = build(owner, now, template=template)
    assert set(TEMPLATES[template]) <= set(SECTIONS)
    assert set(list_names(document)) <= set(TEMPLATES[template])
    assert document.sections


def test_charts_have_their_unit_their_period_and_words_for_who_does_not_see_them(
    owner, network, now
):
    [quality] = [one for one in build(owner, now).sections if one.name == "quality"]
    assert "Unit: ms, s" in quality.html
    assert "Period: " in quality.html
    assert "(UTC)" in quality.html
    assert 'alt="Line chart of Latency' in quality.html


def test_what_fills_is_drawn_until_its_limit_is_reached(owner, network, now):
    add_hours(network["client"], [0.5] * 24, newest=floor_moment(now, HOUR_SECONDS))
    make_forecast(network["client"])
    make_forecast(network["client"], subject="/srv", full_at=now + timedelta(days=300))
    [capacity] = [one for one in build(owner, now).sections if one.name == "capacity"]
    assert capacity.html.count("<figure>") == 1
    assert "vienna-1: Disk /var" in capacity.html
    assert (
        "mean 50.0\N{NO-BREAK SPACE}% in the period; 66.0\N{NO-BREAK SPACE}% now" in capacity.html
    )
    # After 34 days and a fifth, of one point a day.
    assert "100\N{NO-BREAK SPACE}% expected on" in capacity.html


def test_what_fills_and_is_not_measured_in_the_period_is_told_without_a_picture(
    owner, network, now
):
    make_forecast(network["client"])
    [capacity] = [one for one in build(owner, now).sections if one.name == "capacity"]
    assert "Disk /var" in capacity.html
    assert "<figure>" not in capacity.html


def test_the_appendix_says_when_clients_measured_nothing(owner, network, now):
    measure(make_assignment(make_client("graz-1"), "Core"), now, [True] * 20 + [None] * 4)
    [appendix] = [one for one in build(owner, now).sections if one.name == "appendix"]
    assert "Times without measurements" in appendix.html
    # The other client missed four runs of one test, and measured with the other meanwhile.
    assert "<td>graz-1</td>" in appendix.html
    assert "<td>vienna-1</td>" not in appendix.html
    assert "4\N{NO-BREAK SPACE}h" in appendix.html


def test_the_accounting_method_is_printed(owner, network, now):
    html = render_html(build(owner, now))
    assert "good run time divided by measured run time" in html
    assert "Runs paused by maintenance are in no count" in html


def test_hostile_names_stay_text_and_nothing_in_it_lies_outside(owner, now):
    client = make_client(HOSTILE, site="vienna", hostname=HOSTILE)
    measure(make_assignment(client, f"{HOSTILE} test"), now, [True, False, True, False])
    make_forecast(client, subject=HOSTILE)
    for template in ReportPlan.Template.values:
        html = render_html(build(owner, now, name=HOSTILE, template=template))
        assert HOSTILE not in html
        assert "&lt;img src=x onerror=alert(1)&gt;" in html
        assert 'src="http' not in html
        assert "url(http" not in html


def test_a_report_shows_what_its_owner_sees_and_no_more(network, now):
    far = make_client("graz-1", site="graz")
    measure(make_assignment(far, "Secret"), now, [True, False, True])
    narrow = make_user("vera", "viewer", site="vienna")
    html = render_html(build(narrow, now))
    assert "Shop" in html
    assert "Secret" not in html
    assert "graz" not in html


def test_chosen_tests_narrow_it_and_a_deleted_one_matches_nothing(owner, network, now):
    only = gather(owner, now, tests=[str(network["good"].test_id)])
    assert [one.assignment.test.name for one in only.accounts] == ["Gateway"]
    gone = gather(owner, now, tests=["00000000-0000-0000-0000-000000000000"])
    assert gone.accounts == []


def test_the_period_before_is_compared(owner, network, now):
    measure(network["bad"], now - timedelta(days=8), [True] * 30 + [False] * 2 + [True])
    figures = {title: change for title, _value, change in build(owner, now).summary["figures"]}
    assert figures["Incidents"] == "as many as before"
    assert "points against before" in figures["Availability"]


def test_a_period_of_which_little_is_known_is_not_compared(owner, network, now):
    measure(network["bad"], now - timedelta(days=8), [False] * 3)
    changes = {change for _title, _value, change in build(owner, now).summary["figures"]}
    assert changes == {"no earlier data"}


def test_a_report_of_one_test_says_nothing_of_what_else_is_wrong_with_its_clients(
    owner, network, now
):
    make_forecast(network["client"])
    names = list_names(build(owner, now, template="test", tests=[str(network["good"].test_id)]))
    assert names == ["summary", "tests", "service_levels", "appendix"]


def test_what_passes_inner_interfaces_counts_once(owner, network, now):
    newest = floor_moment(now, HOUR_SECONDS) - timedelta(hours=1)
    for name in ("eth0", "eth1", "lo", "docker0", "veth12ab", "br-5f", "virbr0"):
        add_hours(
            network["client"], [100.0] * 24,
            kind="interface", subject=name, key=RECEIVED, newest=newest,
        )  # fmt: skip
    course = gather(owner, now).draw_traffic(RECEIVED)
    assert (course.members, course.mean) == (2, 200.0)


def test_of_many_clients_a_test_draws_no_more_figures_than_it_shows(
    owner, network, now, django_assert_max_num_queries
):
    first = network["bad"]
    newest = floor_moment(now, HOUR_SECONDS) - timedelta(hours=1)
    for number in range(30):
        assignment = Assignment.objects.create(
            test=first.test, client=make_client(f"far-{number}"), created_at=first.created_at
        )
        measure(assignment, now, [True])
        assignment.source = add_hours(
            assignment.client, [0.01] * 24,
            kind="assignment", subject=str(assignment.id), key="net.rtt.median", newest=newest,
        )  # fmt: skip
        assignment.save()
    with django_assert_max_num_queries(12 * MOST_FIGURES):
        document = build(owner, now, sections=["tests"], tests=[str(first.test_id)])
    [section] = document.sections
    assert "far-29" in section.html
    assert section.html.count("<figure") == MOST_FIGURES
