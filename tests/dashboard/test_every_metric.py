"""Any metric, of a host or of a test: its chart, the time before beside it, and its percentiles."""

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.core.clock import read_now
from apps.dashboard.ranges import COMPARISONS
from apps.metrics.catalogue import METRICS
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
KEYS_A_SOURCE = 200
LINES_AT_ONCE = 100
PLACES = ("host", "test")


def list_keys():
    """A key of each metric that is a number, with all its attributes."""
    return [
        f"{one.name}{{{','.join(f'{name}=x' for name in sorted(one.attributes))}}}"
        if one.attributes
        else one.name
        for one in METRICS.values()
        if one.is_number
    ]


@pytest.fixture
def now():
    return read_now().replace(microsecond=0)


@pytest.fixture(params=PLACES)
def measured(request, client, now):
    """Where charts of each key get their numbers; measured today and a day before."""
    probe, keys = make_client("edge"), list_keys()
    key, found = make_key(probe), {}
    for first in range(0, len(keys), KEYS_A_SOURCE):
        part = tuple(keys[first : first + KEYS_A_SOURCE])
        source, url = (
            ("interface", f"eth{first}"),
            reverse("dashboard:client-history", args=[probe.id]),
        )
        if request.param == "test":
            assignment = make_assignment(probe, f"Test {first}")
            source = ("assignment", str(assignment.id))
            url = reverse("dashboard:assignment-history", args=[assignment.test_id, assignment.id])
        frames = [
            wire.frame([value] * len(part), keys=part, source=source, at=at)
            for value, at in (
                (1.0, now - DAY - timedelta(minutes=5)),
                (2.0, now - timedelta(minutes=5)),
            )
        ]
        answer = wire.send(client, key, *frames, keys=(part,))
        assert answer["rejected"] == []
        found |= dict.fromkeys(part, (url, source))
    return found


def read_lines(page, url, places, **query):
    lines = {"source": [], "subject": [], "key": [], "columns": []}
    for key, (kind, subject) in places:
        lines["source"].append(kind)
        lines["subject"].append("" if kind == "assignment" else subject)
        lines["key"].append(key)
        lines["columns"].append("all")
    answer = page.get(url, {**lines, **query})
    assert answer.status_code == 200, answer.content
    return answer.json()["lines"]


def test_every_metric_has_a_comparison_and_bands_over_any_range(page, measured, now):
    by_url = {}
    for key, (url, source) in measured.items():
        by_url.setdefault(url, []).append((key, source))
    end = now.timestamp()
    for span in (3600, 30 * 86_400):
        for url, places in by_url.items():
            for first in range(0, len(places), LINES_AT_ONCE):
                part = places[first : first + LINES_AT_ONCE]
                lines = read_lines(page, url, part, start=end - span, end=end, compare="day")
                for (key, _source), line in zip(part, lines, strict=True):
                    assert line["mean"], key
                    for column in ("minimum", "maximum", "p50", "p95"):
                        assert len(line[column]) == len(line["mean"]), key
                    assert line["earlier"]["mean"], key
                    assert line["changes"], key


@pytest.mark.parametrize("comparison", [name for name in COMPARISONS if name])
def test_every_comparison_is_answered_also_where_nothing_was_measured(
    page, measured, now, comparison
):
    key, (url, source) = next(iter(measured.items()))
    end = now.timestamp()
    [line] = read_lines(page, url, [(key, source)], start=end - 3600, end=end, compare=comparison)
    assert (line["earlier"]["mean"] == [1.0]) is (comparison == "day")


def test_every_metric_has_a_page_with_its_chart(page, measured):
    for key in measured:
        name = key.partition("{")[0]
        answer = page.get(f"/catalogue/{name}/")
        [panel] = answer.context["panels"]
        assert [line["key"] for line in panel["lines"]] == [key]
        assert answer.context["panels_url"]
