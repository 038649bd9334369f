"""Any metric, of a host or of a test: its chart, the time before beside it, and its percentiles."""

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.core.clock import read_now
from apps.dashboard.formats import SPACE
from apps.dashboard.ranges import COMPARISONS
from apps.metrics.catalogue import METRICS
from streamswarm_agent.probes import ping, tcp, trace, udp_session
from tests.factories import wire
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
KEYS_A_SOURCE = 200
LINES_AT_ONCE = 100
PLACES = ("host", "test")
PROBES = {"ping": ping, "tcp": tcp, "trace": trace, "udp_session": udp_session}
# What no sample of these probes holds.
FIGURES = {
    "ping": {"net.rtt.p99", "net.voip.mos", "net.pdv.p99"},
    "tcp": {"net.tcp.rtt.smoothed", "net.rtt.p99"},
    "trace": {"path.change.count"},
    "udp_session": {"net.owd.forward.median", "net.owd.reverse.p95", "net.rtt.p99"},
}
RUNS_A_DAY = 4
LINES_OF_RUNS_AT_ONCE = 12


def list_keys(emitter=""):
    """A key of each metric that is a number (and comes from there), with all its attributes."""
    return [
        f"{one.name}{{{','.join(f'{name}=x' for name in sorted(one.attributes))}}}"
        if one.attributes
        else one.name
        for one in METRICS.values()
        if one.is_number and (not emitter or emitter in one.emitted_by)
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


@pytest.fixture(params=PROBES)
def tested(request, client, now):
    """An assignment of the kind: its probe's samples, and results with all that it can find."""
    probe = make_client("edge")
    assignment = make_assignment(probe, kind="ping")
    # A pair would need two agents; what is drawn is asked of the assignment alone.
    assignment.test.kind = request.param
    assignment.test.save(update_fields=["kind"])
    sampled, found = sorted(PROBES[request.param].SAMPLE_KEYS), list_keys(request.param)
    records = [
        wire.frame(
            [0.5] * len(sampled),
            keys=sampled,
            source=("assignment", str(assignment.id)),
            at=now - timedelta(minutes=5),
        )
    ]
    for day in (1, 0):
        for number in range(RUNS_A_DAY):
            at = now - day * DAY - timedelta(minutes=30 - number)
            run = make_run(assignment, start_at=at, end_at=at)
            values = dict.fromkeys(found, 1.0 + number + 10.0 * (1 - day))
            records.append(wire.result(assignment.id, run=run.id, at=at, values=values))
    answer = wire.send(client, make_key(probe), *records, keys=(sampled,))
    assert answer["rejected"] == []
    assignment.refresh_from_db()
    return assignment


def choose_figure(page, assignment, key, **query):
    """The page of the test with that figure chosen, and the line of its chart."""
    url = reverse("dashboard:test", args=[assignment.test_id])
    answer = page.get(url, {"client": assignment.client_id, "figure": key, **query})
    assert answer.status_code == 200
    panel = answer.context["panels"][-1]
    [line] = panel["lines"]
    assert line["key"] == key
    return answer, line


def read_figures(page, answer, lines, **query):
    parts = {name: [line[name] for line in lines] for name in ("source", "subject", "key")}
    query |= {**parts, "columns": ["all"] * len(lines)}
    document = page.get(answer.context["panels_url"], query)
    assert document.status_code == 200, document.content
    return document.json()["lines"]


def test_every_figure_of_results_alone_is_chosen_and_drawn_with_comparison_and_band(
    page, tested, now
):
    kind = tested.test.kind
    only_of_runs = set(list_keys(kind)) - PROBES[kind].SAMPLE_KEYS
    assert only_of_runs >= FIGURES[kind]
    end = now.timestamp()
    for key in sorted(FIGURES[kind]):
        answer, line = choose_figure(page, tested, key, compare="day", band="both")
        assert set(answer.context["figures"].of_runs) == only_of_runs
        assert f'<option value="{key}" selected>' in answer.content.decode()
        [drawn] = read_figures(
            page, answer, [line], start=end - 3600, end=end, points=2, compare="day"
        )
        assert drawn["resolution"] == f"1{SPACE}h means of one value a run"
        assert drawn["minimum"][0] < drawn["p50"][0] < drawn["p95"][0] < drawn["maximum"][0]
        assert drawn["earlier"]["mean"][0] < drawn["mean"][0]
        assert drawn["changes"], key
    keys = sorted(only_of_runs)
    for first in range(0, len(keys), LINES_OF_RUNS_AT_ONCE):
        lines = [{**line, "key": key} for key in keys[first : first + LINES_OF_RUNS_AT_ONCE]]
        for drawn in read_figures(page, answer, lines, start=end - 3600, end=end, compare="day"):
            assert drawn["mean"] == [11.0, 12.0, 13.0, 14.0]
            assert drawn["earlier"]["mean"] == [1.0, 2.0, 3.0, 4.0]
            assert drawn["resolution"] == "one value a run"


def test_what_samples_hold_is_drawn_out_of_samples(page, tested):
    answer, _line = choose_figure(page, tested, min(FIGURES[tested.test.kind]))
    key = answer.context["figures"].sampled[0]
    _answer, line = choose_figure(page, tested, key)
    assert line["source"] == "assignment"
    [drawn] = read_figures(page, answer, [line])
    assert drawn["mean"] == [0.5]


def test_a_figure_of_results_is_drawn_on_the_page_of_its_metric(page, tested):
    for key in sorted(FIGURES[tested.test.kind]):
        answer = page.get(f"/catalogue/{key}/")
        [row] = answer.context["rows"]
        assert row.assignment == tested
        [panel] = answer.context["panels"]
        [line] = panel["lines"]
        assert (line["source"], line["key"]) == ("run", key)
        assert "one value a run" in answer.content.decode()
        [drawn] = read_figures(page, answer, [line])
        assert drawn["mean"] == [11.0, 12.0, 13.0, 14.0]


def test_who_may_not_see_the_client_sees_no_figure_of_its_results(client, page, tested):
    key = min(FIGURES[tested.test.kind])
    answer, _line = choose_figure(page, tested, key)
    client.force_login(make_user("eve", "viewer", site="elsewhere"))
    assert client.get(answer.context["panels_url"]).status_code == 404
    assert client.get(f"/catalogue/{key}/").context["rows"] == []


def test_too_many_figures_of_results_at_once_are_refused(page, tested):
    key = min(FIGURES[tested.test.kind])
    answer, line = choose_figure(page, tested, key)
    lines = [line] * (LINES_OF_RUNS_AT_ONCE + 1)
    parts = {name: [line[name] for line in lines] for name in ("source", "subject", "key")}
    refused = page.get(answer.context["panels_url"], {**parts, "columns": ["all"] * len(lines)})
    assert refused.status_code == 400
    assert "at most 12 times" in refused.content.decode()
