"""What the page of a run says of its values, and of those that it has not."""

import pytest

from apps.dashboard.selectors.findings import describe_facts, describe_findings
from apps.tests.models import Result
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_result

SPACE = "\N{NO-BREAK SPACE}"


def describe(values, absent=None):
    found = describe_findings(Result(values=values, absent=absent or {}))
    return {group.name: group for group in found}


def test_the_values_of_one_metric_stand_together_and_its_meaning_once():
    (group,) = describe(
        {
            "system.cpu.utilization": 0.5,
            "system.cpu.utilization{state=user}": 0.4,
            "system.cpu.steal": 0.1,
        }
    ).values()
    assert [(one.name, len(one.readings)) for one in group.findings] == [
        ("system.cpu.utilization", 2),
        ("system.cpu.steal", 1),
    ]
    readings = group.findings[0].readings
    assert [one.words for one in readings] == ["in all", f"state{SPACE}user"]
    assert group.findings[1].readings[0].words == ""


def test_what_is_missing_is_counted_by_reason_behind_what_was_measured():
    groups = describe(
        {"agent.run.late": 0.1},
        {"net.rtt.p99": "I", "net.rtt.min": "T", "net.rtt.max": "T"},
    )
    assert list(groups) == ["Agent", "Latency and loss"]
    missing = groups["Latency and loss"]
    assert missing.findings == ()
    assert missing.reasons == (("T", 2), ("I", 1))
    assert [one.key for one in missing.absences] == ["net.rtt.min", "net.rtt.p99", "net.rtt.max"]


def test_a_key_that_the_catalogue_does_not_know_is_shown_as_it_is():
    (group,) = describe({"vendor.thing": 3.0}).values()
    assert group.findings[0].meaning == "vendor.thing"


def test_a_fact_is_told_with_its_meaning():
    (fact,) = describe_facts({"http.protocol.version": "1.1"})
    assert fact.text == "1.1"
    assert fact.meaning == "Version of HTTP that was spoken."


@pytest.mark.django_db
def test_the_page_folds_what_was_not_measured_and_says_why(page):
    assignment = make_assignment(make_client())
    result = make_result(assignment, absent={"net.rtt.p99": "I", "net.rtt.max": "I"})
    html = " ".join(page.get(f"/runs/{result.run_id}/").content.decode().split())
    assert "2 not measured: <span" in html
    assert "too few samples" in html
    assert html.index('<details class="drawer-plain') < html.index("net.rtt.p99")
